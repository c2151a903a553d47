import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealError } from '../../src/crypto/errors.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import type { Primitives } from '../../src/crypto/primitives.js';
import { ascii, flipped, hex, toHex } from './support.js';

const mac = (p: Primitives, key: Uint8Array, data: Uint8Array, length = 32): string => {
  const out = new Uint8Array(length);
  p.macFunction(key)(data, 0, data.length, out, 0, length);
  return toHex(out);
};

const seal = (p: Primitives, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array => {
  const out = new Uint8Array(plain.length + 16);
  expect(p.aeadSealInto(key, nonce, aad, plain, out, 0)).toBe(out.length);
  return out;
};

for (const [name, p] of [
  ['native', native],
  ['noble', noble],
] as const) {
  describe(`${name} primitives against published vectors`, () => {
    it('SHA-256 of "abc" (FIPS 180-2)', () => {
      expect(toHex(p.sha256(ascii('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    });

    it("BLAKE3, keyed (the authors' test_vectors.json)", () => {
      const key = ascii('whats the Elvish word for friend');
      const vectors: [number, string][] = [
        [0, '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26'],
        [1, '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b'],
        [1024, '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4'],
        [1025, '357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69'],
        [31_744, 'efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419'],
        [102_400, '1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7'],
      ];
      for (const [length, keyed] of vectors) {
        const input = Uint8Array.from({ length }, (_, i) => i % 251);
        expect(mac(p, key, input)).toBe(keyed);
      }
    });

    it('HKDF-SHA-256 (RFC 5869, case 1)', () => {
      const okm = p.hkdfSha256(
        new Uint8Array(22).fill(0x0b),
        hex('000102030405060708090a0b0c'),
        hex('f0f1f2f3f4f5f6f7f8f9'),
        42,
      );
      expect(toHex(okm)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
    });

    it('AES-256-GCM (test case 16 of the GCM specification)', () => {
      const key = hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308');
      const plain = hex(
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      );
      const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
      const nonce = hex('cafebabefacedbaddecaf888');
      const sealed =
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
        '76fc6ece0f4e1768cddf8853bb2d551b';
      expect(toHex(seal(p, key, nonce, aad, plain))).toBe(sealed);
      expect(toHex(p.aeadOpen(key, nonce, aad, hex(sealed)))).toBe(toHex(plain));
    });

    it('X25519 (RFC 7748, section 6.1)', () => {
      const secret = hex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4');
      const point = hex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c');
      expect(toHex(p.x25519(secret, point))).toBe('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552');
    });

    it('Ed25519 (RFC 8032, test 3)', () => {
      const seed = hex('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7');
      const key = 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025';
      const signature =
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a';
      expect(toHex(p.ed25519Public(seed))).toBe(key);
      expect(toHex(p.ed25519Sign(seed, hex('af82')))).toBe(signature);
      expect(p.ed25519Verify(hex(key), hex('af82'), hex(signature))).toBe(true);
      expect(p.ed25519Verify(hex(key), hex('af83'), hex(signature))).toBe(false);
    });

    it('refuses an Ed25519 signature whose scalar is not reduced', () => {
      // S + L verifies under the bare equation: accepting it would give one statement two encodings.
      const seed = new Uint8Array(32).fill(7);
      const signature = p.ed25519Sign(seed, ascii('x'));
      const order = 2n ** 252n + 27742317777372353535851937790883648493n;
      let scalar = 0n;
      for (let i = 31; i >= 0; i--) scalar = (scalar << 8n) | BigInt(signature[32 + i]);
      scalar += order;
      const forged = Uint8Array.from(signature);
      for (let i = 0; i < 32; i++) forged[32 + i] = Number((scalar >> BigInt(8 * i)) & 255n);
      expect(p.ed25519Verify(p.ed25519Public(seed), ascii('x'), signature)).toBe(true);
      expect(p.ed25519Verify(p.ed25519Public(seed), ascii('x'), forged)).toBe(false);
    });

    it('Argon2id version 0x13 (a vector of the reference implementation)', async () => {
      const hash = await p.argon2id(ascii('password'), ascii('somesalt'), { memory: 256, passes: 2, lanes: 1 });
      expect(toHex(hash)).toBe('9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe');
    });

    it('refuses X25519 results that are all zero, from every public key of small order', () => {
      const smallOrder = [
        '00'.repeat(32),
        `01${'00'.repeat(31)}`,
        'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
        '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
        `ec${'ff'.repeat(30)}7f`,
        `ed${'ff'.repeat(30)}7f`,
        `ee${'ff'.repeat(30)}7f`,
      ];
      for (const key of smallOrder) expect(() => p.x25519(new Uint8Array(32).fill(9), hex(key))).toThrow(SealError);
    });

    it('opens nothing but what was sealed', () => {
      const key = new Uint8Array(32).fill(1);
      const nonce = new Uint8Array(12).fill(2);
      const aad = ascii('header');
      const sealed = seal(p, key, nonce, aad, ascii('plain'));
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        expect(() => p.aeadOpen(key, nonce, aad, flipped(sealed, bit))).toThrow(SealError);
      }
      expect(() => p.aeadOpen(key, nonce, ascii('Header'), sealed)).toThrow(SealError);
      expect(() => p.aeadOpen(key, flipped(nonce, 3), aad, sealed)).toThrow(SealError);
      expect(() => p.aeadOpen(flipped(key, 3), nonce, aad, sealed)).toThrow(SealError);
      for (let length = 0; length < sealed.length; length++) {
        expect(() => p.aeadOpen(key, nonce, aad, sealed.subarray(0, length))).toThrow(SealError);
      }
    });

    it('opens into memory that has room, and else into its own, whatever the length', () => {
      const key = new Uint8Array(32).fill(1);
      const nonce = new Uint8Array(12).fill(2);
      const aad = ascii('header');
      for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_001]) {
        const plain = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
        const sealed = seal(p, key, nonce, aad, plain);
        const own = p.aeadOpen(key, nonce, aad, sealed);
        expect(Buffer.compare(own, plain)).toBe(0);
        const roomy = new Uint8Array(length + 3).fill(0xee);
        const opened = p.aeadOpen(key, nonce, aad, sealed, roomy);
        expect(Buffer.compare(opened, plain)).toBe(0);
        expect([opened.buffer, opened.byteOffset, opened.length]).toEqual([roomy.buffer, 0, length]);
        expect([...roomy.subarray(length)]).toEqual([0xee, 0xee, 0xee]);
        if (length > 0)
          expect(Buffer.compare(p.aeadOpen(key, nonce, aad, sealed, new Uint8Array(length - 1)), plain)).toBe(0);
        expect(() => p.aeadOpen(key, nonce, aad, flipped(sealed, sealed.length * 8 - 1), roomy)).toThrow(SealError);
      }
    });

    it('draws random bytes of any length, never twice the same', () => {
      expect(p.randomBytes(0).length).toBe(0);
      expect(p.randomBytes(100_000).length).toBe(100_000);
      expect(toHex(p.randomBytes(32))).not.toBe(toHex(p.randomBytes(32)));
    });
  });
}

describe('native and noble primitives agree', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const some = fc.uint8Array({ maxLength: 200 });

  it('on hashes, MACs and derived keys', () => {
    fc.assert(
      fc.property(some, some, some, bytes(32), fc.integer({ min: 1, max: 300 }), (a, b, c, key, length) => {
        expect(toHex(noble.sha256(a))).toBe(toHex(native.sha256(a)));
        expect(mac(noble, key, b, 24)).toBe(mac(native, key, b, 24));
        expect(toHex(noble.hkdfSha256(a, b, c, length))).toBe(toHex(native.hkdfSha256(a, b, c, length)));
      }),
    );
  });

  it('on MACs of blobs of all sizes', () => {
    const data = native.randomBytes(70_000);
    const key = native.randomBytes(32);
    for (const size of [0, 1, 63, 64, 65, 1023, 1024, 1025, 16_384, 16_385, 70_000]) {
      expect(mac(native, key, data.subarray(0, size), 24)).toBe(mac(noble, key, data.subarray(0, size), 24));
    }
  });

  it('on sealed bytes, for any split of the input into steps', () => {
    for (const size of [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 200_000]) {
      const plain = native.randomBytes(size);
      const key = native.randomBytes(32);
      const nonce = native.randomBytes(12);
      const aad = native.randomBytes(72);
      const sealed = seal(native, key, nonce, aad, plain);
      expect(Buffer.compare(sealed, seal(noble, key, nonce, aad, plain))).toBe(0);
      expect(Buffer.compare(noble.aeadOpen(key, nonce, aad, sealed), plain)).toBe(0);
      expect(Buffer.compare(native.aeadOpen(key, nonce, aad, sealed), plain)).toBe(0);
    }
  });

  it('on curves', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), some, (secret, other, message) => {
        const point = native.x25519Public(other);
        expect(toHex(noble.x25519Public(other))).toBe(toHex(point));
        expect(toHex(noble.x25519(secret, point))).toBe(toHex(native.x25519(secret, point)));
        const key = native.ed25519Public(secret);
        expect(toHex(noble.ed25519Public(secret))).toBe(toHex(key));
        const signature = native.ed25519Sign(secret, message);
        expect(toHex(noble.ed25519Sign(secret, message))).toBe(toHex(signature));
        expect(noble.ed25519Verify(key, message, signature)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('on Argon2id', async () => {
    for (const cost of [
      { memory: 8, passes: 1, lanes: 1 },
      { memory: 512, passes: 3, lanes: 4 },
    ]) {
      const [a, b] = await Promise.all(
        [native, noble].map((p) => p.argon2id(ascii('correct horse'), new Uint8Array(32).fill(5), cost)),
      );
      expect(toHex(a)).toBe(toHex(b));
    }
  });
});
