import { hostname } from 'node:os';
import type { ByteString } from '../../bytes.js';
import type { SnapshotInput, SnapshotRow, SourceId, Version } from '../../catalog/index.js';
import type { Entry } from '../../format/entry.js';
import type { ListingRoot } from '../../format/listing.js';
import { decodeSegment, encodeEntry } from '../../format/segment.js';
import { ownUserName } from '../../platform/index.js';
import { programName } from '../../version.js';
import { listingSegments } from '../listing-reader.js';
import { snapshotBody } from '../reconcile.js';
import { currentTime } from './drop.js';
import { ListingWriter } from './listing-writer.js';
import { MetadataWriter, withReader } from './metadata-writer.js';
import { putSnapshot, settlePut } from './put-snapshot.js';
import type { Workshop } from './workshop.js';

/** The versions of a path that kept snapshots are to hold, oldest first. */
export interface KeptPath {
  key: ByteString;
  versions: readonly Version[];
}

/**
 * Brings the kept snapshots of a lineage to hold exactly the versions given, and returns the names of those that are to
 * be dropped for it. Everything is durable, and in the catalog, on return; nothing has been dropped yet.
 *
 * A listing has each path once, so a path's n-th version lies in the n-th kept snapshot. Where that is as it was, it
 * stays. Only the last one put says what they replace: until it is there, the old ones count.
 * @param paths in key order
 */
export async function renewKept(shop: Workshop, lineage: SourceId, paths: Iterable<KeptPath>): Promise<string[]> {
  const old = keptRows(shop, lineage);
  const writer = new MetadataWriter(shop);
  const layers: ListingWriter[] = [];
  try {
    for (const { versions } of paths)
      versions.forEach((version, i) => {
        layers[i] ??= new ListingWriter(shop, writer);
        layers[i].add(keptEntry(version));
      });
    const made = layers.map((layer) => ({ layer, listing: layer.finish() }));
    const reused = new Set<string>();
    const fresh = made.filter(({ listing }) => {
      const same = old.find((row) => !reused.has(row.name) && isSameListing(row.listing, listing));
      if (same !== undefined) reused.add(same.name);
      return same === undefined;
    });
    const replaced = old.filter((row) => !reused.has(row.name)).map(({ name }) => name);
    if (fresh.length === 0) return replaced;
    await writer.finish();
    const puts: SnapshotInput[] = [];
    for (const [i, { layer, listing }] of fresh.entries())
      puts.push(await putKept(shop, lineage, layer, listing, i === fresh.length - 1 ? replaced : []));
    await settlePut(shop, puts);
    for (const [i, { listing }] of fresh.entries()) await takeKept(shop, lineage, puts[i], listing);
    return replaced;
  } finally {
    await writer.close();
  }
}

/** The kept snapshots of a lineage. */
export function keptRows({ catalog }: Workshop, lineage: SourceId): SnapshotRow[] {
  return catalog.snapshots.all().filter((row) => row.source === lineage && row.kind === 'kept' && row.state === 'live');
}

/** Leaves out kept versions that are there twice: a run was killed before it could drop the old ones. */
export function distinctVersions(versions: readonly Version[]): Version[] {
  return versions.filter((version, i) => {
    if (version.keptBy !== 'history') return true;
    return !versions.some(
      (other, j) => (other.keptBy === 'snapshot' || j < i) && i !== j && isSameVersion(version, other),
    );
  });
}

function isSameVersion(a: Version, b: Version): boolean {
  return (
    a.fromTime === b.fromTime &&
    a.toTime === b.toTime &&
    Buffer.compare(encodeEntry(withoutTimes(a.entry)), encodeEntry(withoutTimes(b.entry))) === 0
  );
}

function withoutTimes(entry: Entry): Entry {
  const { kept: _kept, ...rest } = entry;
  return rest;
}

function keptEntry(version: Version): Entry {
  if (version.toTime === undefined) throw new Error('an active version is not to be kept');
  return { ...version.entry, kept: { first: version.fromTime, last: version.toTime } };
}

async function putKept(
  shop: Workshop,
  lineage: SourceId,
  layer: ListingWriter,
  listing: ListingRoot,
  replaces: string[],
): Promise<SnapshotInput> {
  const { catalog } = shop;
  const head = catalog.snapshots.sources().find(({ id }) => id === lineage);
  if (head === undefined) throw new Error(`no lineage ${lineage}`);
  const now = currentTime();
  const { files, dirs, bytes } = layer.counts;
  return putSnapshot(
    shop,
    {
      source: head.name,
      sequence: head.head?.seq ?? 1,
      parent: head.head?.name ?? null,
      replaces,
      catalogId: head.head?.catalogId ?? catalog.id,
      started: now,
      time: now,
      mode: 'soft',
      kind: 'kept',
      listing,
    },
    {
      host: hostname(),
      user: ownUserName(),
      roots: (head.head && snapshotBody(head.head)?.roots) ?? [],
      tags: [],
      counts: { files, dirs, bytes },
      program: programName,
      partial: true,
    },
  );
}

/** Takes a kept snapshot into the catalog. */
async function takeKept(shop: Workshop, lineage: SourceId, input: SnapshotInput, listing: ListingRoot): Promise<void> {
  const { catalog } = shop;
  const segments: Uint8Array[] = [];
  await withReader(shop, async (reader) => {
    for await (const { id } of listingSegments(listing, reader)) segments.push(await reader.read('listing', id));
  });
  catalog.transaction(() => {
    catalog.snapshots.add(lineage, input, 'live');
    catalog.kept.put(input.name, entriesOf(segments));
  });
}

function* entriesOf(segments: Iterable<Uint8Array>): Generator<Entry> {
  for (const bytes of segments) {
    const segment = decodeSegment(bytes);
    for (let i = 0; i < segment.length; i++) yield segment.entry(i);
  }
}

function isSameListing(a: ListingRoot | undefined, b: ListingRoot): boolean {
  return a !== undefined && a.depth === b.depth && Buffer.compare(a.id, b.id) === 0;
}
