import type { Catalog, SnapshotRow } from '../catalog/index.js';
import type { Lineage } from './lineage.js';
import { snapshotBody } from './reconcile.js';

/** Key of the catalog's note of the last full run: it outlives its snapshot, which hard removing drops with the next run. */
const LAST_FULL = 'x-last-full';

interface FullRun {
  lineage: number;
  snapshot: string;
  /** Nanoseconds since 1970. */
  time: string;
}

/** Notes that a snapshot is that of a full run over all roots. */
export function noteFullRun(catalog: Catalog, lineage: Lineage, snapshot: string, time: bigint): void {
  const run: FullRun = { lineage: lineage.id, snapshot, time: String(time) };
  catalog.setMeta(LAST_FULL, JSON.stringify(run));
}

/** Whether a lineage has had a full run over all roots within `every` milliseconds before `now`, in nanoseconds. */
export function hadFullRun(catalog: Catalog, source: string, lineage: Lineage, every: number, now: bigint): boolean {
  const span = BigInt(Math.floor(every)) * 1_000_000n;
  // A clock that has jumped dates runs in the future: they would count until it gets there.
  return fullRuns(catalog, source, lineage).some((time) => time <= now && now - time < span);
}

function fullRuns(catalog: Catalog, source: string, lineage: Lineage): bigint[] {
  const times = catalog.snapshots
    .all(source)
    .filter((row) => row.source === lineage.id && isFullRun(row))
    .map(({ time }) => time);
  const noted = JSON.parse(catalog.getMeta(LAST_FULL) ?? 'null') as FullRun | null;
  // One that went otherwise than on purpose may have taken with it what it had read.
  if (noted?.lineage === lineage.id && catalog.snapshots.isForgotten(noted.snapshot)) times.push(BigInt(noted.time));
  return times;
}

function isFullRun(row: SnapshotRow): boolean {
  return row.state === 'live' && row.kind === 'taken' && row.mode === 'full' && snapshotBody(row)?.partial !== true;
}
