import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeKeyFile } from '../crypto/key-file.js';
import type { Keyring } from '../crypto/keyring.js';
import { native } from '../crypto/native.js';
import { decodeRecoveryKey } from '../crypto/recovery-key.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { openCert } from '../format/cert.js';
import { parseConfig, type StoreConfig, verifyConfig } from '../format/config-json.js';
import { openSlots, parseSlot, type SlotSecret, type StoredSlot } from '../format/slot.js';
import { isMissing, type ObjectStore, objectPath, openStore } from '../store/index.js';
import type { Context, Secret } from './context.js';
import { type ObjectTotals, totalsOf } from './store-totals.js';
import type { SecretKind } from './types.js';

/** A key that was found. */
interface Opened {
  storeConfig: StoreConfig;
  keyring: Keyring;
  /** Name of the slot that was opened. */
  slot: string;
}

/** A store whose key was found. */
export interface Unlocked extends Opened {
  /** The slots that the store has. */
  slots: ObjectTotals;
  /** What is wrong with the store's config.json, so that the copy beside the catalog had to do. */
  configDamage?: string;
}

/** What a store is unlocked with. */
interface Locks {
  config: Uint8Array;
  slots: StoredSlot[];
}

/**
 * Reads the store's config.json and slots and opens one with the user's secrets; keeps copies beside the catalog.
 * @param options.useCopies where config.json or the slot is damaged or missing, the copies beside the catalog stand in,
 *   if the store shows by a certificate that they are its own
 */
export async function unlockStore(
  context: Context,
  store: ObjectStore,
  options: { useCopies?: boolean } = {},
): Promise<Unlocked> {
  const { tableDir } = context.config;
  const slots = await readSlots(store);
  let config: Uint8Array | undefined;
  try {
    config = await store.read('config.json');
    return { ...(await unlockWith(context, { config, slots })), slots: totalsOfSlots(slots) };
  } catch (error) {
    const isDamage = error instanceof FormatError || isMissing(error);
    const copies = options.useCopies === true && (isDamage || isWrongKey(error)) ? readCopies(tableDir) : undefined;
    if (copies === undefined) throw error;
    const hasOwnConfig = config !== undefined && Buffer.compare(config, copies.config) === 0;
    const standIns = slotsToReplace(copies.slots, slots);
    if (hasOwnConfig && standIns.length === 0) throw error;
    const unlocked = await unlockByCopies(context, store, { config: copies.config, slots: [...slots, ...standIns] });
    if (unlocked === undefined) throw error;
    return {
      ...unlocked,
      slots: totalsOfSlots(slots),
      ...(!hasOwnConfig && { configDamage: (error as Error).message }),
    };
  }
}

/** Opens the copies of config.json and slot that lie beside the catalog: the key without the store. */
export async function unlockCopies(context: Context): Promise<Opened> {
  const { config } = context;
  const copies = readCopies(config.tableDir);
  if (copies !== undefined) return unlockWith(context, copies);
  const store = await openStore(config.store.url, { tableDir: config.tableDir });
  try {
    return await unlockStore(context, store);
  } finally {
    await store.close();
  }
}

/** The copy of config.json that lies beside the catalog, if there is one. */
export function configCopy(tableDir: string): Uint8Array | undefined {
  return readCopies(tableDir)?.config;
}

/** The copies of slots that lie beside the catalog. */
export function slotCopies(tableDir: string): StoredSlot[] {
  return readCopies(tableDir)?.slots ?? [];
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

async function unlockWith(context: Context, { config, slots }: Locks): Promise<Opened> {
  const text = Buffer.from(config).toString();
  const storeConfig = parseConfig(text);
  const { keyring, slot } = await unlock(context, storeConfig, slots);
  verifyConfig(keyring, text);
  keepCopies(context.config.tableDir, config, slot);
  return { storeConfig, keyring, slot: slot.name };
}

/** Opens the store by copies; undefined when nothing in it shows that they belong to it. */
async function unlockByCopies(context: Context, store: ObjectStore, copies: Locks): Promise<Opened | undefined> {
  const unlocked = await unlockWith(context, copies);
  for (const { name } of await store.list('certs')) {
    try {
      openCert(unlocked.keyring, await store.read(objectPath('certs', name)));
      return unlocked;
    } catch (error) {
      if (!(error instanceof FormatError || isMissing(error))) throw error;
    }
  }
  return undefined;
}

function totalsOfSlots(slots: readonly StoredSlot[]): ObjectTotals {
  return totalsOf(slots.map(({ name, bytes }) => ({ name, size: bytes.length })));
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
  const kinds = kindsOf(slots);
  for await (const secret of context.unlock(kinds)) {
    try {
      return await openSlots(native, storeId, slots, slotSecret(secret));
    } catch (error) {
      if (!isWrongKey(error)) throw error;
      lastError = error;
    }
  }
  throw (
    lastError ??
    new UserError(
      ExitCode.wrongKey,
      `no key to open the store with, ${context.config.keyPath} is not there; ${waysToUnlock(kinds)}`,
    )
  );
}

/** What a user can do to give a secret of one of these kinds. */
function waysToUnlock(kinds: ReadonlySet<SecretKind>): string {
  const ways = [
    kinds.has('key-file') && 'put the key file there',
    kinds.has('passphrase') && 'set BACKUP_NINJA_PASSPHRASE',
    kinds.has('recovery') && 'set BACKUP_NINJA_RECOVERY_KEY',
  ];
  return `${ways.filter((way) => way !== false).join(', or ') || 'no slot of it can be read'}`;
}

function isWrongKey(error: unknown): boolean {
  return error instanceof UserError && error.exit === ExitCode.wrongKey;
}

function kindsOf(slots: readonly StoredSlot[]): Set<SecretKind> {
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

function copiesFolder(tableDir: string): string {
  return join(tableDir, 'store');
}

function readCopies(tableDir: string): Locks | undefined {
  const folder = copiesFolder(tableDir);
  if (!existsSync(join(folder, 'config.json'))) return undefined;
  const slots = readdirSync(folder)
    .filter((name) => name.endsWith('.key'))
    .map((name) => ({ name: name.slice(0, -4), bytes: new Uint8Array(readFileSync(join(folder, name))) }));
  return { config: readFileSync(join(folder, 'config.json')), slots };
}

/**
 * Copies of slots that may stand in for those of the store: slots that are there, but damaged; or any, where the store has
 * none left that can be read. A slot that is merely gone was removed, and is not brought back.
 */
function slotsToReplace(copies: readonly StoredSlot[], slots: readonly StoredSlot[]): StoredSlot[] {
  if (kindsOf(slots).size === 0) return [...copies];
  const stored = new Map(slots.map(({ name, bytes }) => [name, bytes]));
  return copies.filter(({ name, bytes }) => {
    const there = stored.get(name);
    return there !== undefined && Buffer.compare(there, bytes) !== 0;
  });
}

/** Copies of config.json and of one's own slot lie beside the catalog: proof of which store it belongs to. */
function keepCopies(tableDir: string, config: Uint8Array, slot: StoredSlot): void {
  const folder = copiesFolder(tableDir);
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
