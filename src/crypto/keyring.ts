import { ExitCode, UserError } from '../errors.js';
import { toHex } from './octets.js';
import type { Primitives, RandomSource } from './primitives.js';
import { deriveKeys, gearTable, type SharedKeys, STORE_ID_LENGTH } from './schedule.js';

/** What a slot lets its owner do: everything; read everything; add backups without reading any. */
export type Role = 'full' | 'restore' | 'backup';

/** Blobs of file content, of listings, and of chunk lists: their ids come from separate keys. */
export type BlobKind = 'data' | 'listing' | 'chunk-list';

/** Everything a keyring holds, as plain values: for slots, and for worker threads. Secret. */
export interface KeyringData {
  readonly role: Role;
  readonly storeId: Uint8Array;
  readonly shared: SharedKeys;
  /** full and restore */
  readonly sealSecret?: Uint8Array;
  /** full */
  readonly master?: Uint8Array;
  readonly rootSeed?: Uint8Array;
  /** full and backup: seed of the slot's own Ed25519 key */
  readonly signingSeed?: Uint8Array;
}

/**
 * The keys that an opened slot gives, and nothing it does not: what a role lacks is absent, not merely forbidden, and
 * asking for it throws UserError (exit 12).
 */
export class Keyring {
  readonly primitives: Primitives;
  readonly role: Role;
  /** 16 bytes. */
  readonly storeId: Uint8Array;
  readonly shared: SharedKeys;
  readonly #data: KeyringData;
  readonly #signer: string | undefined;

  constructor(primitives: Primitives, data: KeyringData) {
    this.primitives = primitives;
    this.role = data.role;
    this.storeId = data.storeId;
    this.shared = data.shared;
    this.#data = data;
    this.#signer = data.signingSeed === undefined ? undefined : toHex(primitives.ed25519Public(data.signingSeed));
  }

  /** Whether it opens data, listings and snapshot bodies. */
  get canRead(): boolean {
    return this.#data.sealSecret !== undefined;
  }

  /** Whether it may add objects. */
  get canWrite(): boolean {
    return this.#data.signingSeed !== undefined;
  }

  /** Whether it holds the master secret, and so may forget, certify and make keys. */
  get isFull(): boolean {
    return this.#data.master !== undefined;
  }

  /** The store's id as 32 hex digits. */
  get storeIdHex(): string {
    return toHex(this.storeId);
  }

  /** BLAKE3 key of a kind of blob ids, 32 bytes. */
  idKey(kind: BlobKind): Uint8Array {
    if (kind === 'data') return this.shared.dataId;
    return kind === 'listing' ? this.shared.listingId : this.shared.chunkListId;
  }

  /** The chunker's gear table: 2048 bytes, 256 little-endian words. */
  gearBytes(): Uint8Array {
    return gearTable(this.primitives, this.shared.chunker, this.storeId);
  }

  /** X25519 secret key, 32 bytes. Restore and full only. */
  sealSecret(): Uint8Array {
    return this.#data.sealSecret ?? this.#refuse('may only add backups; reading them', 'full or restore');
  }

  /** Master secret, 32 bytes. Full only. */
  master(): Uint8Array {
    return this.#data.master ?? this.#refuse(`is a ${this.role} key; this`, 'full');
  }

  /** The public key that this slot signs with, as 64 hex digits. Backup and full only. */
  signer(): string {
    return this.#signer ?? this.#refuse('may only read; writing', 'full or backup');
  }

  /** Ed25519 signature of the slot's own key, 64 bytes. Backup and full only. */
  sign(message: Uint8Array): Uint8Array {
    const seed = this.#data.signingSeed ?? this.#refuse('may only read; writing', 'full or backup');
    return this.primitives.ed25519Sign(seed, message);
  }

  /** Ed25519 signature of the root key, 64 bytes. Full only. */
  signAsRoot(message: Uint8Array): Uint8Array {
    const seed = this.#data.rootSeed ?? this.#refuse(`is a ${this.role} key; this`, 'full');
    return this.primitives.ed25519Sign(seed, message);
  }

  /** Throws UserError (exit 12) naming what is being tried unless this is a full key: `'prune' needs the full key`. */
  requireFull(what: string): void {
    if (!this.isFull) this.#refuse(`is a ${this.role} key; ${what}`, 'full');
  }

  /** Throws UserError (exit 12) unless this key opens data: for `what`, as in `'find' needs …`. */
  requireRead(what: string): void {
    if (!this.canRead) this.#refuse(`may only add backups; ${what}`, 'full or restore');
  }

  /** Throws UserError (exit 12) unless this key may add objects. */
  requireWrite(what: string): void {
    if (!this.canWrite) this.#refuse(`may only read; ${what}`, 'full or backup');
  }

  /** Plain values, for a slot or a worker thread; `importKeyring` is the way back. Secret. */
  toData(): KeyringData {
    return { ...this.#data };
  }

  #refuse(may: string, needs: string): never {
    throw new UserError(ExitCode.wrongKey, `this key ${may} needs a ${needs} key; use one with --config or key_path`);
  }
}

/** The keyring whose `toData` gave these values. */
export function importKeyring(primitives: Primitives, data: KeyringData): Keyring {
  return new Keyring(primitives, data);
}

/** What may be given instead of being drawn at random. */
export interface NewKeys {
  storeId?: Uint8Array;
  master?: Uint8Array;
  signingSeed?: Uint8Array;
  random?: RandomSource;
}

/** The keys of a new store: master, store id and the first full slot's signing key, each random unless given. */
export function createFullKeyring(primitives: Primitives, given: NewKeys = {}): Keyring {
  const random = given.random ?? primitives.randomBytes;
  const storeId = given.storeId ?? random(STORE_ID_LENGTH);
  const master = given.master ?? random(32);
  return fullKeyring(primitives, storeId, master, given.signingSeed ?? random(32));
}

/** The full keyring of a known master. */
export function fullKeyring(
  primitives: Primitives,
  storeId: Uint8Array,
  master: Uint8Array,
  signingSeed: Uint8Array,
): Keyring {
  return new Keyring(primitives, {
    role: 'full',
    storeId,
    master,
    signingSeed,
    ...deriveKeys(primitives, master, storeId),
  });
}

/**
 * A keyring for another slot of the same store, holding what `role` may have and a signing key of its own (none for
 * restore), which needs a certificate before it counts. Throws UserError (exit 12) unless `full` is a full one.
 */
export function keyringForRole(full: Keyring, role: Role, random: RandomSource = full.primitives.randomBytes): Keyring {
  const { primitives, storeId, shared } = full;
  const master = full.master();
  if (role === 'full') return fullKeyring(primitives, storeId, master, random(32));
  if (role === 'restore') return new Keyring(primitives, { role, storeId, shared, sealSecret: full.sealSecret() });
  return new Keyring(primitives, { role, storeId, shared, signingSeed: random(32) });
}
