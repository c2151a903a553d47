import type { ByteString } from '../../bytes.js';
import { rewriteSnapshots, type SnapshotInput, type SnapshotRow, type SourceId } from '../../catalog/index.js';
import { FormatError } from '../../errors.js';
import { sealRecord } from '../../format/record.js';
import { objectPath } from '../../store/index.js';
import { listingSegments } from '../listing-reader.js';
import { snapshotBody } from '../reconcile.js';
import { currentTime } from './drop.js';
import { type CutListing, cutListing } from './listing-writer.js';
import { type MetadataWriter, withReader } from './metadata-writer.js';
import { putSnapshot, settlePut } from './put-snapshot.js';
import type { Workshop } from './workshop.js';

/** A snapshot with its listing without some paths. */
export interface CutSnapshot {
  row: SnapshotRow;
  cut: CutListing;
}

/** Writes the listings of snapshots without some paths. They are stored when the writer is finished. */
export function cutSnapshots(
  shop: Workshop,
  writer: MetadataWriter,
  rows: readonly SnapshotRow[],
  without: readonly ByteString[],
): Promise<CutSnapshot[]> {
  return withReader(shop, async (reader) => {
    const cuts: CutSnapshot[] = [];
    for (const row of rows) {
      shop.context.signal.throwIfAborted();
      if (row.listing === undefined) throw new FormatError('a snapshot without listing');
      cuts.push({ row, cut: await cutListing(shop, writer, reader, row.listing, without) });
    }
    return cuts;
  });
}

/**
 * Puts copies of snapshots with their cut listings in the place of the originals. Each copy keeps time, sequence and
 * tags, and names what it replaces: from the moment it counts, the original does not. That is recorded before
 * the originals are deleted.
 * @param cuts of one lineage, by sequence; their listings must be durable
 */
export async function replaceSnapshots(
  shop: Workshop,
  lineage: SourceId,
  without: readonly ByteString[],
  cuts: readonly CutSnapshot[],
): Promise<void> {
  if (cuts.length === 0) return;
  const { catalog, keyring, store } = shop;
  const renamed = new Map<string, string>();
  const pairs: { old: string; copy: SnapshotInput }[] = [];
  for (const { row, cut } of cuts) {
    const copy = await putCopy(shop, row, cut, renamed);
    renamed.set(row.name, copy.name);
    pairs.push({ old: row.name, copy });
  }
  await settlePut(
    shop,
    pairs.map(({ copy }) => copy),
  );
  const record = sealRecord(keyring, {
    type: 'replaced',
    time: currentTime(),
    snapshots: pairs.map(({ old }) => old),
    by: pairs.map(({ copy }) => copy.name),
  });
  await store.put(objectPath('records', record.name), record.bytes);
  for (const { old } of pairs) await store.delete(objectPath('snapshots', old));
  const head = catalog.snapshots.sources().find(({ id }) => id === lineage)?.head;
  const newHead = pairs.find(({ old }) => old === head?.name)?.copy.listing;
  await withReader(shop, async (reader) => {
    await rewriteSnapshots(catalog, {
      source: lineage,
      without,
      snapshots: pairs,
      head: newHead && {
        segments: listingSegments(newHead, reader),
        fetch: (ids) => Promise.all(ids.map((id) => reader.read('listing', id))),
      },
    });
  });
}

function putCopy(
  shop: Workshop,
  row: SnapshotRow,
  cut: CutListing,
  renamed: ReadonlyMap<string, string>,
): Promise<SnapshotInput> {
  const body = snapshotBody(row);
  if (body === undefined) throw new FormatError('a snapshot without body');
  const { counts } = body;
  return putSnapshot(
    shop,
    {
      source: row.sourceName,
      sequence: row.seq,
      parent: row.parent === undefined ? null : (renamed.get(row.parent) ?? row.parent),
      replaces: [row.name],
      catalogId: row.catalogId ?? shop.catalog.id,
      started: row.started,
      time: row.time,
      mode: row.mode,
      kind: row.kind,
      listing: cut.listing,
    },
    {
      ...body,
      tags: row.tags,
      counts: {
        ...counts,
        files: Math.max(0, counts.files - cut.removedFiles),
        dirs: Math.max(0, counts.dirs - cut.removedDirs),
        bytes: Math.max(0, counts.bytes - cut.removedBytes),
      },
    },
  );
}
