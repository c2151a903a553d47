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
  return withPast(context, 'snapshots', { ...options, everySource: true }, async ({ catalog }) => {
    const rows = catalog.snapshots.all(options.source);
    const marked = markedSnapshots(catalog);
    return rows.toSorted(byTime).map((row) => ({ ...describe(row), ...(marked.has(row.name) && { damaged: true }) }));
  });
}

/** By time, and within one history by its own order, whatever the clock said. */
function byTime(a: CatalogRow, b: CatalogRow): number {
  if (a.source === b.source) return a.seq - b.seq;
  return a.time < b.time ? -1 : a.time > b.time ? 1 : 0;
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
