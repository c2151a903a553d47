import type { ByteString } from '../../bytes.js';
import { type Entry, EntryType } from '../../format/entry.js';
import {
  decodeListingNode,
  type ListingChild,
  ListingCutter,
  type ListingRoot,
  ListingTreeBuilder,
} from '../../format/listing.js';
import { decodeSegment, encodeSegment } from '../../format/segment.js';
import type { BlobReader } from '../blob-reader.js';
import type { MetadataWriter } from './metadata-writer.js';
import type { Workshop } from './workshop.js';

/** Builds a listing from entries in key order, and from whole segments of another one. */
export class ListingWriter {
  readonly counts = { files: 0, dirs: 0, bytes: 0 };
  entries = 0;
  private readonly cutter: ListingCutter;
  private readonly writer: MetadataWriter;
  private readonly tree: ListingTreeBuilder;
  private items: Entry[] = [];
  private segments = 0;

  constructor(shop: Workshop, writer: MetadataWriter) {
    this.cutter = new ListingCutter(shop.keyring.shared.listingCut);
    this.writer = writer;
    this.tree = new ListingTreeBuilder(this.cutter, (bytes) => writer.put(bytes));
  }

  /** Whether an entry with this key would begin a segment: then that whole segment can be taken over as it is. */
  beginsAt(key: ByteString): boolean {
    if (this.items.length > 0 && this.cutter.cutsBefore(key, this.items.length)) this.close();
    return this.items.length === 0;
  }

  /** Adds an entry. */
  add(entry: Entry): void {
    if (this.cutter.cutsBefore(entry.key, this.items.length)) this.close();
    this.items.push(entry);
    this.entries++;
    if (entry.type === EntryType.file) {
      this.counts.files++;
      this.counts.bytes += entry.size;
    } else if (entry.type === EntryType.dir) this.counts.dirs++;
  }

  /** Takes over a segment as it is, where one begins. */
  addSegment(child: ListingChild): void {
    this.tree.add(child);
    this.segments++;
    this.entries += child.entries;
  }

  /** Closes the listing; it is stored when the writer is finished. */
  finish(): ListingRoot {
    if (this.items.length > 0 || this.segments === 0) this.close();
    return this.tree.finish();
  }

  private close(): void {
    const { items } = this;
    const id = this.writer.put(encodeSegment(items));
    this.tree.add({ firstKey: items.length > 0 ? items[0].key : '', id, entries: items.length });
    this.segments++;
    this.items = [];
  }
}

/** A listing without some paths, and what of the old one told of them. */
export interface CutListing {
  listing: ListingRoot;
  /** Entries of the new listing, and how many the old one had besides. */
  entries: number;
  removed: number;
  removedFiles: number;
  removedBytes: number;
  removedDirs: number;
  /** Entries left that are not directories above a removed path. */
  others: number;
  /** Ids of nodes and segments that named removed paths. */
  tainted: Uint8Array[];
}

/**
 * Writes a listing anew without the given paths and what is below them. Segments that have none of them are taken over
 * unread, as far as cuts allow.
 */
export async function cutListing(
  shop: Workshop,
  writer: MetadataWriter,
  reader: BlobReader,
  root: ListingRoot,
  without: readonly ByteString[],
): Promise<CutListing> {
  const listing = new ListingWriter(shop, writer);
  const result = { entries: 0, removed: 0, removedFiles: 0, removedBytes: 0, removedDirs: 0, others: 0 };
  const tainted: Uint8Array[] = [];
  for await (const { child, end, path } of segmentsWithPath(root, reader)) {
    const touched = child.entries > 0 && without.some((key) => mayHold(child.firstKey, end, key));
    const above = !touched && without.some((key) => holdsAncestor(child.firstKey, end, key));
    if (!touched && !above && listing.beginsAt(child.firstKey)) {
      listing.addSegment(child);
      result.others += child.entries;
      continue;
    }
    const segment = decodeSegment(await reader.read('listing', child.id));
    let removed = 0;
    for (let i = 0; i < segment.length; i++) {
      const key = segment.keys[i];
      if (!without.some((gone) => isWithin(key, gone))) {
        listing.add(segment.entry(i));
        if (!without.some((gone) => isWithin(gone, key))) result.others++;
        continue;
      }
      removed++;
      if (segment.types[i] === EntryType.file) {
        result.removedFiles++;
        result.removedBytes += segment.sizes[i];
      } else if (segment.types[i] === EntryType.dir) result.removedDirs++;
    }
    result.removed += removed;
    if (removed > 0) tainted.push(child.id, ...path);
  }
  result.entries = listing.entries;
  return { ...result, listing: listing.finish(), tainted };
}

/** Segments in order, each with the first key behind it and the ids of the nodes above it. */
async function* segmentsWithPath(
  root: ListingRoot,
  reader: BlobReader,
): AsyncGenerator<{ child: ListingChild; end: ByteString | undefined; path: Uint8Array[] }> {
  if (root.depth === 0) {
    const segment = decodeSegment(await reader.read('listing', root.id));
    const child = { firstKey: segment.length > 0 ? segment.keys[0] : '', id: root.id, entries: segment.length };
    yield { child, end: undefined, path: [] };
    return;
  }
  let last: { child: ListingChild; path: Uint8Array[] } | undefined;
  for await (const next of below(root.id, root.depth, [], reader)) {
    if (last !== undefined) yield { ...last, end: next.child.firstKey };
    last = next;
  }
  if (last !== undefined) yield { ...last, end: undefined };
}

async function* below(
  id: Uint8Array,
  level: number,
  above: Uint8Array[],
  reader: BlobReader,
): AsyncGenerator<{ child: ListingChild; path: Uint8Array[] }> {
  const node = decodeListingNode(await reader.read('listing', id));
  const path = [...above, id];
  for (const child of node.children) {
    if (level === 1) yield { child, path };
    else yield* below(child.id, level - 1, path, reader);
  }
}

/** Whether a segment with keys in [first, end) may hold `key` or something below it. */
function mayHold(first: ByteString, end: ByteString | undefined, key: ByteString): boolean {
  return (end === undefined || key < end) && (key === '' || first < `${key}\x01`);
}

/** Whether a segment with keys in [first, end) may hold a directory above `key`. */
function holdsAncestor(first: ByteString, end: ByteString | undefined, key: ByteString): boolean {
  for (let at = key.lastIndexOf('\0'); ; at = key.lastIndexOf('\0', at - 1)) {
    const above = at < 0 ? '' : key.slice(0, at);
    if (above >= first && (end === undefined || above < end)) return true;
    if (at <= 0) return false;
  }
}

/** Whether `key` is `folder` or below it. */
export function isWithin(key: ByteString, folder: ByteString): boolean {
  return folder === '' || key === folder || (key.charCodeAt(folder.length) === 0 && key.startsWith(folder));
}
