import { beginRebuild, type Catalog } from '../catalog/index.js';
import type { Keyring } from '../crypto/keyring.js';
import { letHeapGrow } from '../platform/index.js';
import type { ObjectStore } from '../store/index.js';
import type { Context } from './context.js';
import { type Reconciled, reconcile } from './reconcile.js';

/** Makes the catalog anew from the store alone: the same merge as at every start, into an empty catalog. */
export async function newRebuild(
  context: Context,
  store: ObjectStore,
  keyring: Keyring,
): Promise<{ catalog: Catalog; reconciled: Reconciled }> {
  letHeapGrow();
  const rebuild = await beginRebuild({
    dir: context.config.tableDir,
    storeId: keyring.storeIdHex,
    waitLock: context.waitLock,
  });
  try {
    const reconciled = await reconcile({ context, store, keyring, catalog: rebuild.catalog }, { rollback: 'stop' });
    return { catalog: await rebuild.finish(), reconciled };
  } catch (error) {
    rebuild.abort();
    throw error;
  }
}
