import { yearly } from '../config/policy.js';
import type { Context } from './context.js';
import { dropVerb } from './forget.js';
import { currentTime } from './forgetting/drop.js';
import { runForgetting } from './forgetting/run.js';
import { countedSnapshots, newestOf, newestTime, PIN, sourcesToForget } from './forgetting/sources.js';
import { LineageThinning } from './forgetting/thinning.js';
import type { Workshop } from './forgetting/workshop.js';
import { Ladder } from './retention/ladder.js';
import { checkClock } from './retention/plausibility.js';
import { milliseconds } from './retention/snapshot-rules.js';
import type { CleanupHardOptions, CleanupSoftOptions, ForgetResult } from './types.js';

/** Drops all history: the newest snapshot of each lineage stays, and what is pinned. */
export async function cleanupHard(context: Context, options: CleanupHardOptions): Promise<ForgetResult> {
  const verb = dropVerb('cleanup_hard', async (shop) => {
    const sources = sourcesToForget(shop, options);
    return { sources, names: history(shop, sources), byRules: true };
  });
  const { result } = await runForgetting(context, options, verb);
  return result;
}

/** Thins the history of each path: of each period of the policy the last version stays. */
export async function cleanupSoft(context: Context, options: CleanupSoftOptions): Promise<ForgetResult> {
  const { result } = await runForgetting(context, options, {
    command: 'cleanup_soft',
    plan: async (shop) => planThinning(shop, options),
    question: ({ lineages }) => {
      if (!lineages.some((lineage) => lineage.changes)) return undefined;
      const versions = lineages.reduce((sum, lineage) => sum + lineage.versions, 0);
      const snapshots = lineages.reduce((sum, lineage) => sum + lineage.dropped.length, 0);
      return `Drop ${snapshots} snapshot(s) and ${versions} version(s) for ever?`;
    },
    sources: ({ sources }) => sources,
    judged: ({ sources }) => sources,
    removed: ({ lineages }) => lineages.reduce((sum, lineage) => sum + lineage.dropped.length, 0),
    *lost(_, { lineages }) {
      for (const lineage of lineages) yield* lineage.lost();
    },
    async act(_, { lineages }) {
      for (const lineage of lineages) if (lineage.changes) await lineage.carryOut();
    },
  });
  return result;
}

function planThinning(shop: Workshop, options: CleanupSoftOptions): { sources: string[]; lineages: LineageThinning[] } {
  const sources = sourcesToForget(shop, options);
  const now = currentTime();
  checkClock(now, newestTime(countedSnapshots(shop, sources)));
  const ladder = new Ladder(options.keep ?? yearly, milliseconds(now));
  const lineages = shop.catalog.snapshots
    .sources()
    .filter(({ name }) => sources.includes(name))
    .map(({ id, name }) => new LineageThinning(shop, id, name, ladder));
  return { sources, lineages };
}

function history(shop: Workshop, sources: readonly string[]): string[] {
  const rows = countedSnapshots(shop, sources);
  checkClock(currentTime(), newestTime(rows));
  const newest = newestOf(rows);
  const kept = sources
    .flatMap((source) => shop.catalog.snapshots.all(source))
    .filter((row) => row.kind === 'kept' && row.state === 'live');
  return [...rows, ...kept].filter((row) => !newest.has(row.name) && !row.tags.includes(PIN)).map(({ name }) => name);
}
