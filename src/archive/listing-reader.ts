import { FormatError } from '../errors.js';
import { decodeListingNode, type ListingChild, type ListingRoot } from '../format/listing.js';
import { decodeSegment } from '../format/segment.js';
import type { BlobReader } from './blob-reader.js';

/** The segments of a listing in key order, read node by node. */
export async function* listingSegments(root: ListingRoot, reader: BlobReader): AsyncGenerator<ListingChild> {
  if (root.depth === 0) {
    const segment = decodeSegment(await reader.read('listing', root.id));
    yield { firstKey: segment.length > 0 ? segment.keys[0] : '', id: root.id, entries: segment.length };
    return;
  }
  yield* below(root.id, root.depth, reader);
}

async function* below(id: Uint8Array, level: number, reader: BlobReader): AsyncGenerator<ListingChild> {
  const node = decodeListingNode(await reader.read('listing', id));
  if (node.level !== level) throw new FormatError('a listing has a node of the wrong level');
  for (const child of node.children) {
    if (level === 1) yield child;
    else yield* below(child.id, level - 1, reader);
  }
}

/**
 * The ids of all blobs of a listing: nodes and segments. Subtrees whose id is in `seen` are passed over, and what is
 * visited is added to it; so going over many snapshots reads each node once.
 */
export async function* listingIds(
  root: ListingRoot,
  reader: BlobReader,
  seen: Set<string>,
): AsyncGenerator<Uint8Array> {
  const key = Buffer.from(root.id).toString('latin1');
  if (seen.has(key)) return;
  seen.add(key);
  yield root.id;
  if (root.depth === 0) return;
  const node = decodeListingNode(await reader.read('listing', root.id));
  for (const child of node.children) yield* listingIds({ id: child.id, depth: root.depth - 1 }, reader, seen);
}
