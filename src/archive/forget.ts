import { lostBy, type SnapshotRow, type Version } from '../catalog/index.js';
import { ExitCode, UserError } from '../errors.js';
import type { Context } from './context.js';
import { currentTime, dropSnapshots } from './forgetting/drop.js';
import { type ForgettingVerb, runForgetting } from './forgetting/run.js';
import { countedSnapshots, newestFirst, newestOf, newestTime, PIN, sourcesToForget } from './forgetting/sources.js';
import type { Workshop } from './forgetting/workshop.js';
import { snapshotBody } from './reconcile.js';
import { checkClock } from './retention/plausibility.js';
import { applyRules, milliseconds } from './retention/snapshot-rules.js';
import { resolveSnapshot } from './select.js';
import type { ForgetOptions, ForgetResult } from './types.js';

/** Snapshots that go. */
interface Drop {
  sources: string[];
  names: string[];
  /** Rules have chosen among the snapshots of the sources. */
  byRules: boolean;
}

/** Drops snapshots: those that no keep rule keeps, and those named. */
export async function forget(context: Context, options: ForgetOptions): Promise<ForgetResult> {
  const { result } = await runForgetting(
    context,
    options,
    dropVerb('forget', (shop) => planForget(shop, options)),
  );
  return result;
}

/** A command that drops whole snapshots. */
export function dropVerb(command: string, plan: (shop: Workshop) => Promise<Drop>): ForgettingVerb<Drop> {
  return {
    command,
    plan,
    question: ({ names }) =>
      names.length === 0 ? undefined : `Forget ${names.length} snapshot${names.length === 1 ? '' : 's'} for ever?`,
    sources: ({ sources }) => sources,
    judged: ({ sources, byRules }) => (byRules ? sources : []),
    removed: ({ names }) => names.length,
    lost: (shop, { names }) => lostWith(shop, names),
    act: (shop, { names }) => dropSnapshots(shop, names),
  };
}

/** The versions that are in no snapshot any more once some have gone, kept ones included. */
export function* lostWith({ catalog }: Workshop, names: readonly string[]): Generator<Version> {
  yield* lostBy(catalog, names);
  for (const name of names) if (catalog.snapshots.get(name)?.kind === 'kept') yield* catalog.kept.in(name);
}

async function planForget(shop: Workshop, options: ForgetOptions): Promise<Drop> {
  const sources = sourcesToForget(shop, options);
  const names = new Set<string>();
  if (options.rules !== undefined) for (const name of droppedByRules(shop, options, sources)) names.add(name);
  for (const text of options.snapshots) names.add((await named(shop, sources, text)).name);
  return { sources, names: [...names], byRules: options.rules !== undefined };
}

function droppedByRules(shop: Workshop, options: ForgetOptions, sources: readonly string[]): string[] {
  const rows = countedSnapshots(shop, sources);
  const now = currentTime();
  checkClock(now, newestTime(rows));
  const newest = newestOf(rows);
  const groups = new Map<string, SnapshotRow[]>();
  for (const row of rows) {
    const key = groupKey(row, options.groupBy);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const dropped: string[] = [];
  for (const group of groups.values())
    for (const { snapshot, reasons } of applyRules(newestFirst(group), options.rules!, milliseconds(now)))
      if (reasons.length === 0 && !newest.has(snapshot.name) && !snapshot.tags.includes(PIN))
        dropped.push(snapshot.name);
  return dropped;
}

/** Snapshots with equal keys are one history to the rules. */
function groupKey(row: SnapshotRow, by: ForgetOptions['groupBy']): string {
  const parts: unknown[] = [];
  if (by.includes('source')) parts.push(row.source);
  if (by.includes('roots')) parts.push((snapshotBody(row)?.roots ?? []).map(({ path }) => path).sort());
  if (by.includes('tags')) parts.push([...row.tags].sort());
  return JSON.stringify(parts);
}

async function named(shop: Workshop, sources: readonly string[], text: string): Promise<SnapshotRow> {
  const row = await resolveSnapshot(shop.catalog, sources[0] ?? '', text);
  if (!sources.includes(row.sourceName))
    throw new UserError(
      ExitCode.usage,
      `snapshot ${row.name.slice(0, 8)} is of source ${row.sourceName}; nothing was forgotten: add --source ${row.sourceName}`,
    );
  if (row.tags.includes(PIN))
    throw new UserError(
      ExitCode.usage,
      `snapshot ${row.name.slice(0, 8)} is tagged ${PIN}; nothing was forgotten: 'backup-ninja tag ${row.name.slice(0, 8)} --remove ${PIN}' first`,
    );
  return row;
}
