import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealError } from '../../src/crypto/errors.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import { aesGcm, nativeAvailable } from '../../src/platform/index.js';

const bytes = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 197 + (i >> 8) * 11 + seed) & 0xff);

const parts = fc.record({
  key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  associated: fc.uint8Array({ maxLength: 100 }),
  length: fc.oneof(fc.constantFrom(16_383, 16_384, 16_385, 65_536), fc.integer({ min: 0, max: 200_000 })),
  at: fc.nat(50),
});

describe('frames sealed by the OpenSSL of Node', () => {
  it('are what the portable cipher makes of them, and open to what they were', () => {
    fc.assert(
      fc.property(parts, ({ key, nonce, associated, length, at }) => {
        const plain = bytes(length, at);
        const mine = new Uint8Array(at + length + 16 + 7).fill(0x5a);
        const theirs = mine.slice();
        expect(native.aeadSealInto(key, nonce, associated, plain, mine, at)).toBe(length + 16);
        noble.aeadSealInto(key, nonce, associated, plain, theirs, at);
        expect(Buffer.compare(mine, theirs)).toBe(0);
        // In place, too, in both.
        for (const primitives of [native, noble]) {
          const own = new Uint8Array(at + length + 16 + 7).fill(0x5a);
          own.set(plain, at);
          primitives.aeadSealInto(key, nonce, associated, own.subarray(at, at + length), own, at);
          expect(Buffer.compare(own, theirs)).toBe(0);
        }
        const sealed = mine.subarray(at, at + length + 16);
        const into = new Uint8Array(length + 9).fill(0x5a);
        const opened = native.aeadOpen(key, nonce, associated, sealed, into);
        expect(Buffer.compare(opened, plain)).toBe(0);
        expect([...into.subarray(length)]).toEqual(new Array(9).fill(0x5a));
        expect(Buffer.compare(native.aeadOpen(key, nonce, associated, sealed), plain)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('do not open when a byte of them, of the key, the nonce or what is associated has changed', () => {
    const key = bytes(32, 1);
    const nonce = bytes(12, 2);
    const associated = bytes(72, 3);
    const plain = bytes(100_000, 4);
    const sealed = new Uint8Array(plain.length + 16);
    native.aeadSealInto(key, nonce, associated, plain, sealed, 0);
    for (const changed of [key, nonce, associated, sealed]) {
      for (const place of [0, changed.length >> 1, changed.length - 1]) {
        changed[place] ^= 1;
        expect(() => native.aeadOpen(key, nonce, associated, sealed, new Uint8Array(plain.length))).toThrow(SealError);
        changed[place] ^= 1;
      }
    }
    expect(() => native.aeadOpen(key, nonce, associated, sealed.subarray(0, -1))).toThrow(SealError);
    expect(Buffer.compare(native.aeadOpen(key, nonce, associated, sealed), plain)).toBe(0);
  });

  it.runIf(process.platform === 'linux' && nativeAvailable())('are made by it directly', () => {
    const cipher = aesGcm()!;
    const [key, nonce, none] = [bytes(32, 1), bytes(12, 2), new Uint8Array(0)];
    const plain = bytes(50_000, 3);
    const sealed = new Uint8Array(plain.length + 16);
    expect(cipher.seal(key, nonce, none, plain, sealed)).toBe(true);
    const nodes = createCipheriv('aes-256-gcm', key, nonce);
    expect(Buffer.compare(sealed, Buffer.concat([nodes.update(plain), nodes.final(), nodes.getAuthTag()]))).toBe(0);
    expect(cipher.open(key, nonce, none, sealed, new Uint8Array(plain.length))).toBe(true);
    sealed[7] ^= 1;
    expect(cipher.open(key, nonce, none, sealed, new Uint8Array(plain.length))).toBe(false);
    // Never past the end of what was given.
    expect(cipher.seal(key, nonce, none, plain, new Uint8Array(plain.length + 15))).toBe(false);
    expect(cipher.open(key, nonce, none, sealed, new Uint8Array(plain.length - 1))).toBe(undefined);
    expect(cipher.seal(bytes(31, 1), nonce, none, plain, sealed)).toBe(false);
  });
});
