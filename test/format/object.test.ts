import { describe, expect, it } from 'vitest';
import { SealError, SignatureError } from '../../src/crypto/errors.js';
import { createFullKeyring, importKeyring, keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import { concat } from '../../src/crypto/octets.js';
import type { Primitives } from '../../src/crypto/primitives.js';
import { ExitCode, FormatError } from '../../src/errors.js';
import {
  checkName,
  createSealer,
  DIRECTORY_FRAME,
  ObjectKind,
  objectName,
  openSeal,
  openSigned,
  parseHeader,
  SEALED_HEADER_LENGTH,
  sealSection,
  sealSigned,
} from '../../src/format/object.js';
import { ascii, bitsOf, fixedKeyring, fixedRandom, flipped, hex, toHex } from '../crypto/support.js';

const full = fixedKeyring();
const backup = keyringForRole(full, 'backup', fixedRandom('backup'));
const restore = keyringForRole(full, 'restore');
const otherStore = createFullKeyring(native, { master: full.master(), signingSeed: full.toData().signingSeed });

describe('what is sealed to the store', () => {
  it('is made by any role and opened by restore and full keys only', () => {
    for (const writer of [full, backup, restore]) {
      const { header, cipher } = createSealer(writer, ObjectKind.pack, ascii('extra'));
      expect(header.length).toBe(SEALED_HEADER_LENGTH + 5);
      const sealed = cipher.seal(3, ascii('frame'));
      for (const reader of [full, restore, importKeyring(noble, restore.toData())]) {
        expect(toHex(openSeal(reader, header, ObjectKind.pack).open(3, sealed))).toBe(toHex(ascii('frame')));
      }
      expect(() => openSeal(backup, header, ObjectKind.pack)).toThrow(
        expect.objectContaining({ exit: ExitCode.wrongKey }),
      );
    }
  });

  it('has its own key each time', () => {
    const sealed = [1, 2].map(() => toHex(createSealer(full, ObjectKind.pack).cipher.seal(0, new Uint8Array(64))));
    expect(sealed[0]).not.toBe(sealed[1]);
  });

  it('opens under its own header, frame number, kind and store only', () => {
    const { header, cipher } = createSealer(full, ObjectKind.pack, ascii('x'));
    const sealed = cipher.seal(0, ascii('frame'));
    const both = [ObjectKind.pack, ObjectKind.metaPack];
    for (let bit = 0; bit < header.length * 8; bit++) {
      expect(() => openSeal(full, flipped(header, bit), ...both).open(0, sealed), `bit ${bit}`).toThrow(FormatError);
    }
    const right = openSeal(full, header, ...both);
    expect(() => right.open(1, sealed)).toThrow(SealError);
    expect(() => right.open(DIRECTORY_FRAME, sealed)).toThrow(SealError);
    expect(() => openSeal(otherStore, header, ...both).open(0, sealed)).toThrow(SealError);
    expect(() => openSeal(full, header, ObjectKind.metaPack)).toThrow(FormatError);
    expect(() => openSeal(full, header.subarray(0, 71), ...both)).toThrow(FormatError);
  });

  it('has no key that the X25519 secret gives without the pepper', () => {
    const { header, cipher } = createSealer(full, ObjectKind.pack);
    const data = restore.toData();
    const noPepper = importKeyring(native, { ...data, shared: { ...data.shared, pepper: new Uint8Array(32) } });
    expect(() => openSeal(noPepper, header, ObjectKind.pack).open(0, cipher.seal(0, ascii('x')))).toThrow(SealError);
  });

  it('refuses a header with an ephemeral key of small order', () => {
    const { header } = createSealer(full, ObjectKind.pack);
    for (const key of [new Uint8Array(32), hex(`01${'00'.repeat(31)}`)]) {
      const bad = concat(header.subarray(0, 40), key);
      expect(() => openSeal(full, bad, ObjectKind.pack)).toThrow(SealError);
    }
  });

  it('numbers nonces as 12 big-endian bytes, all ones for the directory', () => {
    const key = new Uint8Array(32);
    const seen: string[] = [];
    const spy = {
      ...native,
      aeadOpen: (_: Uint8Array, nonce: Uint8Array) => {
        seen.push(toHex(nonce));
        return key;
      },
    };
    const { header } = createSealer(full, ObjectKind.pack);
    const cipher = openSeal(importKeyring(spy, full.toData()), header, ObjectKind.pack);
    for (const frame of [0, 1, 0xfffffffe, 2 ** 32 + 5, DIRECTORY_FRAME]) cipher.open(frame, key);
    expect(seen).toEqual([
      '000000000000000000000000',
      '000000000000000000000001',
      '0000000000000000fffffffe',
      '000000000000000100000005',
      'ffffffffffffffffffffffff',
    ]);
    for (const frame of [-2, 0.5, 2 ** 53]) expect(() => cipher.open(frame, key)).toThrow(RangeError);
  });

  it('seals into a buffer of the caller', () => {
    const { header, cipher } = createSealer(full, ObjectKind.pack);
    const out = new Uint8Array(100);
    expect(cipher.sealInto(0, ascii('frame'), out, 30)).toBe(21);
    expect(toHex(openSeal(full, header, ObjectKind.pack).open(0, out.subarray(30, 51)))).toBe(toHex(ascii('frame')));
    expect(out.subarray(0, 30).every((b) => b === 0) && out.subarray(51).every((b) => b === 0)).toBe(true);
  });
});

describe('signed objects', () => {
  const body = ascii('the body of a record, long enough to be cut and turned');
  const { bytes, name } = sealSigned(backup, ObjectKind.record, body, { random: fixedRandom('object') });

  it('open with any role, and tell who signed', () => {
    for (const keyring of [full, restore, backup, importKeyring(noble, backup.toData())]) {
      const opened = openSigned(keyring, ObjectKind.record, bytes);
      expect(opened.signer).toBe(backup.signer());
      expect(toHex(opened.body)).toBe(toHex(body));
    }
  });

  it('are the same from either implementation, of any length', () => {
    for (const length of [0, 1, 16_383, 70_000, 300_000]) {
      const long = Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff);
      const made = [native, noble].map((primitives) =>
        sealSigned(importKeyring(primitives, backup.toData()), ObjectKind.index, long, { random: fixedRandom('long') }),
      );
      expect(made[0].name).toBe(made[1].name);
      expect(made[0].bytes.length).toBe(40 + 32 + 64 + length + 16);
      expect(Buffer.compare(openSigned(full, ObjectKind.index, made[0].bytes).body, long)).toBe(0);
    }
  });

  it('are not made by a restore key', () => {
    expect(() => sealSigned(restore, ObjectKind.record, body)).toThrow(
      expect.objectContaining({ exit: ExitCode.wrongKey }),
    );
    expect(() => sealSigned(backup, ObjectKind.cert, body, { asRoot: true })).toThrow(
      expect.objectContaining({ exit: ExitCode.wrongKey }),
    );
  });

  it('refuse every turned bit, every cut and anything appended', () => {
    for (const bit of bitsOf(bytes)) {
      expect(() => openSigned(full, ObjectKind.record, flipped(bytes, bit)), `bit ${bit}`).toThrow(FormatError);
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => openSigned(full, ObjectKind.record, bytes.subarray(0, length))).toThrow(FormatError);
    }
    expect(() => openSigned(full, ObjectKind.record, concat(bytes, Uint8Array.of(0)))).toThrow(SealError);
  });

  it('refuse another kind, even with the kind in the header changed', () => {
    expect(() => openSigned(full, ObjectKind.tombstone, bytes)).toThrow(FormatError);
    const relabelled = Uint8Array.from(bytes);
    relabelled[4] = ObjectKind.tombstone;
    expect(() => openSigned(full, ObjectKind.tombstone, relabelled)).toThrow(SealError);
  });

  it('refuse another store, under the same master too', () => {
    expect(() => openSigned(otherStore, ObjectKind.record, bytes)).toThrow(SealError);
    // With the right index key even: the store id is in every object's key.
    const data = full.toData();
    const confused = importKeyring(native, { ...otherStore.toData(), shared: data.shared });
    expect(() => openSigned(confused, ObjectKind.record, bytes)).toThrow(SealError);
  });

  it('show a signature that is not its signer’s as such', () => {
    // Whoever holds the index key can seal, but not sign for another.
    const header = bytes.subarray(0, 40);
    const forger = importKeyring({ ...native, ed25519Sign: () => new Uint8Array(64).fill(1) }, backup.toData());
    const forged = concat(header, sealSection(forger, header, body, false));
    expect(() => openSigned(full, ObjectKind.record, forged)).toThrow(SignatureError);
  });

  it('do not lend their signature to another header or body', () => {
    const { message } = signedPart(bytes);
    const header = bytes.subarray(0, 40);
    expect(toHex(message)).toContain(toHex(full.storeId) + toHex(header) + toHex(body));
  });

  it('have one encoding only: nothing can be added to what is sealed', () => {
    // A second encoding of one signed statement would be an object of another name with a good signature, and would
    // bring back what was forgotten by name.
    const again = sealSigned(backup, ObjectKind.record, body, { random: fixedRandom('object') });
    expect(again.name).toBe(name);
    const other = sealSigned(backup, ObjectKind.record, concat(body, Uint8Array.of(0)), {
      random: fixedRandom('object'),
    });
    const stretched = concat(
      bytes.subarray(0, 40),
      sealSection(
        importKeyring({ ...native, ed25519Sign: () => signedPart(bytes).signature }, backup.toData()),
        bytes.subarray(0, 40),
        concat(body, Uint8Array.of(0)),
        false,
      ),
    );
    expect(objectName(native, stretched)).not.toBe(other.name);
    expect(() => openSigned(full, ObjectKind.record, stretched)).toThrow(SignatureError);
  });

  it('are named by their SHA-256', () => {
    expect(() => checkName(native, name, bytes)).not.toThrow();
    expect(() => checkName(native, name, flipped(bytes, 999))).toThrow(FormatError);
  });
});

