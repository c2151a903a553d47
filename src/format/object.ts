import { DIRECTORY_FRAME, ObjectCipher } from '../crypto/cipher.js';
import { SignatureError } from '../crypto/errors.js';
import type { Keyring } from '../crypto/keyring.js';
import { concat, toHex } from '../crypto/octets.js';
import { type Primitives, type RandomSource, TAG_LENGTH } from '../crypto/primitives.js';
import { indexedObjectKey, objectMessageStart, sealedObjectKey } from '../crypto/schedule.js';
import { FormatError } from '../errors.js';
import { hexBytes } from './fields.js';

export { DIRECTORY_FRAME, ObjectCipher };

/** What an object is: the fifth byte of its header. */
export const ObjectKind = {
  slot: 1,
  cert: 2,
  pack: 3,
  metaPack: 4,
  index: 5,
  snapshot: 6,
  record: 7,
  tombstone: 8,
} as const;

export type ObjectKind = (typeof ObjectKind)[keyof typeof ObjectKind];

/** Version of every kind of object so far. */
export const OBJECT_VERSION = 1;

/** Clear header of every object: "BKNJ", kind, version, two zero bytes, 32 random bytes. */
export const HEADER_LENGTH = 40;

/** Clear header of what is sealed to the store: the same, then the ephemeral X25519 public key. */
export const SEALED_HEADER_LENGTH = 72;

/** Bytes of an object's name: SHA-256 of the object. */
export const NAME_LENGTH = 32;

const MAGIC = [0x42, 0x4b, 0x4e, 0x4a];
const SALT = 8;

/** Bytes of an Ed25519 public key; behind it a signature of 64, then what is signed. */
const SIGNER_LENGTH = 32;
const BODY_START = SIGNER_LENGTH + 64;

