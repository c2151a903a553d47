import { hostname } from 'node:os';
import type { SnapshotRow as CatalogRow } from '../catalog/index.js';
import { pathItem } from '../report/json-path.js';
import { rfc3339 } from '../report/time.js';
import type { Context } from './context.js';
import { markedSnapshots } from './damage-marks.js';
import { withPast } from './past.js';
import { snapshotBody } from './reconcile.js';
import type { SnapshotRow, SnapshotsOptions } from './types.js';

/** All snapshots, of every source unless one is asked for, oldest first. */
export async function snapshots(context: Context, options: SnapshotsOptions): Promise<SnapshotRow[]> {
  return withPast(context, 'snapshots', { ...options, everySource: true }, async ({ catalog, sourceFor }) => {
    const rows = catalog.snapshots.all(options.source === undefined ? undefined : sourceFor(options));
    const marked = markedSnapshots(catalog);
    return newestLast(rows).map((row) => ({ ...describe(row), ...(marked.has(row.name) && { damaged: true }) }));
  });
}

/**
 * Histories merged by time. Within each its own order stays, whatever the clock said: what comes after a snapshot is
 * taken for no older than it.
 */
export function newestLast<T extends Pick<CatalogRow, 'source' | 'seq' | 'time'>>(rows: readonly T[]): T[] {
  const reached = new Map<number, bigint>();
  const dated = rows
    .toSorted((a, b) => a.source - b.source || a.seq - b.seq)
    .map((row) => {
      const before = reached.get(row.source) ?? row.time;
      const time = row.time > before ? row.time : before;
      reached.set(row.source, time);
      return { row, time };
    });
  return dated.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)).map(({ row }) => row);
}

function describe(row: CatalogRow): SnapshotRow {
  const body = snapshotBody(row);
  return {
    id: row.name,
    time: rfc3339(row.time),
    source: row.sourceName,
    host: body?.host ?? hostname(),
    roots: body?.roots.map(({ path }) => pathItem(path)) ?? [],
    tags: row.tags,
    mode: row.mode,
    files: body?.counts.files ?? 0,
    bytes: body?.counts.bytes ?? 0,
    ...(row.state === 'foreign' && { foreign: true }),
    ...(row.state === 'pending' && { pending: true }),
    ...(row.kind === 'kept' && { kept: true }),
  };
}
