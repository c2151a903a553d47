import type { Config } from '../config/types.js';
import { decodeKeyFile } from '../crypto/key-file.js';
import type { Keyring } from '../crypto/keyring.js';
import { native } from '../crypto/native.js';
import { decodeRecoveryKey } from '../crypto/recovery-key.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { openCert } from '../format/cert.js';
import { parseConfig, type StoreConfig, verifyConfig } from '../format/config-json.js';
import { openSlots, parseSlot, type SlotInfo, type SlotSecret, type StoredSlot } from '../format/slot.js';
import { openSnapshotHeader } from '../format/snapshot.js';
import { type Folder, isMissing, type ObjectStore, objectPath } from '../store/index.js';
import type { Context, Secret } from './context.js';
import { openOwnStore } from './open-store.js';
import { keepCopies, type Locks, readCopies } from './store-copies.js';
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
  /** The slot that was opened is not in the store, which has none of the full role left: a copy had to do. */
  slotIsLost: boolean;
}

/**
 * Reads the store's config.json and slots and opens one with the user's secrets; keeps copies beside the catalog.
 * @param options.useCopies where config.json or the slot is damaged or missing, the copies beside the catalog stand in,
 *   if the store shows by a certificate or a snapshot that they are its own
 */
export async function unlockStore(
  context: Context,
  store: ObjectStore,
  options: { useCopies?: boolean } = {},
): Promise<Unlocked> {
  const { tableDir } = context.config;
  const slots = await readSlots(store);
  const config = await readConfig(store);
  try {
    if (config === undefined) throw noConfig(store.url, tableDir);
    return { ...(await unlockWith(context, { config, slots })), slots: totalsOfSlots(slots), slotIsLost: false };
  } catch (error) {
    const isDamage = error instanceof FormatError || config === undefined;
    const copies = options.useCopies === true && (isDamage || isWrongKey(error)) ? readCopies(tableDir) : undefined;
    if (copies === undefined) throw error;
    const hasOwnConfig = config !== undefined && Buffer.compare(config, copies.config) === 0;
    const standIns = slotsToReplace(copies.slots, slots);
    if (hasOwnConfig && standIns.length === 0) throw error;
    const unlocked = await unlockByCopies(context, store, { config: copies.config, slots: [...slots, ...standIns] });
    if (unlocked === undefined) throw error;
    const damage = config === undefined ? `config.json is not in the store, ${store.url}` : (error as Error).message;
    return {
      ...unlocked,
      slots: totalsOfSlots(slots),
      slotIsLost: !slots.some(({ name }) => name === unlocked.slot),
      ...(!hasOwnConfig && { configDamage: damage }),
    };
  }
}

/** Opens the copies of config.json and slot that lie beside the catalog: the key without the store. */
export async function unlockCopies(context: Context): Promise<Opened> {
  const { config } = context;
  const copies = readCopies(config.tableDir);
  if (copies !== undefined) return unlockWith(context, copies);
  const store = await openOwnStore(context, {});
  try {
    return await unlockStore(context, store);
  } finally {
    await store.close();
  }
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
  for (const [folder, open] of PROOFS)
    for (const { name } of await store.list(folder)) {
      try {
        open(unlocked.keyring, await store.read(objectPath(folder, name)));
        return unlocked;
      } catch (error) {
        if (!(error instanceof FormatError || isMissing(error))) throw error;
      }
    }
  return undefined;
}

/** What only the keys of its own store open. */
const PROOFS: readonly [folder: Folder, open: (keyring: Keyring, bytes: Uint8Array) => unknown][] = [
  ['certs', openCert],
  ['snapshots', openSnapshotHeader],
];

async function readConfig(store: ObjectStore): Promise<Uint8Array | undefined> {
  try {
    return await store.read('config.json');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function noConfig(url: string, tableDir: string): UserError {
  return new UserError(
    ExitCode.noStore,
    `config.json is not in the store, ${url}, and ${tableDir} has no copy of it; bring it back from another copy of the store, or from the folder 'store' in the table_dir of a machine that uses it`,
  );
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
  const kinds = kindsOf(slots);
  if (kinds.size === 0) throw noSlot(context.config);
  let lastError: unknown;
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

function noSlot({ store, tableDir }: Config): UserError {
  return new UserError(
    ExitCode.wrongKey,
    `no key slot is left in the store, ${store.url}, and no key opens it; run 'backup-ninja check --repair' to put back the copy in ${tableDir}, or bring its folder 'keys' back from another copy of the store`,
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
  return new Set(readableSlots(slots).map(({ method }) => method));
}

/** What slots say of themselves, as far as they can be read. */
function readableSlots(slots: readonly StoredSlot[]): SlotInfo[] {
  return slots.flatMap(({ bytes }) => {
    try {
      return [parseSlot(bytes)];
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return [];
    }
  });
}

/**
 * Copies of slots that may stand in for those of the store: slots that are there, but damaged; or any, where the store has
 * none of the full role left, for the last of them is never removed. A slot that is merely gone was removed, and is not
 * brought back.
 */
function slotsToReplace(copies: readonly StoredSlot[], slots: readonly StoredSlot[]): StoredSlot[] {
  if (!readableSlots(slots).some(({ role }) => role === 'full')) return [...copies];
  const stored = new Map(slots.map(({ name, bytes }) => [name, bytes]));
  return copies.filter(({ name, bytes }) => {
    const there = stored.get(name);
    return there !== undefined && Buffer.compare(there, bytes) !== 0;
  });
}
