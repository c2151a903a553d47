import { ObjectCipher } from '../crypto/cipher.js';
import { SealError } from '../crypto/errors.js';
import { fullKeyring, Keyring, type KeyringData, type Role } from '../crypto/keyring.js';
import { concat, equal, utf8 } from '../crypto/octets.js';
import type { Argon2Cost, Primitives, RandomSource } from '../crypto/primitives.js';
import { type SharedKeys, STORE_ID_LENGTH, slotKey } from '../crypto/schedule.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { decode, encode } from './cbor.js';
import { Fields, hexBytes } from './fields.js';
import { HEADER_LENGTH, makeHeader, ObjectKind, objectName, parseHeader, type SealedObject } from './object.js';

/** What opens a slot: 32 bytes of a key file or of a recovery key, or a passphrase. */
export type SlotSecret =
  | { readonly method: 'key-file'; readonly bytes: Uint8Array }
  | { readonly method: 'recovery'; readonly bytes: Uint8Array }
  | { readonly method: 'passphrase'; readonly text: string };

export type SlotMethod = SlotSecret['method'];

/** What a slot says without a key. */
export interface SlotInfo {
  readonly storeId: Uint8Array;
  readonly role: Role;
  readonly method: SlotMethod;
  /** Passphrases only. */
  readonly cost?: Argon2Cost;
  /** Nanoseconds since 1970. */
  readonly created: bigint;
  readonly label?: string;
  /** Public key that it signs with, 64 hex digits; restore slots have none. */
  readonly signer?: string;
}

