import type { Catalog } from '../catalog/index.js';
import { SignatureError } from '../crypto/errors.js';
import type { Keyring } from '../crypto/keyring.js';
import { native } from '../crypto/native.js';
import { FormatError, UserError } from '../errors.js';
import { checkName } from '../format/object.js';
import { openTombstone } from '../format/record.js';
import type { Trust } from '../format/trust.js';
import { type Folder, isMissing, type ListedObject, type ObjectStore, objectPath, StoreError } from '../store/index.js';
import { copiedNames, copyOf, dropCopies, keepCopy } from './copies.js';

/** An object that could not be opened. */
export interface UnreadableObject {
  path: string;
  message: string;
  /** It opened, but its signature is wrong: it may be ignored. Anything else may be a loss. */
  foreign: boolean;
}

/** A tombstone with the name of its object. */
export interface NamedTombstone {
  name: string;
  time: bigint;
  packs: string[];
}

interface Parts {
  store: ObjectStore;
  keyring: Keyring;
  catalog: Catalog;
}

/**
 * Reads an object and opens it; one that cannot be opened is noted and passed over. So is one under a false name, however
 * good its signature: else whoever holds the storage could bring a forgotten snapshot back by copying it.
 */
export async function tryOpen<T>(
  store: ObjectStore,
  folder: Folder,
  name: string,
  unreadable: UnreadableObject[],
  open: (bytes: Uint8Array) => T,
): Promise<T | undefined> {
  const path = objectPath(folder, name);
  try {
    const bytes = await store.read(path);
    checkName(native, name, bytes);
    return open(bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    // Listed, but not there any more: somebody has deleted it in between.
    if (isMissing(error)) return undefined;
    unreadable.push({ path, message: (error as Error).message, foreign: error instanceof SignatureError });
    return undefined;
  }
}

/** Whether an error says that an object is damaged or gone, rather than that the store cannot be reached. */
export function isDamage(error: unknown): boolean {
  if (error instanceof StoreError) return /^(missing|short|denied|io)$/.test(error.code);
  return error instanceof FormatError || error instanceof UserError;
}

/**
 * Opens all objects of a folder that never loses any: those in the store, and by their copies those that the catalog has
 * seen there and that are gone or cannot be read any more.
 */
export async function readAll<T>(
  { store, keyring, catalog }: Parts,
  folder: 'certs' | 'records',
  listed: readonly ListedObject[],
  options: { unreadable: UnreadableObject[]; acceptLoss: boolean },
  open: (keyring: Keyring, bytes: Uint8Array) => T,
): Promise<{ objects: { name: string; object: T }[]; missing: string[] }> {
  const copied = copiedNames(catalog, folder);
  const objects: { name: string; object: T }[] = [];
  for (const { name } of listed) {
    const object = await tryOpen(store, folder, name, options.unreadable, (bytes) => {
      const found = open(keyring, bytes);
      if (!copied.has(name)) keepCopy(catalog, folder, name, bytes);
      return found;
    });
    if (object !== undefined) objects.push({ name, object });
  }
  const listedNames = new Set(listed.map(({ name }) => name));
  const missing = [...copied].filter((name) => !listedNames.has(name));
  if (options.acceptLoss) dropCopies(catalog, folder, missing);
  const read = new Set(objects.map(({ name }) => name));
  for (const name of copied) {
    if (read.has(name) || (options.acceptLoss && !listedNames.has(name))) continue;
    const copy = copyOf(catalog, folder, name);
    if (copy !== undefined) objects.push({ name, object: open(keyring, copy) });
  }
  return { objects, missing: options.acceptLoss ? [] : missing };
}

/** The tombstones that count. */
export async function readTombstones(
  { store, keyring }: Parts,
  trust: Trust,
  listed: readonly ListedObject[],
  unreadable: UnreadableObject[],
): Promise<NamedTombstone[]> {
  const doomed: NamedTombstone[] = [];
  for (const { name } of listed) {
    const opened = await tryOpen(store, 'tombstones', name, unreadable, (bytes) => openTombstone(keyring, bytes));
    if (opened !== undefined && trust.countsAsFull(opened.signer, name)) doomed.push({ name, ...opened.tombstone });
  }
  return doomed;
}
