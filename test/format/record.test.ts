import { describe, expect, it } from 'vitest';
import { keyringForRole } from '../../src/crypto/keyring.js';
import { ExitCode, FormatError } from '../../src/errors.js';
import { encode } from '../../src/format/cbor.js';
import { openCert, sealCert } from '../../src/format/cert.js';
import { ObjectKind, sealSigned } from '../../src/format/object.js';
import { openRecord, openTombstone, type StoreRecord, sealRecord, sealTombstone } from '../../src/format/record.js';
import { bitsOf, fixedKeyring, flipped } from '../crypto/support.js';

const full = fixedKeyring();
const backup = keyringForRole(full, 'backup');
const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
const time = 1_700_000_000_000_000_001n;

const records: Exclude<StoreRecord, { type: 'unknown' }>[] = [
  { time, type: 'forget', snapshots: [A, B] },
  { time, type: 'replaced', snapshots: [A], by: [B] },
  {
    time,
    type: 'damaged',
    objects: ['packs/aa/aabb.pack', 'snapshots/odd name'],
    blobs: [{ kind: 'listing', id: new Uint8Array(24).fill(1) }],
  },
  { time, type: 'healed', objects: ['packs/aa/aabb.pack'] },
  { time, type: 'tag', snapshot: A, add: ['pin'], remove: ['old'] },
  { time, type: 'revoke', signer: B, accept: [A] },
  { time, type: 'receipt', receipts: [{ snapshot: A, received: time + 5n }] },
  { time, type: 'complete', snapshot: A },
];

describe('records', () => {
  for (const record of records) {
    it(`${record.type}: there and back`, () => {
      expect(openRecord(backup, sealRecord(full, record).bytes)).toEqual({ record, signer: full.signer() });
    });
  }

  it('of a later kind are known to be unknown', () => {
    const { bytes } = sealSigned(full, ObjectKind.record, encode({ time: 5, type: 'moved', to: 'x' }));
    expect(openRecord(full, bytes).record).toEqual({ time: 5n, type: 'unknown', name: 'moved' });
  });

  it('refuse every turned bit', () => {
    const { bytes } = sealRecord(full, records[0]);
    for (const bit of bitsOf(bytes)) expect(() => openRecord(full, flipped(bytes, bit))).toThrow(FormatError);
  });

  it('refuse fields of wrong types and lengths', () => {
    const bad = [
      { time: 1, type: 'forget' },
      { time: 1, type: 'forget', snapshots: [new Uint8Array(31)] },
      { time: 1, type: 'forget', snapshots: 'all' },
      { time: 'now', type: 'complete', snapshot: new Uint8Array(32) },
      { type: 'complete', snapshot: new Uint8Array(32) },
      { time: 1, type: 'damaged', objects: [], blobs: [{ kind: 'chunk', id: new Uint8Array(24) }] },
      [],
      7,
    ];
    for (const body of bad) {
      expect(() => openRecord(full, sealSigned(full, ObjectKind.record, encode(body)).bytes)).toThrow(FormatError);
    }
  });
});

describe('tombstones', () => {
  it('name packs, and are no records', () => {
    const { bytes } = sealTombstone(full, { time, packs: [A, B] });
    expect(openTombstone(full, bytes)).toEqual({ tombstone: { time, packs: [A, B] }, signer: full.signer() });
    expect(() => openRecord(full, bytes)).toThrow(FormatError);
    for (const bit of bitsOf(bytes)) expect(() => openTombstone(full, flipped(bytes, bit))).toThrow(FormatError);
  });
});

describe('certificates', () => {
  const cert = { signer: backup.signer(), role: 'backup' as const, sources: ['laptop', 'nas'], created: time };

  it('come from the root key', () => {
    const { bytes } = sealCert(full, cert);
    expect(openCert(backup, bytes)).toEqual(cert);
    const all = { ...cert, sources: '*' as const, label: 'the old laptop' };
    expect(openCert(full, sealCert(full, all).bytes)).toEqual(all);
    for (const bit of bitsOf(bytes)) expect(() => openCert(full, flipped(bytes, bit))).toThrow(FormatError);
  });

  it('are not made by a backup key, nor believed when signed by one', () => {
    expect(() => sealCert(backup, cert)).toThrow(expect.objectContaining({ exit: ExitCode.wrongKey }));
    const body = encode({ ...cert, signer: Buffer.from(cert.signer, 'hex') });
    const forged = sealSigned(backup, ObjectKind.cert, body);
    expect(() => openCert(full, forged.bytes)).toThrow(/root key/);
    // Not even by a full slot's own key: its certificate could be revoked, the root's word cannot.
    expect(() => openCert(full, sealSigned(full, ObjectKind.cert, body).bytes)).toThrow(/root key/);
    expect(openCert(full, sealSigned(full, ObjectKind.cert, body, { asRoot: true }).bytes)).toEqual(cert);
  });
});
