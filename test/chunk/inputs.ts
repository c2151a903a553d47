import { createHash } from 'node:crypto';

/** Deterministic bytes of the test vectors; test/vectors/chunker.json describes them in words. */

/** Key material for a gear table: SHA-256(seed ‖ counter as u32 LE), counter from 0, concatenated to 2048 bytes. */
export function gearFromSeed(seed: string): Uint8Array {
  const blocks = Array.from({ length: 64 }, (_, counter) => {
    const tail = Buffer.alloc(4);
    tail.writeUInt32LE(counter);
    return createHash('sha256').update(seed).update(tail).digest();
  });
  return Buffer.concat(blocks);
}

/** Noise: Marsaglia's xorshift32 (shifts 13, 17, 5) from `seed`, each state as u32 LE. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = seed;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, length);
}

export interface Input {
  length: number;
  seed: number;
  /** Keep only these bits of each byte, to have few distinct ones; 255 for plain noise. */
  mask: number;
  /** A range overwritten with zeros. */
  zeros: [from: number, to: number];
}

export function makeInput({ length, seed, mask, zeros }: Input): Uint8Array<ArrayBuffer> {
  const bytes = noise(length, seed);
  if (mask !== 255) for (let i = 0; i < length; i++) bytes[i] &= mask;
  return bytes.fill(0, ...zeros);
}
