/**
 * The ciphers everything else is made of. Two sets exist with equal results: `native` on node:crypto, and `noble` in
 * pure JavaScript for the portable reader. Nothing outside src/crypto chooses an algorithm.
 */
export interface Primitives {
  /** SHA-256: 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** HKDF with SHA-256 (RFC 5869), extract and expand; up to 8,160 bytes. */
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** BLAKE3 in its keyed mode (specification 2.3) under one key of 32 bytes, made for many calls. */
  macFunction(key: Uint8Array): MacFunction;
  /**
   * AES-256-GCM: writes ciphertext and 16-byte tag to `out` from `at` on, and returns how many bytes that was
   * (plaintext + 16). `plaintext` may lie in `out`, but then from `at` on.
   */
  aeadSealInto(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
    at: number,
  ): number;
  /**
   * The plaintext of ciphertext ‖ tag, at the beginning of `into`, which must not overlap `sealed`; without `into`, or
   * where it is too short, in a buffer of its own. Throws SealError when the tag does not fit: `into` holds rubbish then.
   */
  aeadOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    sealed: Uint8Array,
    into?: Uint8Array,
  ): Uint8Array;
  /** X25519 (RFC 7748). Throws SealError for an all-zero result (a public key of small order). */
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
  x25519Public(secretKey: Uint8Array): Uint8Array;
  /** Ed25519 (RFC 8032): public key of a 32-byte seed, 64-byte signature, verification without cofactor. */
  ed25519Public(seed: Uint8Array): Uint8Array;
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** Argon2id (RFC 9106), version 0x13: 32 bytes. */
  argon2id(password: Uint8Array, salt: Uint8Array, cost: Argon2Cost): Promise<Uint8Array>;
  /** Bytes from the system's random source. */
  randomBytes(length: number): Uint8Array;
}

/** Writes the keyed hash of data[start, end), cut to its first `length` (at most 32) bytes, to `out` from `at` on. */
export type MacFunction = (
  data: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  length: number,
) => void;

/** What one Argon2id run takes. */
export interface Argon2Cost {
  /** KiB of memory. */
  memory: number;
  passes: number;
  lanes: number;
}

/** A source of random bytes; tests inject one that is not random. */
export type RandomSource = (length: number) => Uint8Array;

/** Bytes that sealing adds: the GCM tag. */
export const TAG_LENGTH = 16;
