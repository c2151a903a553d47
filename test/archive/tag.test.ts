import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { damageMarks } from '../../src/archive/damage-marks.js';
import { byRecordTime, timeOfNewRecord } from '../../src/archive/record-time.js';
import { tag } from '../../src/archive/tag.js';
import type { StoreRecord } from '../../src/format/record.js';
import { type NamedRecord, Trust } from '../../src/format/trust.js';
import { Lab } from './forgetting/lab.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('what was tagged last counts, also where the clock has been put back', async () => {
  const lab = await Lab.make();
  try {
    const snapshot = await lab.at('2026-01-01T12:00').backup(new Map([['r', { content: null, mtime: 1 }]]));
    const change = (add: string[], remove: string[]) => tag(lab.context(), { snapshot, add, remove });
    const tags = async () => (await lab.snapshots()).map((row) => row.tags);
    lab.at('2026-06-01T12:00');
    await change(['pin'], []);
    lab.at('2026-06-01T12:01');
    await change([], ['pin']);
    lab.at('2026-01-03T12:00');
    await change(['pin'], []);
    expect(await tags()).toEqual([['pin']]);
    await change([], ['pin']);
    expect(await tags()).toEqual([[]]);
    await change(['pin', 'x'], []);
    lab.at('2026-06-02T12:00');
    await change([], ['x']);
    expect(await tags()).toEqual([['pin']]);
  } finally {
    lab.remove();
  }
});

const ROOT = '00'.repeat(32);
const BACKUP = 'bb'.repeat(32);
const trust = new Trust(ROOT, [{ signer: BACKUP, role: 'backup', sources: '*', created: 0n }]);
const NOW = BigInt(Date.parse('2026-01-01')) * 1_000_000n;
const YEAR = 365n * 86_400n * 1_000_000_000n;

function signed(signer: string, ...records: StoreRecord[]): NamedRecord[] {
  return records.map((record, i) => ({ name: `${i}`.repeat(64), record, signer }));
}

test.each([
  ['none', [], NOW],
  ['an older one', signed(ROOT, { type: 'healed', time: NOW - 1n, objects: [] }), NOW],
  ['one of now', signed(ROOT, { type: 'healed', time: NOW, objects: [] }), NOW + 1n],
  ['a newer one', signed(ROOT, { type: 'healed', time: NOW + 50n * YEAR, objects: [] }), NOW + 50n * YEAR + 1n],
  ['a newer one of no concern', signed(ROOT, { type: 'forget', time: NOW + YEAR, snapshots: [] }), NOW],
  ['a newer one of a stranger', signed('cc'.repeat(32), { type: 'healed', time: NOW + YEAR, objects: [] }), NOW],
  ['a newer one of a backup key', signed(BACKUP, { type: 'healed', time: NOW + YEAR, objects: [] }), NOW + YEAR + 1n],
  [
    'one of a backup key at the end of times',
    signed(BACKUP, { type: 'healed', time: 2n ** 63n - 1n, objects: [] }),
    NOW,
  ],
])('the time of a new record, beside %s', (_what, records, expected) => {
  vi.setSystemTime(Number(NOW / 1_000_000n));
  expect(timeOfNewRecord({ records, trust }, ({ type }) => type === 'healed')).toBe(expected);
});

test('what was said last of damage counts, also where the clock has been put back', () => {
  vi.setSystemTime(Number(NOW / 1_000_000n));
  const objects = ['packs/aa'];
  const records = signed(ROOT, { type: 'healed', time: NOW + YEAR, objects });
  const time = timeOfNewRecord({ records, trust }, ({ type }) => type === 'healed' || type === 'damaged');
  records.push({ name: 'f'.repeat(64), record: { type: 'damaged', time, objects, blobs: [] }, signer: ROOT });
  expect([...damageMarks(records.toSorted(byRecordTime), trust).objects]).toEqual(objects);
});

test('of one time, names decide', () => {
  const [a, b] = signed(ROOT, { type: 'healed', time: 1n, objects: [] }, { type: 'healed', time: 1n, objects: [] });
  expect([b!, a!].sort(byRecordTime)).toEqual([a, b]);
});
