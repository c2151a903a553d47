import { ExitCode, UserError } from '../../errors.js';
import { objectPath } from '../../store/index.js';
import { BlobIndex, indexFile, readable } from '../blob-index.js';
import { firstInTheWay } from '../damage-marks.js';
import { NOBODY } from '../pack-directory.js';
import type { PruneOptions } from '../types.js';
import { dropLeftovers } from './drop.js';
import { dropIndexes, renewIndexes } from './indexes.js';
import { LiveBlobs } from './live-blobs.js';
import { isOpened, openPacks } from './opened-packs.js';
import { PackCopier } from './pack-copier.js';
import { type PackUse, type PlanRules, type PrunePlan, planPrune } from './prune-plan.js';
import { adoptStrangePacks, correctBeforeDeleting } from './strange-packs.js';
import type { Workshop } from './workshop.js';

/** Space given back by default, and after commands that forget. */
export const DEFAULT_UNUSED: PruneOptions['maxUnused'] = { share: 0.05 };

/** Key of the catalog's note which packs must be rewritten if anything in them is unused: they hold what was purged. */
const FORCED = 'packs_to_rewrite';

/** What pruning did. */
export interface Pruned {
  packsDeleted: number;
  packsRewritten: number;
}

/** Notes that packs hold bytes that must leave the store. Kept until a prune has seen to it. */
export function forceRewriting(shop: Workshop, packs: Iterable<string>): void {
  const names = new Set([...forcedPacks(shop), ...packs]);
  shop.catalog.setMeta(FORCED, JSON.stringify([...names]));
}

export function forcedPacks(shop: Workshop): Set<string> {
  return new Set(JSON.parse(shop.catalog.getMeta(FORCED) ?? '[]') as string[]);
}

/** What was noted has been seen to. */
export function clearForced(shop: Workshop): void {
  shop.catalog.setMeta(FORCED, undefined);
}

/**
 * Gives back the space of what no snapshot needs, in a store that this run has for itself.
 *
 * New packs, then the index that names them, are durable before anything goes; an index that names a pack goes before
 * the pack. So whenever this is killed, everything needed is there and found, and the next prune goes on from there.
 */
export async function pruneExclusive(shop: Workshop, maxUnused: PruneOptions['maxUnused']): Promise<Pruned> {
  refuseUnreadable(shop);
  await dropLeftovers(shop);
  await adoptStrangePacks(shop);
  for (;;) {
    const pruned = await pruneByIndex(shop, maxUnused);
    if (pruned !== undefined) return pruned;
  }
}

/** Nothing is done, and undefined returned, if the packs that are to go hold other than what the index says. */
async function pruneByIndex(shop: Workshop, maxUnused: PruneOptions['maxUnused']): Promise<Pruned | undefined> {
  const index = BlobIndex.load(shop.catalog, indexFile(shop.context.config.tableDir), readable);
  try {
    const live = await LiveBlobs.find(shop, index);
    refuseMissing(live.missing);
    const { plan, changed } = await surePlan(shop, index, live, { maxUnused, forced: forcedPacks(shop) });
    const going = [...plan.remove, ...plan.rewrite].map(({ row }) => row);
    if (await correctBeforeDeleting(shop, going)) return undefined;
    return await carryOut(shop, index, plan, changed);
  } finally {
    index.close();
    shop.context.report.done();
  }
}

/** An object that cannot be read may need anything, or say anything: nothing goes before somebody has looked at it. */
export function refuseUnreadable({ reconciled }: Workshop): void {
  const bad = firstInTheWay(reconciled.unreadable, reconciled.marks);
  if (bad !== undefined)
    throw new UserError(
      ExitCode.failed,
      `an object of the store cannot be read, so nothing is pruned, ${bad.path} (${bad.message}); restore it from a copy of the store, or run 'backup-ninja check --repair' to set it aside`,
    );
}

/**
 * Deletes packs and indexes that a full role has set aside: whoever did so has put all that could be read of them
 * elsewhere before.
 * @param only names of packs that may go; default: all
 */
