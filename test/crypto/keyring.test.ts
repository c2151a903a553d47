import { describe, expect, it } from 'vitest';
import { blobHasher, blobId } from '../../src/crypto/blob-id.js';
import { type BlobKind, createFullKeyring, importKeyring, keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import { ExitCode, UserError } from '../../src/errors.js';
import { ascii, fixedKeyring, fixedRandom, toHex } from './support.js';

const KINDS: BlobKind[] = ['data', 'listing', 'chunk-list'];

function exitOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).exit;
  }
  return 'nothing thrown';
}

describe('keyring', () => {
  const full = fixedKeyring();
  const restore = keyringForRole(full, 'restore', fixedRandom('restore'));
  const backup = keyringForRole(full, 'backup', fixedRandom('backup'));

  it('derives keys that all differ, the same ones with either primitives', () => {
    const keys = [...Object.values(full.shared), full.sealSecret(), full.master()].map(toHex);
    expect(new Set(keys).size).toBe(12);
    expect(Object.values(fixedKeyring('store', noble).shared).map(toHex)).toEqual(
      Object.values(full.shared).map(toHex),
    );
    expect(toHex(noble.x25519Public(full.sealSecret()))).toBe(toHex(full.shared.sealPublic));
  });

  it('derives other keys for the same master in another store', () => {
    const other = createFullKeyring(native, { master: full.master(), storeId: new Uint8Array(16) });
    for (const key of Object.keys(full.shared) as (keyof typeof full.shared)[]) {
      expect(toHex(other.shared[key]), key).not.toBe(toHex(full.shared[key]));
    }
  });

  it('is random unless told', () => {
    const a = createFullKeyring(native);
    const b = createFullKeyring(native);
    expect(toHex(a.master())).not.toBe(toHex(b.master()));
    expect(a.storeIdHex).not.toBe(b.storeIdHex);
    expect(a.signer()).not.toBe(b.signer());
  });

  it('gives each role what it needs and nothing more', () => {
    expect([full, restore, backup].map((k) => [k.canRead, k.canWrite, k.isFull])).toEqual([
      [true, true, true],
      [true, false, false],
      [false, true, false],
    ]);
    const refused = [
      () => restore.sign(ascii('x')),
      () => restore.signer(),
      () => restore.signAsRoot(ascii('x')),
      () => restore.master(),
      () => restore.requireFull('prune'),
      () => restore.requireWrite('backup'),
      () => backup.sealSecret(),
      () => backup.master(),
      () => backup.signAsRoot(ascii('x')),
      () => backup.requireRead('find'),
      () => keyringForRole(backup, 'restore'),
      () => keyringForRole(restore, 'backup'),
    ];
    for (const run of refused) expect(exitOf(run)).toBe(ExitCode.wrongKey);
  });

  it('does not even hold what a role lacks', () => {
    const held = (data: object) => Object.keys(data).sort();
    expect(held(backup.toData())).toEqual(['role', 'shared', 'signingSeed', 'storeId']);
    expect(held(restore.toData())).toEqual(['role', 'sealSecret', 'shared', 'storeId']);
    const master = toHex(full.master());
    for (const keyring of [backup, restore]) {
      const everything = JSON.stringify(keyring.toData(), (_, v) => (v instanceof Uint8Array ? toHex(v) : v));
      expect(everything).not.toContain(master);
    }
  });

  it('gives every writing slot a signing key of its own', () => {
    const signers = [full, backup, keyringForRole(full, 'full'), keyringForRole(full, 'backup')].map((k) => k.signer());
    expect(new Set(signers).size).toBe(4);
    const message = ascii('message');
    expect(native.ed25519Verify(Buffer.from(backup.signer(), 'hex'), message, backup.sign(message))).toBe(true);
    expect(native.ed25519Verify(full.shared.rootPublic, message, full.signAsRoot(message))).toBe(true);
  });

  it('goes through a structured clone to another thread', () => {
    for (const keyring of [full, restore, backup]) {
      const copy = importKeyring(noble, structuredClone(keyring.toData()));
      expect(copy.role).toBe(keyring.role);
      expect(copy.storeIdHex).toBe(keyring.storeIdHex);
      expect(copy.toData()).toEqual(keyring.toData());
      if (keyring.canWrite) expect(copy.signer()).toBe(keyring.signer());
    }
  });

  it('does not show keys when printed', () => {
    const text = `${JSON.stringify(restore)} ${String(full)}`;
    expect(text).not.toContain(toHex(full.master()));
    expect(text).not.toContain(Buffer.from(full.sealSecret()).toString('base64'));
  });

  it('makes a gear table of 256 words from the chunker secret alone', () => {
    expect(full.gearBytes().length).toBe(2048);
    expect(toHex(backup.gearBytes())).toBe(toHex(full.gearBytes()));
    expect(new Set(toHex(full.gearBytes()).match(/.{16}/g)).size).toBe(256);
  });

  it('computes blob ids in place, apart for each kind, equal in both implementations', () => {
    const data = native.randomBytes(5000);
    const portable = importKeyring(noble, full.toData());
    const ids = KINDS.map((kind) => {
      const out = new Uint8Array(40).fill(0xee);
      blobHasher(full, kind)(data, 1000, 4000, out, 10);
      expect([...out.subarray(0, 10), ...out.subarray(34)].every((byte) => byte === 0xee)).toBe(true);
      const id = toHex(out.subarray(10, 34));
      expect(id).toBe(toHex(blobId(full, kind, data.subarray(1000, 4000))));
      expect(id).toBe(toHex(blobId(portable, kind, data.subarray(1000, 4000))));
      return id;
    });
    expect(new Set(ids).size).toBe(3);
  });
});
