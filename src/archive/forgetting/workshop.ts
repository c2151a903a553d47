import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Catalog, copyCatalog } from '../../catalog/index.js';
import type { Keyring } from '../../crypto/keyring.js';
import type { StoreConfig } from '../../format/config-json.js';
import type { Context } from '../context.js';
import type { Reconciled } from '../reconcile.js';
import type { Repository } from '../repository.js';
import { LedgerStore } from './ledger-store.js';
import { RehearsalStore } from './rehearsal-store.js';

/**
 * What commands that forget work with: a store and a catalog, either the real ones or, in a rehearsal, an overlay over
 * the store and a copy of the catalog. The same code runs on both, so that a dry run tells what a run would do.
 */
export interface Workshop {
  context: Context;
  store: LedgerStore;
  storeConfig: StoreConfig;
  keyring: Keyring;
  catalog: Catalog;
  reconciled: Reconciled;
  /** Names of the packs that what is put into a shared store may rely on, once some of it has been settled. */
  relied?: Set<string>;
  /** Nothing that is done here lasts. */
  isRehearsal: boolean;
}

/** The workshop of a real run. */
export function workshopOf(repository: Repository): Workshop {
  const { context, storeConfig, keyring, catalog, reconciled } = repository;
  return {
    context,
    store: new LedgerStore(repository.store),
    storeConfig,
    keyring,
    catalog,
    reconciled,
    isRehearsal: false,
  };
}

const PREFIX = 'rehearsal-';

/** Nobody should read that something is being deleted while it is only found out what would be. */
function withoutProgress(context: Context): Context {
  const nothing = () => {};
  return { ...context, report: { ...context.report, start: nothing, progress: nothing } };
}

/** Runs `work` without lasting effect: on a copy of the catalog, over a store that only pretends to change. */
export async function rehearse<T>(repository: Repository, work: (shop: Workshop) => Promise<T>): Promise<T> {
  const { tableDir } = repository.config;
  // The catalog's lock is held, so that no other rehearsal can be under way here.
  for (const name of readdirSync(tableDir))
    if (name.startsWith(PREFIX)) rmSync(join(tableDir, name), { recursive: true, force: true });
  const folder = mkdtempSync(join(tableDir, PREFIX));
  const store = new RehearsalStore(repository.store, tableDir);
  let catalog: Catalog | undefined;
  try {
    catalog = copyCatalog(repository.catalog, join(folder, 'catalog.db'));
    const shop = workshopOf(repository);
    return await work({ ...shop, context: withoutProgress(shop.context), store, catalog, isRehearsal: true });
  } finally {
    catalog?.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
