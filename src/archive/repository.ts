import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Catalog, copyCatalog, type OpenOutcome, openCatalog, type SnapshotRow } from '../catalog/index.js';
import type { Config } from '../config/types.js';
import type { Keyring } from '../crypto/keyring.js';
import { ExitCode, UserError } from '../errors.js';
import { parseConfig, type StoreConfig } from '../format/config-json.js';
import type { Lock, LockMode, ObjectStore } from '../store/index.js';
import { BlobIndex, indexFile, readable, removeStaleFiles, temporaryFile } from './blob-index.js';
import { BlobReader } from './blob-reader.js';
import type { Context } from './context.js';
import { openOwnStore } from './open-store.js';
import { newRebuild } from './rebuild.js';
import { nothingCompared, type Reconciled, type ReconcileOptions, reconcile } from './reconcile.js';
import { chooseSource, resolveSnapshot } from './select.js';
import { requireStanding, tellLostCertificates } from './standing.js';
import { noteKeys } from './store-totals.js';
import { type Tables, tablesToRead, tablesToWrite } from './tables.js';
import type { SourceOption } from './types.js';
import { unlockStore } from './unlock.js';

/** How a command uses the store. */
export interface Access {
  /** What is running, for those who find the store locked. */
  command: string;
  /** Lock on an exclusive store; `exclusive` for prune alone. */
  lock: LockMode;
  /**
   * `write` takes the catalog's lock: one backup at a time. `read` takes it too if nobody has it, to bring the catalog up
   * to date; while a backup runs, it reads what was committed last.
   */
  catalog: 'read' | 'write';
  /** Go on although the store lacks snapshots that the catalog knows. */
  acceptRollback?: boolean;
  /** Has to know what the store holds now: while another run has the catalog, a copy of that is compared instead. */
  compares?: boolean;
  /** Nothing that is damaged stops it; what the catalog knows of lost snapshots stays there. */
  repairs?: boolean;
}

/** A store with its key and catalog, opened, compared and ready for work. */
export class Repository {
  readonly context: Context;
  readonly config: Config;
  readonly store: ObjectStore;
  readonly storeConfig: StoreConfig;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  /** What comparing the catalog with the store has found. */
  reconciled: Reconciled;
  /** What is wrong with the store's config.json, so that a copy had to do; undefined: nothing, or no longer. */
  configDamage: string | undefined;
  /** Name of the own slot, if it is lost and a copy had to do. */
  lostSlot: string | undefined;
  private readonly tables: Tables;
  private readonly lock: Lock | undefined;
  private index: BlobIndex | undefined;
  private blobReader: BlobReader | undefined;

  constructor(parts: {
    tables: Tables;
    store: ObjectStore;
    storeConfig: StoreConfig;
    keyring: Keyring;
    catalog: Catalog;
    reconciled: Reconciled;
    lock: Lock | undefined;
    configDamage: string | undefined;
    lostSlot: string | undefined;
  }) {
    this.tables = parts.tables;
    this.context = parts.tables.context;
    this.config = this.context.config;
    this.store = parts.store;
    this.storeConfig = parts.storeConfig;
    this.keyring = parts.keyring;
    this.catalog = parts.catalog;
    this.reconciled = parts.reconciled;
    this.lock = parts.lock;
    this.configDamage = parts.configDamage;
    this.lostSlot = parts.lostSlot;
  }

  /** Where every blob lies that can be read. */
  blobs(): BlobIndex {
    this.index ??= BlobIndex.load(this.catalog, indexFile(this.config.tableDir), readable);
    return this.index;
  }

  /** Where the config has the catalog's folder: this command may use a copy. */
  get tablePlace(): string {
    return this.tables.place;
  }

  /** Reads single blobs. */
  reader(): BlobReader {
    this.blobReader ??= new BlobReader(this.store, this.keyring, this.blobs());
    return this.blobReader;
  }

  /** Compares the catalog with the store again, after a repair has changed either. */
  async refresh(): Promise<void> {
    this.reconciled = await reconcile(this, { rollback: 'spare' });
    this.packsChanged();
  }

  /** Packs have come or gone: what was known of where blobs lie is looked up anew. */
  packsChanged(): void {
    this.index?.close();
    this.index = undefined;
    this.blobReader = undefined;
  }

  /** The source that a reading command means. */
  sourceFor(option: SourceOption): string {
    return chooseSource(this.catalog, this.context, option);
  }

  /** The snapshot that a user's text names. */
  snapshot(source: string, text: string): Promise<SnapshotRow> {
    return resolveSnapshot(this.catalog, source, text);
  }

  /** Gives back locks, files and connections. */
  async close(): Promise<void> {
    this.index?.close();
    this.catalog.close();
    await this.lock?.release();
    await this.store.close();
    this.tables.giveBack();
  }
}

/**
 * Opens store, key and catalog, in this order: a missing store is exit 10, a wrong key exit 12, both before anything is
 * written. A catalog that is missing or damaged is rebuilt, after saying so; then it is brought up to what the store has.
 */
export async function openRepository(given: Context, access: Access): Promise<Repository> {
  const tables = access.catalog === 'read' ? tablesToRead(given) : tablesToWrite(given);
  try {
    return await openWith(tables, access);
  } catch (error) {
    tables.giveBack();
    throw error;
  }
}

