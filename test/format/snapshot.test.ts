import { describe, expect, it } from 'vitest';
import { importKeyring, keyringForRole } from '../../src/crypto/keyring.js';
import { noble } from '../../src/crypto/noble.js';
import { concat } from '../../src/crypto/octets.js';
import { ExitCode, FormatError } from '../../src/errors.js';
import {
  openSnapshot,
  openSnapshotHeader,
  type SnapshotBody,
  type SnapshotHeader,
  sealSnapshot,
} from '../../src/format/snapshot.js';
import { bitsOf, fixedKeyring, flipped, toHex } from '../crypto/support.js';

const header: SnapshotHeader = {
  source: 'läptop',
  sequence: 7,
  parent: 'ab'.repeat(32),
  replaces: ['cd'.repeat(32)],
  catalogId: '0123456789abcdef0123456789abcdef',
  started: 1_700_000_000_123_456_789n,
  time: -5n,
  mode: 'soft',
  kind: 'taken',
  pending: true,
  listing: { id: new Uint8Array(24).fill(3), depth: 2 },
};

const body: SnapshotBody = {
  host: 'laptop',
  user: 'ann',
  roots: [{ path: 'home\0ann\0\xff\xfe', adHoc: false }],
  tags: ['pin', 'vor Umzug'],
  counts: { files: 3, dirs: 2, bytes: 2 ** 52, symlinks: 1 },
  program: 'backup-ninja 0.1.0',
  excludes: ['*.tmp'],
  partial: true,
};

const full = fixedKeyring();
const backup = keyringForRole(full, 'backup');
const restore = keyringForRole(full, 'restore');
const { bytes } = sealSnapshot(backup, header, body);

describe('snapshot', () => {
  it('gives back header, body and signer to restore and full keys', () => {
    for (const keyring of [full, restore, importKeyring(noble, restore.toData())]) {
      expect(openSnapshot(keyring, bytes)).toEqual({ header, body, signer: backup.signer() });
    }
  });

  it('shows a backup key its header only', () => {
    expect(openSnapshotHeader(backup, bytes)).toEqual({ header, signer: backup.signer() });
    expect(() => openSnapshot(backup, bytes)).toThrow(expect.objectContaining({ exit: ExitCode.wrongKey }));
  });

  it('shows nothing without a key', () => {
    const text = Buffer.from(bytes).toString('latin1');
    for (const secret of ['ptop', 'ann', 'pin', 'taken', 'backup-ninja 0']) expect(text).not.toContain(secret);
  });

  it('does without the optional parts', () => {
    const first = { ...header, parent: null, replaces: [] };
    const { excludes: _e, partial: _p, ...plain } = body;
    const opened = openSnapshot(full, sealSnapshot(full, first, plain).bytes);
    expect(opened).toEqual({ header: first, body: plain, signer: full.signer() });
  });

  it('refuses every turned bit, for the whole and for the header alone', () => {
    for (const bit of bitsOf(bytes)) {
      const bad = flipped(bytes, bit);
      expect(() => openSnapshotHeader(backup, bad), `bit ${bit}`).toThrow(FormatError);
      expect(() => openSnapshot(full, bad), `bit ${bit}`).toThrow(FormatError);
    }
  });

  it('refuses every cut and anything appended', () => {
    for (let length = 0; length < bytes.length; length += 3) {
      expect(() => openSnapshotHeader(backup, bytes.subarray(0, length))).toThrow(FormatError);
    }
    expect(() => openSnapshotHeader(backup, concat(bytes, Uint8Array.of(0)))).toThrow(FormatError);
  });

  it('refuses a signed header with the body of another snapshot', () => {
    const end = 76 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(72, true);
    const other = sealSnapshot(backup, header, { ...body, host: 'other' }).bytes;
    const mixed = concat(bytes.subarray(0, end), other.subarray(end));
    expect(() => openSnapshotHeader(backup, mixed)).toThrow(/signed/);
    expect(() => openSnapshot(full, mixed)).toThrow(FormatError);
  });

  it('refuses what is not a snapshot’s', () => {
    const wrong: object[] = [
      { sequence: -1 },
      { mode: 'half' },
      { kind: 'borrowed' },
      { pending: 1 },
      { listing: { id: new Uint8Array(23), depth: 0 } },
      { listing: { id: new Uint8Array(24), depth: 33 } },
      { time: 2n ** 63n },
      { source: 3 },
    ];
    for (const change of wrong) {
      const made = sealSnapshot(full, { ...header, ...change } as SnapshotHeader, body).bytes;
      expect(() => openSnapshotHeader(full, made), JSON.stringify(Object.keys(change))).toThrow(FormatError);
    }
    const noFiles = { ...body, counts: { dirs: 1, bytes: 1 } } as unknown as SnapshotBody;
    expect(() => openSnapshot(full, sealSnapshot(full, header, noFiles).bytes)).toThrow(/files/);
  });

  it('is another object each time', () => {
    expect(toHex(sealSnapshot(full, header, body).bytes)).not.toBe(toHex(sealSnapshot(full, header, body).bytes));
  });
});
