import { createHash } from 'node:crypto';
import { createFullKeyring, type Keyring } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import type { Primitives, RandomSource } from '../../src/crypto/primitives.js';

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** Not random at all: SHA-256 of the seed and a counter, so that objects come out the same each time. */
export function fixedRandom(seed: string): RandomSource {
  let counter = 0;
  return (length) => {
    const parts: Buffer[] = [];
    for (let have = 0; have < length; have += 32) {
      parts.push(createHash('sha256').update(`${seed} ${counter++}`).digest());
    }
    return Uint8Array.from(Buffer.concat(parts).subarray(0, length));
  };
}

/** The full keyring of a store that is always the same. */
export function fixedKeyring(seed = 'store', primitives: Primitives = native): Keyring {
  return createFullKeyring(primitives, { random: fixedRandom(seed) });
}

/** A copy with one bit turned. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3] ^= 1 << (bit & 7);
  return copy;
}

/** Bits to turn in an object: every bit of its first 120 bytes and last 20, and some of each byte between. */
export function bitsOf(bytes: Uint8Array): number[] {
  const bits: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    if (i < 120 || i >= bytes.length - 20) for (let b = 0; b < 8; b++) bits.push(i * 8 + b);
    else bits.push(i * 8 + (i % 8));
  }
  return bits;
}