describe('headers', () => {
  const { bytes } = sealSigned(full, ObjectKind.index, ascii(''));

  it('say what an object is', () => {
    expect(parseHeader(bytes, ObjectKind.index, ObjectKind.record).kind).toBe(ObjectKind.index);
    expect(toHex(bytes.subarray(0, 8))).toBe('424b4e4a05010000');
  });

  it('refuse strangers, other kinds and versions to come', () => {
    const change = (at: number, value: number) => {
      const copy = Uint8Array.from(bytes);
      copy[at] = value;
      return copy;
    };
    for (const bad of [
      new Uint8Array(0),
      bytes.subarray(0, 39),
      change(0, 0),
      change(5, 2),
      change(6, 1),
      change(7, 1),
    ]) {
      expect(() => parseHeader(bad, ObjectKind.index)).toThrow(FormatError);
    }
    expect(() => parseHeader(change(5, 2), ObjectKind.index)).toThrow(/update/);
    expect(() => parseHeader(bytes, ObjectKind.record)).toThrow(FormatError);
  });
});

/** What the signature in a signed object covers, and the signature. */
function signedPart(object: Uint8Array): { message: Uint8Array; signature: Uint8Array } {
  const seen: { message: Uint8Array; signature: Uint8Array }[] = [];
  const listening: Primitives = {
    ...native,
    ed25519Verify(_key, message, signature) {
      seen.push({ message: Uint8Array.from(message), signature: Uint8Array.from(signature) });
      return true;
    },
  };
  openSigned(importKeyring(listening, full.toData()), ObjectKind.record, object);
  return seen[0];
}
