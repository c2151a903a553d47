import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';
import type { Active } from './active.js';
import type { Db } from './database.js';
import { keyText } from './keys.js';
import { type Drop, Merger } from './merge-listing.js';
import { advanceHead, headOf, type RunResult, type Runs, type Stage } from './runs.js';
import type { SnapshotInput, Snapshots, SourceId } from './snapshots.js';
import { noteUntested } from './untested.js';

/** A listing as its nodes name it: the segments in key order. */
export interface ListingSegments {
  segments: Iterable<SegmentRef> | AsyncIterable<SegmentRef>;
  /** The bytes of some segments, decompressed, in the order asked for. */
  fetch(ids: Uint8Array[]): Promise<Uint8Array[]>;
}

export interface SegmentRef {
  firstKey: ByteString;
  id: Uint8Array;
}

/** A listing that becomes the newest state of a source. */
export interface ListingToApply extends ListingSegments {
  source: SourceId;
  /** Its sequence must be above that of the source's newest applied snapshot. */
  snapshot: SnapshotInput;
}

/** Segments fetched at a time. */
const BATCH = 256;

/**
 * Merges a listing of the store into the catalog, as the source's newest snapshot: what a backup does from its own
 * scan, fed from the store. Segments that are active already are neither fetched nor looked at. All of it is one
 * transaction, which an error undoes.
 */
export function applyListing(
  db: Db,
  active: Active,
  runs: Runs,
  snapshots: Snapshots,
  { source, snapshot, ...listing }: ListingToApply,
): Promise<RunResult> {
  return db.longTransaction(async () => {
    runs.clear();
    const previous = headOf(snapshots, source, snapshot);
    const { drops, fresh } = await compareListing(active, source, listing);
    const merger = new Merger(db, { source, seq: snapshot.seq, name: snapshot.name, previous }, drops);
    await fetchEach(listing, fresh, ({ firstKey, id }, bytes) =>
      merger.add({ first_key: keyText(firstKey), blob_id: id, bytes }),
    );
    const changes = merger.finish();
    db.run('DELETE FROM unsettled WHERE source = ?', source);
    noteUntested(db, [source]);
    return { snapshot: advanceHead(db, snapshots, source, snapshot), ...changes };
  });
}

/** Stages how a listing differs from the active state of a source; all is in the catalog's files on return. */
export async function stageListing(
  active: Active,
  runs: Runs,
  source: SourceId,
  listing: ListingSegments,
): Promise<Stage> {
  const stage = runs.begin(source);
  try {
    const { drops, fresh } = await compareListing(active, source, listing);
    await fetchEach(listing, fresh, ({ firstKey, id }, bytes) => stage.put(firstKey, id, bytes));
    for (const { id } of drops) stage.drop(id);
    stage.flush();
    return stage;
  } catch (error) {
    stage.discard();
    throw error;
  }
}

/** What a listing lacks of the active segments, and what it has besides them; both in key order. */
async function compareListing(
  active: Active,
  source: SourceId,
  listing: ListingSegments,
): Promise<{ drops: Drop[]; fresh: SegmentRef[] }> {
  const old = active.list(source);
  const drops: Drop[] = [];
  const fresh: SegmentRef[] = [];
  let at = 0;
  const drop = (): void => {
    const { rowid, firstKey } = old[at++];
    drops.push({ id: rowid, first_key: keyText(firstKey) });
  };
  let previous: ByteString | undefined;
  for await (const ref of listing.segments) {
    if (previous !== undefined && ref.firstKey <= previous) throw new FormatError('a listing does not ascend');
    previous = ref.firstKey;
    while (at < old.length && old[at].firstKey < ref.firstKey) drop();
    if (at < old.length && old[at].firstKey === ref.firstKey) {
      if (Buffer.compare(old[at].id, ref.id) === 0) {
        at++;
        continue;
      }
      drop();
    }
    fresh.push(ref);
  }
  while (at < old.length) drop();
  return { drops, fresh };
}

/** Takes segments in turn, while the next ones are being fetched. */
async function fetchEach(
  listing: ListingSegments,
  refs: readonly SegmentRef[],
  take: (ref: SegmentRef, bytes: Uint8Array) => void,
): Promise<void> {
  const fetchFrom = (from: number): Promise<Uint8Array[]> => {
    const fetched = listing.fetch(refs.slice(from, from + BATCH).map(({ id }) => id));
    // If taking those before fails, nobody waits for these.
    fetched.catch(() => {});
    return fetched;
  };
  let upcoming = fetchFrom(0);
  for (let from = 0; from < refs.length; from += BATCH) {
    const bytes = await upcoming;
    if (from + BATCH < refs.length) upcoming = fetchFrom(from + BATCH);
    bytes.forEach((segment, i) => {
      take(refs[from + i], segment);
    });
  }
}
