import type { Context } from './context.js';
import { dropVerb } from './forget.js';
import { currentTime } from './forgetting/drop.js';
import { runForgetting } from './forgetting/run.js';
import { countedSnapshots, newestOf, newestTime, PIN, sourcesToForget } from './forgetting/sources.js';
import type { Workshop } from './forgetting/workshop.js';
import { checkClock } from './retention/plausibility.js';
import type { CleanupHardOptions, ForgetResult } from './types.js';

/** Drops all history: the newest snapshot of each lineage stays, and what is pinned. */
export async function cleanupHard(context: Context, options: CleanupHardOptions): Promise<ForgetResult> {
  const verb = dropVerb('cleanup_hard', async (shop) => {
    const sources = sourcesToForget(shop, options);
    return { sources, names: history(shop, sources) };
  });
  const { result } = await runForgetting(context, options, verb);
  return result;
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
