import { catalogSize } from '../catalog/index.js';
import { type ObjectStore, type OpenOptions, openStore, StoreError } from '../store/index.js';
import type { Context } from './context.js';
import { configCopy } from './store-copies.js';

/**
 * Opens the config's store. Where there is none, but a catalog of one, its disk is away: then nobody is told to make a
 * new one.
 * @throws StoreError `gone` in that case; else as `openStore`
 */
export async function openOwnStore({ config }: Context, options: Omit<OpenOptions, 'tableDir'>): Promise<ObjectStore> {
  const { tableDir, store } = config;
  try {
    return await openStore(store.url, { ...options, tableDir });
  } catch (error) {
    const isAway = error instanceof StoreError && error.code === 'absent' && hasCatalog(tableDir);
    if (!isAway) throw error;
    throw new StoreError(
      'gone',
      `no store at ${store.url}, though ${tableDir} has the catalog of one: mount its disk, or put its new place into file_dir (a new store needs a table_dir of its own)`,
      undefined,
      { cause: error },
    );
  }
}

/** Whether a table_dir belongs to a store already. */
export function hasCatalog(tableDir: string): boolean {
  return catalogSize(tableDir) > 0 || configCopy(tableDir) !== undefined;
}
