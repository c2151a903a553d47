import type { PruneOptions } from '../types.js';
import { type Pruned, pruneExclusive } from './prune-run.js';
import { pruneShared } from './prune-shared.js';
import type { Workshop } from './workshop.js';

/** Milliseconds that doomed packs of shared stores are left, unless told otherwise. */
export const DEFAULT_GRACE = 24 * 3600_000;

/** Gives back the space of what no snapshot needs, in the way that the store's mode demands. */
export async function prunePacks(
  shop: Workshop,
  options: Pick<PruneOptions, 'maxUnused'> & Partial<Pick<PruneOptions, 'grace'>>,
): Promise<Pruned> {
  if (shop.storeConfig.mode === 'exclusive') return pruneExclusive(shop, options.maxUnused);
  return pruneShared(shop, { maxUnused: options.maxUnused, grace: options.grace ?? DEFAULT_GRACE });
}
