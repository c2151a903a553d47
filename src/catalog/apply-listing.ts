import { type ByteString, fromBytes } from '../bytes.js';
import type { Active } from './active.js';
import type { RunResult, Runs, Stage } from './runs.js';
import type { SnapshotInput, SourceId } from './snapshots.js';

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
  /** Whether ended versions are recorded; default true. */
  history?: boolean;
}

/** Segments fetched at a time. */
const BATCH = 256;

/**
 * Merges a listing of the store into the catalog, as the source's newest snapshot: what a backup does from its own
 * scan, fed from the store. Segments that are active already are neither fetched nor looked at.
 */
export async function applyListing(active: Active, runs: Runs, listing: ListingToApply): Promise<RunResult> {
  const stage = await stageListing(active, runs, listing.source, listing, listing.history);
  try {
    stage.seal(listing.snapshot);
    return stage.complete();
  } catch (error) {
    stage.discard();
    throw error;
  }
}

/** Stages how a listing differs from the active state of a source; all is in the catalog's files on return. */
export async function stageListing(
  active: Active,
  runs: Runs,
  source: SourceId,
  listing: ListingSegments,
  history?: boolean,
): Promise<Stage> {
  const stage = runs.begin(source, { history, merged: true });
  try {
    const old = active.list(source);
    const known = new Map(old.map((row) => [fromBytes(row.id), row.firstKey]));
    const kept = new Set<string>();
    let fresh: SegmentRef[] = [];
    const fetchFresh = async (): Promise<void> => {
      const bytes = await listing.fetch(fresh.map(({ id }) => id));
      fresh.forEach(({ firstKey, id }, i) => {
        stage.put(firstKey, id, bytes[i]);
      });
      fresh = [];
    };
    for await (const { firstKey, id } of listing.segments) {
      const name = fromBytes(id);
      if (known.get(name) === firstKey) kept.add(name);
      else fresh.push({ firstKey, id });
      if (fresh.length >= BATCH) await fetchFresh();
    }
    if (fresh.length > 0) await fetchFresh();
    for (const row of old) if (!kept.has(fromBytes(row.id))) stage.drop(row.rowid);
    stage.flush();
    return stage;
  } catch (error) {
    stage.discard();
    throw error;
  }
}
