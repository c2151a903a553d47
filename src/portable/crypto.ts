import { gcm } from '@noble/ciphers/aes.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { blake3 } from '@noble/hashes/blake3.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, join, utf8 } from './bytes.js';
import { damaged } from './errors.js';

/** The key schedule and the envelope of FORMAT.md, sections Keys and Encodings. */
const P = 'backup-ninja/1 ';
const ID_LENGTH = 24;

export type Role = 'full' | 'restore' | 'backup';
export type BlobKind = 'data' | 'listing' | 'chunk-list';

/** What reading needs. */
export interface Keys {
  storeId: Uint8Array;
  ids: Record<BlobKind, Uint8Array>;
  index: Uint8Array;
  pepper: Uint8Array;
  sealSecret: Uint8Array;
  sealPublic: Uint8Array;
  rootPublic: Uint8Array;
}

/** Kinds of objects: the fifth byte of their headers. */
export const Kind = {
  slot: 1,
  cert: 2,
  dataPack: 3,
  metaPack: 4,
  index: 5,
  snapshot: 6,
  record: 7,
} as const;

export const HEADER = 40;
export const SEALED_HEADER = 72;
const TAG = 16;
const DIRECTORY = -1;

/** Everything that follows from a store's master secret. */
export function keysOfMaster(master: Uint8Array, storeId: Uint8Array): Keys {
  const derive = (label: string) => hkdf(sha256, master, storeId, utf8(P + label), 32);
  const sealSecret = derive('sealing key');
  return {
    storeId,
    ids: { data: derive('data id'), listing: derive('listing id'), 'chunk-list': derive('chunk list id') },
    index: derive('index'),
    pepper: derive('pepper'),
    sealSecret,
    sealPublic: x25519.getPublicKey(sealSecret),
    rootPublic: ed25519.getPublicKey(derive('root signing key')),
  };
}

/** The key that a slot's payload is sealed with. */
export function wrappingKey(secret: Uint8Array, salt: Uint8Array, storeId: Uint8Array, method: string): Uint8Array {
  return hkdf(sha256, secret, salt, join(utf8(`${P}slot\0`), storeId, utf8(method)), 32);
}

/** SHA-256 in hex digits: what an object is named by. */
export function nameOf(bytes: Uint8Array): string {
  return hex(sha256(bytes));
}

export { sha256 };

/** Checks an object's clear header and returns its kind. */
export function checkHeader(bytes: Uint8Array, ...kinds: readonly number[]): number {
  const magic = bytes.length >= HEADER && String.fromCharCode(...bytes.subarray(0, 4)) === 'BKNJ';
  if (!magic) throw damaged('not an object of a store');
  if (!kinds.includes(bytes[4])) throw damaged(`an object of kind ${bytes[4]}, which does not belong there`);
  if (bytes[5] !== 1 || bytes[6] !== 0 || bytes[7] !== 0)
    throw damaged(`an object of version ${bytes[5]}: a newer reader is needed`);
  return bytes[4];
}

/** A frame of an object, opened. `associated` is its whole clear header. */
export function open(key: Uint8Array, frame: number, associated: Uint8Array, sealed: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  if (frame === DIRECTORY) nonce.fill(0xff);
  else new DataView(nonce.buffer).setUint32(8, frame);
  if (sealed.length < TAG) throw damaged('cut');
  try {
    return gcm(key, nonce, associated).decrypt(sealed);
  } catch {
    throw damaged('does not open: changed, or sealed with another key');
  }
}

/** The directory of a pack, opened. */
export function openDirectory(key: Uint8Array, header: Uint8Array, sealed: Uint8Array): Uint8Array {
  return open(key, DIRECTORY, header, sealed);
}

/** The key of an object that is sealed to the store; `header` is its clear header of 72 bytes. */
export function sealedKey(keys: Keys, header: Uint8Array): Uint8Array {
  const ephemeral = header.subarray(HEADER, SEALED_HEADER);
  let shared: Uint8Array;
  try {
    shared = x25519.getSharedSecret(keys.sealSecret, ephemeral);
  } catch {
    throw damaged('sealed with a key of small order');
  }
  const info = join(utf8(`${P}sealed object\0`), keys.storeId, header.subarray(4, 5), ephemeral);
  return hkdf(sha256, join(shared, keys.pepper), header.subarray(8, HEADER), info, 32);
}

/** A body, and the public key (hex) that signed it. */
export interface Signed {
  signer: string;
  body: Uint8Array;
}

/** A signed section, opened and its signature checked; `header` is the object's whole clear header. */
export function openSigned(keys: Keys, header: Uint8Array, sealed: Uint8Array): Signed {
  const info = join(utf8(`${P}indexed object\0`), keys.storeId, header.subarray(4, 5));
  const key = hkdf(sha256, keys.index, header.subarray(8, HEADER), info, 32);
  const signed = open(key, 0, header, sealed);
  if (signed.length < 96) throw damaged('not signed');
  const signer = signed.subarray(0, 32);
  const body = signed.subarray(96);
  const message = join(utf8(`${P}object signature\0`), keys.storeId, header, body);
  if (!verify(signer, message, signed.subarray(32, 96))) throw damaged('its signature is wrong');
  return { signer: hex(signer), body };
}

/** Whether the root key signed this CBOR of config.json. */
export function isConfigSigned(keys: Keys, cbor: Uint8Array, signature: Uint8Array): boolean {
  return verify(keys.rootPublic, join(utf8(`${P}config signature\0`), keys.storeId, cbor), signature);
}

function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

/** Makes the function that tells a blob's id. */
export function blobIdOf(keys: Keys, kind: BlobKind): (blob: Uint8Array) => Uint8Array {
  const key = keys.ids[kind];
  return (blob) => blake3(blob, { key, dkLen: ID_LENGTH });
}