/** A slot as the store has it. */
export interface StoredSlot {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Argon2id as RFC 9106 recommends it where memory is scarce, with one lane. */
export const DEFAULT_COST: Argon2Cost = { memory: 65_536, passes: 3, lanes: 1 };

/** A hostile slot must not take all memory or hours: at most 1 GiB, 16 passes, and 32 passphrase slots are tried. */
const MAX_COST: Argon2Cost = { memory: 1_048_576, passes: 16, lanes: 16 };
const MAX_PASSPHRASE_SLOTS = 32;

const ROLES = ['full', 'restore', 'backup'] as const satisfies readonly Role[];
const METHODS = ['key-file', 'recovery', 'passphrase'] as const satisfies readonly SlotMethod[];

/** What a new slot may be told. */
export interface SlotOptions {
  created: bigint;
  label?: string;
  cost?: Argon2Cost;
  random?: RandomSource;
}

/**
 * A slot that gives this keyring to whoever has the secret. A backup keyring can so change its own passphrase: the
 * same keys under a new secret. All that the slot says in clear is associated data of what it seals.
 */
export async function sealSlot(keyring: Keyring, secret: SlotSecret, options: SlotOptions): Promise<SealedObject> {
  const { primitives, storeId, role } = keyring;
  const header = makeHeader(ObjectKind.slot, options.random ?? primitives.randomBytes);
  const cost = secret.method === 'passphrase' ? checkCost(options.cost ?? DEFAULT_COST) : undefined;
  const info: SlotInfo = {
    storeId,
    role,
    method: secret.method,
    created: options.created,
    ...(cost && { cost }),
    ...(options.label !== undefined && { label: options.label }),
    ...(keyring.canWrite && { signer: keyring.signer() }),
  };
  const clear = encodeInfo(info);
  const key = await wrappingKey(primitives, secret, header, info);
  const payload = encodePayload(keyring.toData());
  const sealed = new ObjectCipher(primitives, key, concat(header, encode(clear))).seal(0, payload);
  const bytes = concat(header, encode({ ...clear, sealed }));
  return { name: objectName(primitives, bytes), bytes };
}

/** What a slot says in clear. Nothing vouches for it before the slot is opened. Throws FormatError. */
export function parseSlot(bytes: Uint8Array): SlotInfo {
  return readSlot(bytes).info;
}

/**
 * The keyring that a slot holds. Throws SealError when the secret is another slot's (or the slot was changed), and
 * FormatError when it is no slot. Takes as long as Argon2id does when both are of a passphrase.
 */
export async function openSlot(primitives: Primitives, bytes: Uint8Array, secret: SlotSecret): Promise<Keyring> {
  const { info, header, associated, sealed } = readSlot(bytes);
  if (info.method !== secret.method) throw new SealError('a slot for another kind of secret');
  const key = await wrappingKey(primitives, secret, header, info);
  const payload = new ObjectCipher(primitives, key, associated).open(0, sealed);
  const keyring = decodePayload(primitives, info, payload);
  if (keyring.role !== info.role || (keyring.canWrite ? keyring.signer() : undefined) !== info.signer) {
    throw new FormatError('a slot that says something else in clear than it holds');
  }
  return keyring;
}

/**
 * Opens the first slot of the store that fits the secret, full ones before restore before backup. Slots of other
 * stores and damaged ones are passed over. Throws UserError (exit 12) when none fits; writes nothing.
 */
export async function openSlots(
  primitives: Primitives,
  storeId: Uint8Array,
  slots: readonly StoredSlot[],
  secret: SlotSecret,
): Promise<{ keyring: Keyring; slot: StoredSlot }> {
  const candidates: { slot: StoredSlot; role: Role }[] = [];
  for (const slot of slots) {
    const info = tryParse(slot.bytes);
    if (info && info.method === secret.method && equal(info.storeId, storeId))
      candidates.push({ slot, role: info.role });
  }
  candidates.sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
  const limit = secret.method === 'passphrase' ? MAX_PASSPHRASE_SLOTS : candidates.length;
  for (const { slot } of candidates.slice(0, limit)) {
    try {
      return { keyring: await openSlot(primitives, slot.bytes, secret), slot };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  throw new UserError(ExitCode.wrongKey, wrongSecret(secret.method, candidates.length));
}

function wrongSecret(method: SlotMethod, tried: number): string {
  const what = { 'key-file': 'key file', recovery: 'recovery key', passphrase: 'passphrase' }[method];
  if (tried === 0) return `wrong key: this store has no ${what} slot; use another way to unlock it`;
  return `wrong ${what}: it opens none of the store's ${tried} ${what} slots; check which key belongs to this store`;
}

function tryParse(bytes: Uint8Array): SlotInfo | undefined {
  try {
    return parseSlot(bytes);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

async function wrappingKey(
  primitives: Primitives,
  secret: SlotSecret,
  header: Uint8Array,
  info: SlotInfo,
): Promise<Uint8Array> {
  const salt = header.subarray(HEADER_LENGTH - 32);
  if (secret.method !== 'passphrase') return slotKey(primitives, secret.bytes, salt, info.storeId, secret.method);
  // The same text typed on two systems may be composed differently.
  const password = utf8(secret.text.normalize('NFC'));
  const stretched = await primitives.argon2id(password, salt, info.cost ?? DEFAULT_COST);
  return slotKey(primitives, stretched, salt, info.storeId, secret.method);
}

function checkCost(cost: Argon2Cost): Argon2Cost {
  const inBounds =
    cost.memory >= 8 * cost.lanes &&
    cost.memory <= MAX_COST.memory &&
    cost.passes >= 1 &&
    cost.passes <= MAX_COST.passes &&
    cost.lanes >= 1 &&
    cost.lanes <= MAX_COST.lanes;
  if (!inBounds) throw new FormatError('a slot whose passphrase would take too much memory or time');
  return cost;
}

function encodeInfo(info: SlotInfo) {
  return {
    store: info.storeId,
    role: info.role,
    method: info.method,
    cost: info.cost,
    created: info.created,
    label: info.label,
    signer: info.signer === undefined ? undefined : hexBytes(info.signer, 32),
  };
}

function readSlot(bytes: Uint8Array) {
  parseHeader(bytes, ObjectKind.slot);
  const header = bytes.subarray(0, HEADER_LENGTH);
  const map = decode(bytes.subarray(HEADER_LENGTH));
  const fields = new Fields(map, 'a slot');
  const method = fields.oneOf('method', METHODS);
  const label = fields.optional('label', (f) => f.text('label'));
  const signer = fields.optional('signer', (f) => f.hex('signer', 32));
  const cost = method === 'passphrase' ? readCost(fields.map('cost')) : undefined;
  const info: SlotInfo = {
    storeId: fields.bytes('store', STORE_ID_LENGTH),
    role: fields.oneOf('role', ROLES),
    method,
    created: fields.time('created'),
    ...(cost && { cost }),
    ...(label !== undefined && { label }),
    ...(signer !== undefined && { signer }),
  };
  const { sealed: _, ...clear } = map as Record<string, unknown>;
  return { info, header, associated: concat(header, encode(clear)), sealed: fields.bytes('sealed') };
}

function readCost(fields: Fields): Argon2Cost {
  return checkCost({
    memory: fields.integer('memory'),
    passes: fields.integer('passes'),
    lanes: fields.integer('lanes'),
  });
}

const SHARED_KEYS = [
  'dataId',
  'listingId',
  'chunkListId',
  'chunker',
  'listingCut',
  'hardlink',
  'index',
  'pepper',
  'sealPublic',
  'rootPublic',
] as const satisfies readonly (keyof SharedKeys)[];

function encodePayload(data: KeyringData): Uint8Array {
  const { role, master, signingSeed, sealSecret, shared } = data;
  if (role === 'full') return encode({ role, master, signingSeed });
  return encode({ role, signingSeed, sealSecret, shared });
}

function decodePayload(primitives: Primitives, info: SlotInfo, payload: Uint8Array): Keyring {
  const { storeId } = info;
  const fields = new Fields(decode(payload), 'what a slot holds');
  const role = fields.oneOf('role', ROLES);
  if (role === 'full') {
    return fullKeyring(primitives, storeId, fields.bytes('master', 32), fields.bytes('signingSeed', 32));
  }
  const keys = fields.map('shared');
  const shared = Object.fromEntries(SHARED_KEYS.map((key) => [key, keys.bytes(key, 32)])) as unknown as SharedKeys;
  if (role === 'restore')
    return new Keyring(primitives, { role, storeId, shared, sealSecret: fields.bytes('sealSecret', 32) });
  return new Keyring(primitives, { role, storeId, shared, signingSeed: fields.bytes('signingSeed', 32) });
}
