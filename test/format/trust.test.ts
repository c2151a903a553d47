import { describe, expect, it } from 'vitest';
import type { Cert } from '../../src/format/cert.js';
import type { StoreRecord } from '../../src/format/record.js';
import { type NamedRecord, Trust } from '../../src/format/trust.js';

const key = (digit: string) => digit.repeat(64);
const ROOT = key('0');
const FULL = key('1');
const FULL2 = key('2');
const HOST = key('3');
const OTHER = key('4');
const STRANGER = key('5');
const snap = (n: number) => n.toString(16).padStart(64, 'f');

const certs: Cert[] = [
  { signer: FULL, role: 'full', sources: '*', created: 1n },
  { signer: FULL2, role: 'full', sources: '*', created: 1n },
  { signer: HOST, role: 'backup', sources: ['host'], created: 1n },
  { signer: OTHER, role: 'backup', sources: ['other'], created: 1n },
];
const revoke = (signer: string, accept: string[], by = FULL, time = 5n, name = snap(100)): NamedRecord => ({
  name,
  record: { type: 'revoke', time, signer, accept },
  signer: by,
});
const origins = new Map([
  [snap(1), { source: 'host', signer: HOST }],
  [snap(2), { source: 'other', signer: OTHER }],
]);
const origin = (name: string) => origins.get(name);
const counts = (trust: Trust, record: StoreRecord, signer: string) => trust.counts(snap(50), record, signer, origin);

describe('trust', () => {
  const trust = new Trust(ROOT, certs);

  it('knows certified keys, and the root without a certificate', () => {
    expect([ROOT, FULL, HOST, STRANGER].map((s) => trust.roleOf(s, snap(1)))).toEqual([
      'full',
      'full',
      'backup',
      undefined,
    ]);
  });

  it('lets a backup key write its own sources only', () => {
    expect(trust.mayWrite(HOST, 'host', snap(1))).toBe(true);
    expect(trust.mayWrite(HOST, 'other', snap(1))).toBe(false);
    expect(trust.mayWrite(HOST, 'Host', snap(1))).toBe(false);
    expect(trust.mayWrite(STRANGER, 'host', snap(1))).toBe(false);
    expect(trust.mayWrite(FULL, 'anything', snap(1))).toBe(true);
    expect(trust.mayWrite(ROOT, 'anything', snap(1))).toBe(true);
  });

  it('adds up the certificates of one key', () => {
    const more = new Trust(ROOT, [...certs, { signer: HOST, role: 'backup', sources: ['second'], created: 2n }]);
    expect(['host', 'second', 'other'].map((source) => more.mayWrite(HOST, source, snap(1)))).toEqual([
      true,
      true,
      false,
    ]);
    const star = new Trust(ROOT, [...certs, { signer: HOST, role: 'backup', sources: '*', created: 2n }]);
    expect(star.mayWrite(HOST, 'other', snap(1))).toBe(true);
    expect(star.roleOf(HOST, snap(1))).toBe('backup');
  });

  it('makes foreign what a revoked key wrote, but for the objects accepted by name', () => {
    const revoked = new Trust(ROOT, certs, [revoke(HOST, [snap(1)])]);
    expect(revoked.roleOf(HOST, snap(1))).toBe('backup');
    expect(revoked.roleOf(HOST, snap(2))).toBeUndefined();
    expect(revoked.mayWrite(HOST, 'host', snap(2))).toBe(false);
    expect(revoked.roleOf(OTHER, snap(2))).toBe('backup');
  });

  it('hears revocations from full keys only, in any order, even of full keys', () => {
    for (const by of [HOST, OTHER, STRANGER]) {
      expect(new Trust(ROOT, certs, [revoke(FULL, [], by)]).roleOf(FULL, snap(1))).toBe('full');
    }
    const a = revoke(FULL, [], FULL2);
    const b = revoke(FULL2, [], FULL, 6n, snap(101));
    for (const both of [
      [a, b],
      [b, a],
    ]) {
      const trust = new Trust(ROOT, certs, both);
      expect([FULL, FULL2].map((s) => trust.roleOf(s, snap(1)))).toEqual([undefined, undefined]);
    }
    expect(new Trust(ROOT, certs, [revoke(ROOT, [])]).roleOf(ROOT, snap(1))).toBe('full');
  });

  it('takes the newest revocation of a key, which may accept more or less', () => {
    const old = revoke(HOST, [snap(1), snap(2)], FULL, 5n, snap(101));
    const newer = revoke(HOST, [snap(2), snap(3)], FULL, 6n, snap(100));
    for (const both of [
      [old, newer],
      [newer, old],
    ]) {
      const trust = new Trust(ROOT, certs, both);
      expect([1, 2, 3].map((n) => trust.roleOf(HOST, snap(n)))).toEqual([undefined, 'backup', 'backup']);
    }
    const sameTime = [revoke(HOST, [], FULL, 5n, snap(7)), revoke(HOST, [snap(1)], FULL, 5n, snap(8))];
    const roles = [sameTime, sameTime.toReversed()].map((pair) => new Trust(ROOT, certs, pair).roleOf(HOST, snap(1)));
    expect(roles).toEqual(['backup', 'backup']);
  });

  it('counts forgetting, replacing, damage, revocation and receipts by full keys only', () => {
    const records: StoreRecord[] = [
      { time: 1n, type: 'forget', snapshots: [snap(1)] },
      { time: 1n, type: 'replaced', snapshots: [snap(1)], by: [] },
      { time: 1n, type: 'damaged', objects: [], blobs: [] },
      { time: 1n, type: 'revoke', signer: OTHER, accept: [] },
      { time: 1n, type: 'receipt', receipts: [] },
    ];
    for (const record of records) {
      expect(
        [FULL, ROOT].map((s) => counts(trust, record, s)),
        record.type,
      ).toEqual([true, true]);
      expect(
        [HOST, STRANGER].map((s) => counts(trust, record, s)),
        record.type,
      ).toEqual([false, false]);
    }
    expect(trust.countsAsFull(FULL, snap(1))).toBe(true);
    expect(trust.countsAsFull(HOST, snap(1))).toBe(false);
  });

  it('lets a snapshot be completed by its signer or a full key', () => {
    const record: StoreRecord = { time: 1n, type: 'complete', snapshot: snap(1) };
    expect([FULL, HOST, OTHER, STRANGER].map((s) => counts(trust, record, s))).toEqual([true, true, false, false]);
    expect(counts(trust, { ...record, snapshot: snap(9) }, HOST)).toBe(false);
  });

  it('lets a backup key add tags to its sources, and take none away', () => {
    const add: StoreRecord = { time: 1n, type: 'tag', snapshot: snap(1), add: ['pin'], remove: [] };
    expect([FULL, HOST, OTHER].map((s) => counts(trust, add, s))).toEqual([true, true, false]);
    const remove: StoreRecord = { ...add, remove: ['pin'] };
    expect([FULL, HOST].map((s) => counts(trust, remove, s))).toEqual([true, false]);
  });

  it('counts no record of a kind it does not know', () => {
    expect(counts(trust, { time: 1n, type: 'unknown', name: 'x' }, FULL)).toBe(false);
  });
});