async function openWith(tables: Tables, access: Access): Promise<Repository> {
  const { context } = tables;
  const { config, report } = context;
  const useCopies = access.catalog === 'read' || access.repairs === true;
  const store = await openOwnStore(context, { command: access.command, withoutConfig: useCopies });
  let lock: Lock | undefined;
  let catalog: Catalog | undefined;
  try {
    const { storeConfig, keyring, slots, configDamage, ...own } = await unlockStore(context, store, { useCopies });
    const lostSlot = own.slotIsLost ? own.slot : undefined;
    if (access.command !== 'check') {
      const repair = `using the copy in ${config.tableDir}; run 'backup-ninja check --repair'`;
      if (configDamage !== undefined) context.attention(`${configDamage}: ${repair}`);
      if (lostSlot !== undefined) context.attention(`the store has lost its key slots, ${store.url}: ${repair}`);
    }
    if (storeConfig.mode === 'exclusive') {
      lock = await store.lock(access.lock, context.waitLock);
      await clearLeftovers(store, access);
    }
    mkdirSync(config.tableDir, { recursive: true, mode: 0o700 });
    removeStaleFiles(config.tableDir);
    const opened = await openUsableCatalog(context, store, keyring, access);
    catalog = opened.catalog;
    const reconciled =
      opened.reconciled ?? (await reconcile({ context, store, keyring, catalog }, rollbackRule(access)));
    if (access.command !== 'check') tellLostCertificates(context, reconciled, access.catalog);
    if (access.catalog === 'write' && access.repairs !== true)
      requireStanding({ context, store, keyring, catalog }, reconciled);
    if (opened.reconciled === undefined || opened.isFresh) noteKeys(catalog, slots);
    const parts = { tables, store, storeConfig, keyring, catalog, reconciled, lock, configDamage, lostSlot };
    return new Repository(parts);
  } catch (error) {
    catalog?.close();
    await lock?.release();
    await store.close();
    report.done();
    throw error;
  }
}

/** Removes what killed runs left half-written. Readers may be unable to, as on a disk mounted read-only: no matter. */
async function clearLeftovers(store: ObjectStore, access: Access): Promise<void> {
  try {
    await store.cleanTemporaries();
  } catch (error) {
    if (access.catalog === 'write' || !(error instanceof UserError)) throw error;
  }
}

/** Writers stop at a store that lacks snapshots; readers say so and go on with what is there; a repair puts them back. */
function rollbackRule(access: Access): ReconcileOptions {
  if (access.repairs === true) return { rollback: 'spare' };
  if (access.catalog === 'read') return { rollback: 'warn' };
  return { rollback: access.acceptRollback === true ? 'accept' : 'stop' };
}

async function openUsableCatalog(
  context: Context,
  store: ObjectStore,
  keyring: Keyring,
  access: Access,
): Promise<{ catalog: Catalog; reconciled?: Reconciled; isFresh?: boolean }> {
  const options = { dir: context.config.tableDir, storeId: keyring.storeIdHex, waitLock: context.waitLock };
  let outcome: OpenOutcome;
  try {
    outcome = await openCatalog({ ...options, access: 'write' });
    if (outcome.kind === 'missing' && (await store.list('snapshots')).length === 0)
      outcome = await openCatalog({ ...options, access: 'write', create: true });
  } catch (error) {
    const isBusy = error instanceof UserError && error.exit === ExitCode.locked;
    if (!isBusy || access.catalog === 'write') throw error;
    outcome = await openCatalog({ ...options, access: 'read' });
    if (outcome.kind !== 'ok') throw error;
    if (access.compares === true) return { catalog: ownCopy(outcome.catalog, options.dir) };
    return { catalog: outcome.catalog, reconciled: nothingCompared(keyring) };
  }
  if (outcome.kind === 'ok') return { catalog: outcome.catalog };
  const why = outcome.kind === 'damaged' ? `damaged (${outcome.reason})` : 'missing';
  context.report.note(`the catalog is ${why}: rebuilding it from the store`);
  return { ...(await newRebuild(context, store, keyring)), isFresh: true };
}

/** A copy of the catalog as it is now, without what the run that has it is about to enter. */
function ownCopy(catalog: Catalog, tableDir: string): Catalog {
  const path = temporaryFile(tableDir, 'catalog');
  try {
    const copy = copyCatalog(catalog, path, () => rmSync(path, { force: true }));
    copy.runs.discardUnsealed();
    return copy;
  } finally {
    catalog.close();
  }
}

/** Opens the catalog alone, for commands that answer with the store away; undefined when there is none to be used. */
export async function openCatalogAlone(context: Context): Promise<Catalog | undefined> {
  const copy = join(context.config.tableDir, 'store', 'config.json');
  if (!existsSync(copy)) return undefined;
  const { storeId } = parseConfig(readFileSync(copy, 'utf8'));
  const outcome = await openCatalog({
    dir: context.config.tableDir,
    storeId: Buffer.from(storeId).toString('hex'),
    access: 'read',
  });
  return outcome.kind === 'ok' ? outcome.catalog : undefined;
}

/** A keyed name for something of this machine that must not be readable in the store, 16 bytes. */
export function keyedHash(key: Uint8Array, value: string): Uint8Array {
  return createHmac('sha256', key).update(value, 'latin1').digest().subarray(0, 16);
}
