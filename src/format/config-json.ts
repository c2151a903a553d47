import { type ChunkerParams, checkParams, DEFAULT_CHUNKERS } from '../chunk/params.js';
import type { Keyring } from '../crypto/keyring.js';
import { fromHex, toHex } from '../crypto/octets.js';
import type { Primitives } from '../crypto/primitives.js';
import { configMessage, STORE_ID_LENGTH } from '../crypto/schedule.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { encode } from './cbor.js';
import { Fields } from './fields.js';

/** The store's config.json. */
export interface StoreConfig {
  /** 16 bytes. */
  storeId: Uint8Array;
  /** `exclusive` stores are locked by whoever writes, `shared` ones never. */
  mode: 'exclusive' | 'shared';
  /** How content is cut, by chunk class: fixed at init, or nothing would be found twice. */
  chunkers: readonly [ChunkerParams, ChunkerParams];
  /** RFC 3339, to the second. */
  created: string;
  /** X25519 public key, 64 hex digits. */
  sealPublic: string;
  /** Ed25519 public key of the root, 64 hex digits. */
  rootPublic: string;
}

export const CONFIG_FORMAT = 'backup-ninja store';
export const CONFIG_VERSION = 1;

/** The text of a new store's config.json, signed by the root key. Throws UserError (exit 12) unless it is full. */
export function makeConfig(
  full: Keyring,
  config: { mode: 'exclusive' | 'shared'; created: string; chunkers?: StoreConfig['chunkers'] },
): string {
  const fields = {
    format: CONFIG_FORMAT,
    version: CONFIG_VERSION,
    storeId: full.storeIdHex,
    mode: config.mode,
    created: config.created,
    chunkers: config.chunkers ?? DEFAULT_CHUNKERS,
    sealPublic: toHex(full.shared.sealPublic),
    rootPublic: toHex(full.shared.rootPublic),
  };
  const signature = toHex(full.signAsRoot(configMessage(full.storeId, encode(fields))));
  return `${JSON.stringify({ ...fields, signature }, null, 2)}\n`;
}

/**
 * What a config.json says, before any key is at hand: nothing vouches for it until `verifyConfig`.
 * Throws FormatError for what is not one, or is of a later version.
 */
export function parseConfig(text: string): StoreConfig {
  const fields = new Fields(parseJson(text), 'config.json');
  if (fields.text('format') !== CONFIG_FORMAT) throw new FormatError('config.json is not that of a backup-ninja store');
  const version = fields.integer('version');
  if (version !== CONFIG_VERSION) {
    throw new FormatError(`the store is of format version ${version}, which this program does not know; update it`);
  }
  return {
    storeId: hexField(fields, 'storeId', STORE_ID_LENGTH),
    mode: fields.oneOf('mode', ['exclusive', 'shared']),
    chunkers: readChunkers(fields),
    created: fields.text('created'),
    sealPublic: toHex(hexField(fields, 'sealPublic', 32)),
    rootPublic: toHex(hexField(fields, 'rootPublic', 32)),
  };
}

/**
 * Checks config.json against an opened keyring: it must be this store's, signed by the root key that the keyring
 * itself knows, every field of it. Throws UserError (exit 12) when the keyring is another store's, FormatError when
 * the file was changed. Call it before anything in the file is acted upon.
 */
export function verifyConfig(keyring: Keyring, text: string): StoreConfig {
  const config = parseConfig(text);
  const { shared, primitives } = keyring;
  if (toHex(config.storeId) !== keyring.storeIdHex) {
    throw new UserError(ExitCode.wrongKey, 'wrong key: it belongs to another store; check file_dir and key_path');
  }
  if (config.rootPublic !== toHex(shared.rootPublic) || config.sealPublic !== toHex(shared.sealPublic)) {
    throw new FormatError(
      'config.json names other public keys than the key does: it was replaced; restore it from a copy',
    );
  }
  if (!isSigned(primitives, text, config.storeId, shared.rootPublic))
    throw new FormatError('config.json was changed after it was signed; restore it from a copy');
  return config;
}

/**
 * Whether config.json is signed by the key that it names itself: enough to tell, without a key, that nothing damaged it;
 * whether that key is the store's own is for `verifyConfig` to say.
 */
export function isIntact(primitives: Primitives, text: string): boolean {
  try {
    const { storeId, rootPublic } = parseConfig(text);
    return isSigned(primitives, text, storeId, fromHex(rootPublic, 32)!);
  } catch (error) {
    if (error instanceof FormatError || error instanceof RangeError) return false;
    throw error;
  }
}

function isSigned(primitives: Primitives, text: string, storeId: Uint8Array, rootPublic: Uint8Array): boolean {
  const { signature, ...signed } = parseJson(text) as Record<string, unknown>;
  const bytes = typeof signature === 'string' ? fromHex(signature, 64) : undefined;
  return bytes !== undefined && primitives.ed25519Verify(rootPublic, configMessage(storeId, encodeJson(signed)), bytes);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FormatError('config.json is not JSON');
  }
}

function encodeJson(value: unknown): Uint8Array {
  try {
    return encode(value);
  } catch {
    throw new FormatError('config.json holds a number that is not an integer');
  }
}

function hexField(fields: Fields, key: string, length: number): Uint8Array {
  const bytes = fromHex(fields.text(key), length);
  if (bytes === undefined) throw new FormatError(`'${key}' of config.json is not ${length} bytes in hex digits`);
  return bytes;
}

function readChunkers(fields: Fields): StoreConfig['chunkers'] {
  const chunkers = fields.list('chunkers', (item, what) => {
    const sizes = new Fields(item, what);
    const params = { min: sizes.integer('min'), avg: sizes.integer('avg'), max: sizes.integer('max') };
    checkParams(params);
    return params;
  });
  if (chunkers.length !== 2) throw new FormatError('config.json must have two classes of chunks');
  return [chunkers[0], chunkers[1]];
}
