import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Catalog, type OpenOutcome, openCatalog, type SnapshotRow } from '../catalog/index.js';
import type { Config } from '../config/types.js';
import { decodeKeyFile } from '../crypto/key-file.js';
import type { Keyring } from '../crypto/keyring.js';
import { native } from '../crypto/native.js';
import { decodeRecoveryKey } from '../crypto/recovery-key.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { parseConfig, type StoreConfig, verifyConfig } from '../format/config-json.js';
import { openSlots, parseSlot, type SlotSecret, type StoredSlot } from '../format/slot.js';
import { type Lock, type LockMode, type ObjectStore, objectPath, openStore } from '../store/index.js';
import { BlobIndex, indexFile, readable, removeStaleIndexFiles } from './blob-index.js';
import { BlobReader } from './blob-reader.js';
import type { Context, Secret } from './context.js';
import { newRebuild } from './rebuild.js';
import { nothingCompared, type Reconciled, reconcile } from './reconcile.js';
import { chooseSource, resolveSnapshot } from './select.js';
import type { SecretKind, SourceOption } from './types.js';

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
  readonly reconciled: Reconciled;
  private readonly lock: Lock | undefined;
  private index: BlobIndex | undefined;
  private blobReader: BlobReader | undefined;

  constructor(parts: {
    context: Context;
    store: ObjectStore;
    storeConfig: StoreConfig;
    keyring: Keyring;
    catalog: Catalog;
    reconciled: Reconciled;
    lock: Lock | undefined;
  }) {
    this.context = parts.context;
    this.config = parts.context.config;
    this.store = parts.store;
    this.storeConfig = parts.storeConfig;
    this.keyring = parts.keyring;
    this.catalog = parts.catalog;
    this.reconciled = parts.reconciled;
    this.lock = parts.lock;
  }

  /** Where every blob lies that can be read. */
  blobs(): BlobIndex {
    this.index ??= BlobIndex.load(this.catalog, indexFile(this.config.tableDir), readable);
    return this.index;
  }

  /** Reads single blobs. */
  reader(): BlobReader {
    this.blobReader ??= new BlobReader(this.store, this.keyring, this.blobs());
    return this.blobReader;
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
  }
}

/**
 * Opens store, key and catalog, in this order: a missing store is exit 10, a wrong key exit 12, both before anything is
 * written. A catalog that is missing or damaged is rebuilt, after saying so; then it is brought up to what the store has.
 */
