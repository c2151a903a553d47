import { concat, utf8 } from './octets.js';
import type { Primitives } from './primitives.js';

/**
 * The key schedule: every key of a store, from its master secret. HKDF-SHA-256 throughout, one label per use, so that
 * no key ever serves two purposes. FORMAT.md lists the labels; changing one makes another format.
 */
const PREFIX = 'backup-ninja/1 ';

/** Bytes of a store's id: public, random, chosen at init. */
export const STORE_ID_LENGTH = 16;

/** Bytes of the gear table that the chunker derives from its secret: 256 entries of 64 bits. */
export const GEAR_BYTES = 2048;

/** What every role holds: enough to recognise blobs, cut as others cut, read indexes, and seal to the store. */
export interface SharedKeys {
  /** BLAKE3 keys of the three kinds of blob ids. */
  readonly dataId: Uint8Array;
  readonly listingId: Uint8Array;
  readonly chunkListId: Uint8Array;
  /** Gear table of the chunker. */
  readonly chunker: Uint8Array;
  /** Decides by path where listings are cut into segments. */
  readonly listingCut: Uint8Array;
  /** Ids of hard-link groups. */
  readonly hardlink: Uint8Array;
  /** Opens indexes, records, tombstones, certificates and snapshot headers. */
  readonly index: Uint8Array;
  /** Goes into the key of everything sealed, beside the X25519 result. */
  readonly pepper: Uint8Array;
  /** X25519 public key that packs and snapshot bodies are sealed to. */
  readonly sealPublic: Uint8Array;
  /** Ed25519 public key that certifies signers and signs config.json. */
  readonly rootPublic: Uint8Array;
}

/** All that follows from a master secret. */
export interface DerivedKeys {
  readonly shared: SharedKeys;
  /** X25519 secret key: opens what is sealed to the store. */
  readonly sealSecret: Uint8Array;
  /** Ed25519 seed of the root signing key. */
  readonly rootSeed: Uint8Array;
}

/** The keys of the store `storeId` under this master (32 bytes each). */
export function deriveKeys(primitives: Primitives, master: Uint8Array, storeId: Uint8Array): DerivedKeys {
  const key = (label: string) => primitives.hkdfSha256(master, storeId, utf8(PREFIX + label), 32);
  const sealSecret = key('sealing key');
  const rootSeed = key('root signing key');
  return {
    shared: {
      dataId: key('data id'),
      listingId: key('listing id'),
      chunkListId: key('chunk list id'),
      chunker: key('chunker'),
      listingCut: key('listing cut'),
      hardlink: key('hard link'),
      index: key('index'),
      pepper: key('pepper'),
      sealPublic: primitives.x25519Public(sealSecret),
      rootPublic: primitives.ed25519Public(rootSeed),
    },
    sealSecret,
    rootSeed,
  };
}

/** The chunker's gear table as bytes: 256 little-endian words of 64 bits. */
export function gearTable(primitives: Primitives, chunker: Uint8Array, storeId: Uint8Array): Uint8Array {
  return primitives.hkdfSha256(chunker, storeId, utf8(`${PREFIX}gear table`), GEAR_BYTES);
}

/** Key of one object that whoever holds the index key may open; `salt` is the object's own. */
export function indexedObjectKey(
  primitives: Primitives,
  index: Uint8Array,
  storeId: Uint8Array,
  kind: number,
  salt: Uint8Array,
): Uint8Array {
  return objectKey(primitives, index, 'indexed object', storeId, kind, salt, new Uint8Array(0));
}

/**
 * Key of one object sealed to the store. Its writer gives the ephemeral secret and the store's public key, its reader
 * the store's secret and the ephemeral public key. Throws SealError when the X25519 result is zero.
 */
export function sealedObjectKey(
  primitives: Primitives,
  pair: { secret: Uint8Array; public: Uint8Array },
  pepper: Uint8Array,
  storeId: Uint8Array,
  kind: number,
  salt: Uint8Array,
  ephemeral: Uint8Array,
): Uint8Array {
  const secret = concat(primitives.x25519(pair.secret, pair.public), pepper);
  return objectKey(primitives, secret, 'sealed object', storeId, kind, salt, ephemeral);
}

function objectKey(
  primitives: Primitives,
  secret: Uint8Array,
  label: string,
  storeId: Uint8Array,
  kind: number,
  salt: Uint8Array,
  ephemeral: Uint8Array,
): Uint8Array {
  const info = concat(utf8(PREFIX + label), Uint8Array.of(0), storeId, Uint8Array.of(kind), ephemeral);
  return primitives.hkdfSha256(secret, salt, info, 32);
}

/** Key that wraps what a slot holds, from what its owner has (key file, Argon2id result or recovery key). */
export function slotKey(
  primitives: Primitives,
  secret: Uint8Array,
  salt: Uint8Array,
  storeId: Uint8Array,
  method: string,
): Uint8Array {
  const info = concat(utf8(`${PREFIX}slot`), Uint8Array.of(0), storeId, utf8(method));
  return primitives.hkdfSha256(secret, salt, info, 32);
}

/** What an Ed25519 key signs of an object is this and then the body: its clear header is bound to both, and to this store. */
export function objectMessageStart(storeId: Uint8Array, header: Uint8Array): Uint8Array {
  return concat(utf8(`${PREFIX}object signature`), Uint8Array.of(0), storeId, header);
}

/** What the root key signs of config.json. */
export function configMessage(storeId: Uint8Array, body: Uint8Array): Uint8Array {
  return concat(utf8(`${PREFIX}config signature`), Uint8Array.of(0), storeId, body);
}