/** An object ready for the store. */
export interface SealedObject {
  /** 64 hex digits: SHA-256 of `bytes`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Randomness that tests may inject; the same bytes twice would reuse a key. */
export interface SealOptions {
  random?: RandomSource;
}

export interface ObjectHeader {
  readonly kind: ObjectKind;
  readonly version: number;
  readonly salt: Uint8Array;
}

/** An object's name: SHA-256 of its bytes, 64 lowercase hex digits. */
export function objectName(primitives: Primitives, bytes: Uint8Array): string {
  return toHex(primitives.sha256(bytes));
}

/** Throws FormatError unless `name` is the object's name: damaged, or put under a false name. */
export function checkName(primitives: Primitives, name: string, bytes: Uint8Array): void {
  if (objectName(primitives, bytes) !== name) throw new FormatError('its bytes are not those it is named by');
}

/** A new clear header of 40 bytes. */
export function makeHeader(kind: ObjectKind, random: RandomSource): Uint8Array {
  return concat(Uint8Array.of(...MAGIC, kind, OBJECT_VERSION, 0, 0), random(HEADER_LENGTH - SALT));
}

/** The clear header at the beginning of an object of one of these kinds; FormatError when there is none. */
export function parseHeader(bytes: Uint8Array, ...allowed: readonly ObjectKind[]): ObjectHeader {
  if (bytes.length < HEADER_LENGTH || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new FormatError('not an object of a backup-ninja store');
  }
  const kind = allowed.find((candidate) => candidate === bytes[4]);
  if (kind === undefined) throw new FormatError(`an object of kind ${bytes[4]} where ${allowed.join(' or ')} belongs`);
  if (bytes[5] !== OBJECT_VERSION || bytes[6] !== 0 || bytes[7] !== 0) {
    throw new FormatError(`an object of version ${bytes[5]}, which this program does not know; update it`);
  }
  return { kind, version: bytes[5], salt: bytes.subarray(SALT, HEADER_LENGTH) };
}

/**
 * Begins an object that only restore and full keys can open, under a key of its own. Any role may make one.
 * `extra` is appended to the clear header, all of which is associated data of every frame.
 */
export function createSealer(
  keyring: Keyring,
  kind: ObjectKind,
  extra: Uint8Array = new Uint8Array(0),
  random: RandomSource = keyring.primitives.randomBytes,
): { header: Uint8Array; cipher: ObjectCipher } {
  const { primitives, storeId, shared } = keyring;
  const start = makeHeader(kind, random);
  const secret = random(32);
  const ephemeral = primitives.x25519Public(secret);
  const header = concat(start, ephemeral, extra);
  const pair = { secret, public: shared.sealPublic };
  const key = sealedObjectKey(primitives, pair, shared.pepper, storeId, kind, start.subarray(SALT), ephemeral);
  return { header, cipher: new ObjectCipher(primitives, key, header) };
}

/**
 * Opens what `createSealer` began: `header` is the whole clear header, with its extra bytes, of one of these kinds.
 * Throws UserError (exit 12) for a backup key, FormatError for a header that is none.
 */
export function openSeal(keyring: Keyring, header: Uint8Array, ...allowed: readonly ObjectKind[]): ObjectCipher {
  const { primitives, storeId, shared } = keyring;
  const { kind, salt } = parseHeader(header, ...allowed);
  if (header.length < SEALED_HEADER_LENGTH) throw new FormatError('cut in its header');
  const ephemeral = header.subarray(HEADER_LENGTH, SEALED_HEADER_LENGTH);
  const pair = { secret: keyring.sealSecret(), public: ephemeral };
  const key = sealedObjectKey(primitives, pair, shared.pepper, storeId, kind, salt, ephemeral);
  return new ObjectCipher(primitives, key, header);
}

/** A body and the key that signed it. Whether that key may is for `Trust` to say. */
export interface SignedBody {
  /** Public key, 64 hex digits. */
  readonly signer: string;
  readonly body: Uint8Array;
}

/** An object that every role can open, signed by this keyring (or by the root key): index, record, tombstone, cert. */
export function sealSigned(
  keyring: Keyring,
  kind: ObjectKind,
  body: Uint8Array,
  options: SealOptions & { asRoot?: boolean } = {},
): SealedObject {
  const header = makeHeader(kind, options.random ?? keyring.primitives.randomBytes);
  const bytes = sealSection(keyring, header, body, options.asRoot ?? false, HEADER_LENGTH);
  bytes.set(header);
  return { name: objectName(keyring.primitives, bytes), bytes };
}

/**
 * The body and signer of such an object. Throws FormatError when it is no such object, SealError when it does not open
 * under this store's index key, SignatureError when it opens but its signature is wrong.
 */
export function openSigned(keyring: Keyring, kind: ObjectKind, bytes: Uint8Array): SignedBody {
  parseHeader(bytes, kind);
  return openSection(keyring, bytes.subarray(0, HEADER_LENGTH), bytes.subarray(HEADER_LENGTH));
}

/**
 * Signs a body and seals it under the index key; `header` is the object's whole clear header.
 *
 * What is sealed has a fixed layout (signer, signature, body) with no room for anything else: were there any, a holder
 * of the index key could put a forgotten snapshot back under another name, with its signature still good.
 * @param room bytes to leave free in front of it
 */
export function sealSection(
  keyring: Keyring,
  header: Uint8Array,
  body: Uint8Array,
  asRoot: boolean,
  room = 0,
): Uint8Array {
  const start = objectMessageStart(keyring.storeId, header);
  // An index has many megabytes. So its body is laid down once, for what is signed and then for what is sealed.
  const bodyAt = Math.max(start.length, room + BODY_START);
  const end = bodyAt + body.length;
  const bytes = new Uint8Array(end + TAG_LENGTH);
  bytes.set(body, bodyAt);
  bytes.set(start, bodyAt - start.length);
  const message = bytes.subarray(bodyAt - start.length, end);
  const signature = asRoot ? keyring.signAsRoot(message) : keyring.sign(message);
  const signer = asRoot ? keyring.shared.rootPublic : hexBytes(keyring.signer(), SIGNER_LENGTH);
  const section = bodyAt - BODY_START;
  bytes.set(signer, section);
  bytes.set(signature, section + SIGNER_LENGTH);
  sectionCipher(keyring, header).sealInto(0, bytes.subarray(section, end), bytes, section);
  return bytes.subarray(section - room);
}

/** Opens what `sealSection` made, and checks the signature. */
export function openSection(keyring: Keyring, header: Uint8Array, sealed: Uint8Array): SignedBody {
  const signed = sectionCipher(keyring, header).open(0, sealed);
  if (signed.length < BODY_START) throw new FormatError('a signed object without a signature');
  const signer = signed.subarray(0, SIGNER_LENGTH);
  const body = signed.subarray(BODY_START);
  const message = concat(objectMessageStart(keyring.storeId, header), body);
  if (!keyring.primitives.ed25519Verify(signer, message, signed.subarray(SIGNER_LENGTH, BODY_START))) {
    throw new SignatureError('its signature is not that of the key it names');
  }
  return { signer: toHex(signer), body };
}

function sectionCipher(keyring: Keyring, header: Uint8Array): ObjectCipher {
  const { primitives, shared, storeId } = keyring;
  const key = indexedObjectKey(primitives, shared.index, storeId, header[4], header.subarray(SALT, HEADER_LENGTH));
  return new ObjectCipher(primitives, key, header);
}