export async function openRepository(context: Context, access: Access): Promise<Repository> {
  const { config, report } = context;
  const store = await openStore(config.store.url, { tableDir: config.tableDir, command: access.command });
  let lock: Lock | undefined;
  let catalog: Catalog | undefined;
  try {
    const { storeConfig, keyring } = await unlockStore(context, store);
    if (storeConfig.mode === 'exclusive') {
      lock = await store.lock(access.lock, context.waitLock);
      await clearLeftovers(store, access);
    }
    mkdirSync(config.tableDir, { recursive: true, mode: 0o700 });
    removeStaleIndexFiles(config.tableDir);
    const opened = await openUsableCatalog(context, store, keyring, access);
    catalog = opened.catalog;
    const reconciled =
      opened.reconciled ?? (await reconcile({ context, store, keyring, catalog }, rollbackRule(access)));
    return new Repository({ context, store, storeConfig, keyring, catalog, reconciled, lock });
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

/** Reads the store's config.json and slots and opens one with the user's secrets; keeps copies beside the catalog. */
export async function unlockStore(
  context: Context,
  store: ObjectStore,
): Promise<{ storeConfig: StoreConfig; keyring: Keyring; slot: string }> {
  const configBytes = await store.read('config.json');
  const storeConfig = parseConfig(Buffer.from(configBytes).toString());
  const slots = await readSlots(store);
  const { keyring, slot } = await unlock(context, storeConfig, slots);
  verifyConfig(keyring, Buffer.from(configBytes).toString());
  keepCopies(context.config.tableDir, configBytes, slot);
  return { storeConfig, keyring, slot: slot.name };
}

async function readSlots(store: ObjectStore): Promise<StoredSlot[]> {
  const slots: StoredSlot[] = [];
  for (const { name } of await store.list('keys'))
    slots.push({ name, bytes: await store.read(objectPath('keys', name)) });
  return slots;
}

async function unlock(
  context: Context,
  storeConfig: StoreConfig,
  slots: StoredSlot[],
): Promise<{ keyring: Keyring; slot: StoredSlot }> {
  const { storeId } = storeConfig;
  let lastError: unknown;
  for await (const secret of context.unlock(kindsOf(slots))) {
    try {
      return await openSlots(native, storeId, slots, slotSecret(secret));
    } catch (error) {
      if (!(error instanceof UserError) || error.exit !== ExitCode.wrongKey) throw error;
      lastError = error;
    }
  }
  throw (
    lastError ??
    new UserError(
      ExitCode.wrongKey,
      `no key to open the store with, ${context.config.keyPath}; put the key file there, or give a passphrase or recovery key`,
    )
  );
}

function kindsOf(slots: StoredSlot[]): Set<SecretKind> {
  const kinds = new Set<SecretKind>();
  for (const { bytes } of slots) {
    try {
      kinds.add(parseSlot(bytes).method);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return kinds;
}

/** A user's secret as slots take it. */
export function slotSecret(secret: Secret): SlotSecret {
  switch (secret.kind) {
    case 'key-file':
      return { method: 'key-file', bytes: decodeKeyFile(secret.content, secret.path) };
    case 'recovery':
      return { method: 'recovery', bytes: decodeRecoveryKey(native, secret.text) };
    case 'passphrase':
      return { method: 'passphrase', text: secret.text };
  }
}

/** Writers stop at a store that lacks snapshots; readers say so and go on with what is there. */
function rollbackRule(access: Access): { rollback: 'stop' | 'accept' | 'warn' } {
  if (access.catalog === 'read') return { rollback: 'warn' };
  return { rollback: access.acceptRollback === true ? 'accept' : 'stop' };
}

async function openUsableCatalog(
  context: Context,
  store: ObjectStore,
  keyring: Keyring,
  access: Access,
): Promise<{ catalog: Catalog; reconciled?: Reconciled }> {
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
    if (outcome.kind === 'ok') return { catalog: outcome.catalog, reconciled: nothingCompared(keyring) };
    throw error;
  }
  if (outcome.kind === 'ok') return { catalog: outcome.catalog };
  const why = outcome.kind === 'damaged' ? `damaged (${outcome.reason})` : 'missing';
  context.report.note(`the catalog is ${why}: rebuilding it from the store`);
  return newRebuild(context, store, keyring);
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

/** Opens the copies of config.json and slot that lie beside the catalog: the key without the store. */
export async function unlockCopies(context: Context): Promise<{ storeConfig: StoreConfig; keyring: Keyring }> {
  const folder = join(context.config.tableDir, 'store');
  if (!existsSync(join(folder, 'config.json'))) {
    const store = await openStore(context.config.store.url, { tableDir: context.config.tableDir });
    try {
      return await unlockStore(context, store);
    } finally {
      await store.close();
    }
  }
  const storeConfig = parseConfig(readFileSync(join(folder, 'config.json'), 'utf8'));
  const slots = readdirSync(folder)
    .filter((name) => name.endsWith('.key'))
    .map((name) => ({ name: name.slice(0, -4), bytes: readFileSync(join(folder, name)) }));
  return { storeConfig, keyring: (await unlock(context, storeConfig, slots)).keyring };
}

/** Copies of config.json and of one's own slot lie beside the catalog: proof of which store it belongs to. */
function keepCopies(tableDir: string, config: Uint8Array, slot: StoredSlot): void {
  const folder = join(tableDir, 'store');
  const files: [name: string, bytes: Uint8Array][] = [
    ['config.json', config],
    [`${slot.name}.key`, slot.bytes],
  ];
  try {
    if (existsSync(folder) && files.every(([name]) => readdirSync(folder).includes(name))) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes, { mode: 0o600 });
  } catch {
    // Only a convenience: reading with the store away needs it.
  }
}

/** A keyed name for something of this machine that must not be readable in the store, 16 bytes. */
export function keyedHash(key: Uint8Array, value: string): Uint8Array {
  return createHmac('sha256', key).update(value, 'latin1').digest().subarray(0, 16);
}
