import type { SnapshotRow } from '../../catalog/index.js';
import { ExitCode, UserError } from '../../errors.js';
import { isMarked } from '../damage-marks.js';
import { isSignedInFull } from '../reconcile.js';
import { isPlausible } from '../retention/plausibility.js';
import { ownSource } from '../select.js';
import type { SourcesOption } from '../types.js';
import type { Workshop } from './workshop.js';

/** The tag of snapshots that stay whole. */
export const PIN = 'pin';

/**
 * Names of the sources that a command acts on: this machine's, unless others are asked for. Unlike commands that read,
 * one that takes away never falls back to the store's only source.
 * @throws UserError (usage) when there is no such source
 */
export function sourcesToForget(shop: Workshop, options: SourcesOption): string[] {
  const names = [...new Set(shop.catalog.snapshots.all().map((row) => row.sourceName))];
  if (options.allSources || names.length === 0) return names;
  const wanted = options.source ?? ownSource(shop.catalog, shop.context);
  if (names.includes(wanted)) return [wanted];
  const what = options.source === undefined ? `no snapshot of this machine (${wanted})` : `no source named ${wanted}`;
  throw new UserError(
    ExitCode.usage,
    `${what}; name one with --source, or all with --all-sources: ${names.join(', ')}`,
  );
}

/** Why a snapshot is not counted by any rule, or undefined if it is. */
export type Standing = 'kept' | 'foreign' | 'pending' | 'damaged' | 'implausible' | undefined;

/** Whether rules count a snapshot. */
export function standingOf(shop: Workshop, row: SnapshotRow): Standing {
  if (row.state !== 'live') return row.state;
  if (row.kind === 'kept') return 'kept';
  // It is not whole: no rule may take it for one that is, nor drop it unasked.
  if (isMarked(shop.reconciled.marks, row.name)) return 'damaged';
  return isPlausible(row, isSignedInFull(shop.reconciled.trust, row)) ? undefined : 'implausible';
}

/** Says which snapshots no rule counts because of what they say of their time: they stay until they are dropped by name. */
export function tellImplausible(shop: Workshop, sources: readonly string[]): void {
  const passed = sources
    .flatMap((source) => shop.catalog.snapshots.all(source))
    .filter((row) => standingOf(shop, row) === 'implausible');
  if (passed.length === 0) return;
  shop.context.report.warn(
    `${passed.length} snapshot(s) were passed over, first ${passed[0].name.slice(0, 8)}: their time cannot be right beside the time when the store had them; look at 'backup-ninja snapshots', and drop by name what is not wanted`,
  );
}

/** The snapshots of some sources that rules count, by source, lineage and sequence. */
export function countedSnapshots(shop: Workshop, sources: readonly string[]): SnapshotRow[] {
  return sources
    .flatMap((source) => shop.catalog.snapshots.all(source))
    .filter((row) => standingOf(shop, row) === undefined);
}

/** The newest snapshot of each lineage: only dropped by name. */
export function newestOf(rows: readonly SnapshotRow[]): Set<string> {
  const newest = new Map<number, SnapshotRow>();
  for (const row of rows) {
    const known = newest.get(row.source);
    if (known === undefined || isAfter(row, known)) newest.set(row.source, row);
  }
  return new Set([...newest.values()].map(({ name }) => name));
}

/** A history's own order: sequence, time, name. */
function isAfter(a: SnapshotRow, b: SnapshotRow): boolean {
  if (a.seq !== b.seq) return a.seq > b.seq;
  return a.time === b.time ? a.name > b.name : a.time > b.time;
}

/**
 * Snapshots, newest first: those of a lineage in its own order, whatever their clock said; between lineages only the
 * times can tell.
 */
export function newestFirst(rows: readonly SnapshotRow[]): SnapshotRow[] {
  const ids = new Set(rows.map(({ source }) => source));
  const lineages = [...ids].map((id) =>
    rows.filter(({ source }) => source === id).sort((a, b) => (isAfter(a, b) ? 1 : -1)),
  );
  return rows.map(() => {
    const next = lineages
      .filter(({ length }) => length > 0)
      .reduce((a, b) => (b.at(-1)!.time > a.at(-1)!.time ? b : a));
    return next.pop()!;
  });
}

/** When the newest of these was taken. */
export function newestTime(rows: readonly SnapshotRow[]): bigint | undefined {
  let newest: bigint | undefined;
  for (const { time } of rows) if (newest === undefined || time > newest) newest = time;
  return newest;
}
