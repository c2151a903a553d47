import { describe, expect, it } from 'vitest';
import { keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { FormatError } from '../../src/errors.js';
import { encode } from '../../src/format/cbor.js';
import type { Codec } from '../../src/format/codec.js';
import { openIndex, type StoreIndex, sealIndex } from '../../src/format/index-object.js';
import { ObjectKind, sealSigned } from '../../src/format/object.js';
import * as zstd from '../../src/format/zstd.js';
import { bitsOf, fixedKeyring, flipped, toHex } from '../crypto/support.js';

const full = fixedKeyring();
const backup = keyringForRole(full, 'backup');

function pack(n: number): StoreIndex['packs'][number] {
  return {
    name: toHex(native.sha256(Uint8Array.of(n))),
    size: 20_000_000 + n,
    kind: n % 2 === 0 ? 'data' : 'meta',
    run: '11'.repeat(16),
    writer: backup.signer(),
    opened: n === 1,
    directory: new Uint8Array(300).fill(n),
  };
}

const index: StoreIndex = { packs: [pack(0), pack(1), pack(2)], supersedes: ['ef'.repeat(32)] };

describe('index', () => {
  it('gives back its rows to any role, compressed where that helps', () => {
    const { bytes } = sealIndex(backup, index, zstd);
    expect(bytes.length).toBeLessThan(900);
    for (const keyring of [full, backup, keyringForRole(full, 'restore')]) {
      expect(openIndex(keyring, bytes, zstd)).toEqual({ index, signer: backup.signer() });
    }
    const store: Codec = { compress: (plain) => plain, decompress: () => expect.unreachable() };
    expect(openIndex(full, sealIndex(full, index, store).bytes, store).index).toEqual(index);
  });

  it('may be empty', () => {
    const empty = { packs: [], supersedes: [] };
    expect(openIndex(full, sealIndex(full, empty, zstd).bytes, zstd).index).toEqual(empty);
  });

  it('refuses every turned bit', () => {
    const { bytes } = sealIndex(backup, index, zstd);
    for (const bit of bitsOf(bytes)) {
      expect(() => openIndex(full, flipped(bytes, bit), zstd), `bit ${bit}`).toThrow(FormatError);
    }
  });

  it('refuses rows that are none, and a pack named twice', () => {
    const bad: StoreIndex[] = [
      { packs: [pack(1), pack(1)], supersedes: [] },
      { packs: [{ ...pack(1), kind: 'other' as 'data' }], supersedes: [] },
      { packs: [{ ...pack(1), size: -1 }], supersedes: [] },
    ];
    for (const index of bad)
      expect(() => openIndex(full, sealIndex(full, index, zstd).bytes, zstd)).toThrow(FormatError);
  });

  it('takes no memory for a length that nobody writes, and refuses a false one', () => {
    const compressed = zstd.compress(new Uint8Array(1000));
    const huge = sealSigned(full, ObjectKind.index, encode({ length: 2 ** 40, zstd: compressed }));
    expect(() => openIndex(full, huge.bytes, zstd)).toThrow(FormatError);
    for (const length of [0, 999, 1001]) {
      const wrong = sealSigned(full, ObjectKind.index, encode({ length, zstd: compressed }));
      expect(() => openIndex(full, wrong.bytes, zstd)).toThrow(FormatError);
    }
  });
});
