import type { Context } from './context.js';
import { prunePacks } from './forgetting/prune-packs.js';
import { rehearse, type Workshop, workshopOf } from './forgetting/workshop.js';
import { openRepository } from './repository.js';
import { renewTotals } from './store-totals.js';
import type { ForgetResult, PruneOptions } from './types.js';

/** Gives back the space of what no snapshot of the store needs. */
export async function prune(context: Context, options: PruneOptions): Promise<ForgetResult> {
  const repository = await openRepository(context, {
    command: 'prune',
    lock: options.dryRun ? 'shared' : 'exclusive',
    catalog: 'write',
  });
  try {
    repository.keyring.requireFull("'prune'");
    const work = (shop: Workshop) => pruneIn(shop, options);
    if (options.dryRun) return await rehearse(repository, work);
    const result = await work(workshopOf(repository));
    await renewTotals(repository.catalog, repository.store);
    return result;
  } finally {
    context.report.done();
    await repository.close();
  }
}

async function pruneIn(shop: Workshop, options: PruneOptions): Promise<ForgetResult> {
  const { packsDeleted, packsRewritten } = await prunePacks(shop, options);
  return {
    versions_removed: 0,
    snapshots_removed: 0,
    bytes_freed: shop.store.freed,
    packs_deleted: packsDeleted,
    packs_rewritten: packsRewritten,
    kept: shop.catalog.snapshots.all().length,
    ...(options.dryRun && { lost: [] }),
  };
}