export async function dropSetAside(shop: Workshop, only?: ReadonlySet<string>): Promise<string[]> {
  const { catalog, reconciled, store } = shop;
  const isSetAside = (folder: 'packs' | 'index') => (object: { name: string }) =>
    reconciled.marks.objects.has(objectPath(folder, object.name));
  const dropped: string[] = [];
  for (const { name } of reconciled.packs.filter(isSetAside('packs'))) {
    if (only !== undefined && !only.has(name)) continue;
    await store.delete(objectPath('packs', name));
    dropped.push(name);
  }
  catalog.packs.giveUp(new Set(dropped));
  for (const { name } of reconciled.indexes.filter(isSetAside('index'))) await store.delete(objectPath('index', name));
  return dropped;
}

/** What is missing may lie in a pack of which an index says otherwise, or nothing: none goes before that is settled. */
export function refuseMissing(missing: number): void {
  if (missing > 0)
    throw new UserError(
      ExitCode.failed,
      `${missing} blob(s) that snapshots need are in no pack of the store, so nothing is pruned; run 'backup-ninja check', which names the files that need them, then restore the packs from a copy of the store, or run 'check --repair' to give them up`,
    );
}

/**
 * A plan that relies on nothing that was not opened: copies that it keeps for others to go are opened now, and if they
 * are damaged, planned anew without them.
 */
async function surePlan(
  shop: Workshop,
  index: BlobIndex,
  live: LiveBlobs,
  rules: Pick<PlanRules, 'maxUnused' | 'forced'>,
): Promise<{ plan: PrunePlan; changed: Set<string> }> {
  const suspect = new Set<string>();
  const assured = new Set<string>();
  for (;;) {
    const plan = planPrune(shop, index, live, {
      ...rules,
      suspect,
      isAssured: (row) => isOpened(row) || assured.has(row.name),
      isDoomed: () => false,
    });
    // What is not damaged in a rehearsal is not read: it would take as long as the prune itself.
    const unknown = plan.stay.filter(
      ({ row }) => row.writer === NOBODY && !row.opened && !assured.has(row.name) && !suspect.has(row.name),
    );
    const toOpen = [...new Set([...plan.assure, ...unknown])];
    if (shop.isRehearsal || toOpen.length === 0) return { plan, changed: assured };
    const wrong = await openPacks(shop, toOpen);
    for (const { row } of toOpen) (wrong.includes(row.name) ? suspect : assured).add(row.name);
  }
}

async function carryOut(shop: Workshop, index: BlobIndex, plan: PrunePlan, changed: Set<string>): Promise<Pruned> {
  const { catalog, store, context } = shop;
  const rewritten = await rewrite(shop, index, plan);
  const going = [...plan.remove, ...rewritten];
  const goingNames = new Set(going.map(({ row }) => row.name));
  const superseded = await renewIndexes(shop, await store.list('index'), goingNames, changed);
  catalog.packs.remove(goingNames);
  await dropIndexes(shop, superseded);
  let done = 0;
  context.report.start('deleting packs', { files: goingNames.size });
  for (const name of goingNames) {
    await store.delete(objectPath('packs', name));
    context.report.progress({ files: ++done });
  }
  await dropSetAside(shop);
  clearForced(shop);
  return { packsDeleted: plan.remove.length, packsRewritten: rewritten.length };
}

/** Moves the live blobs of packs into new ones. Returns the packs that may go. */
async function rewrite(shop: Workshop, index: BlobIndex, plan: PrunePlan): Promise<PackUse[]> {
  const { context } = shop;
  const done: PackUse[] = [];
  context.report.start('rewriting packs', { files: plan.rewrite.length });
  for (const kind of ['data', 'meta'] as const) {
    const uses = plan.rewrite.filter(({ row }) => row.kind === kind);
    if (uses.length === 0) continue;
    const copier = new PackCopier(shop, index, kind);
    try {
      for (const use of uses) {
        if (await copier.copy(use, plan.states)) done.push(use);
        else
          context.attention(
            `damaged, so it stays: ${objectPath('packs', use.row.name)}; run 'backup-ninja check --read-data'`,
          );
        context.report.progress({ files: done.length });
      }
      await copier.finish();
    } catch (error) {
      await copier.abandon();
      throw error;
    }
  }
  return done;
}
