import { ExitCode, UserError } from '../errors.js';
import type { Context } from './context.js';
import { countReads } from './count-reads.js';
import { openOwnStore } from './open-store.js';
import { newRebuild } from './rebuild.js';
import { tellLostCertificates } from './standing.js';
import { noteKeys } from './store-totals.js';
import type { CatalogRebuildOptions, CatalogRebuildResult } from './types.js';
import { unlockStore } from './unlock.js';

/** Makes the catalog anew from the store and key alone. Metadata packs are read, file data is not. */
export async function catalogRebuild(context: Context, _options: CatalogRebuildOptions): Promise<CatalogRebuildResult> {
  const { config } = context;
  const { store, counted } = countReads(await openOwnStore(context, { command: 'catalog rebuild' }));
  try {
    const { keyring, storeConfig, slots } = await unlockStore(context, store);
    if (!keyring.canRead)
      throw new UserError(
        ExitCode.wrongKey,
        `this key may only add backups, it cannot rebuild a catalog, ${config.keyPath}; use a full or restore key`,
      );
    const lock = storeConfig.mode === 'exclusive' ? await store.lock('shared', context.waitLock) : undefined;
    const { catalog, reconciled } = await newRebuild(context, store, keyring);
    tellLostCertificates(context, reconciled, 'write');
    noteKeys(catalog, slots);
    const counts = catalog.query.counts();
    const snapshots = catalog.snapshots.all().length;
    catalog.close();
    await lock?.release();
    return { snapshots, versions: counts.active.entries + counts.history.versions, read: counted.bytes };
  } finally {
    await store.close();
  }
}
