import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cleanupHard, cleanupSoft } from '../../../src/archive/cleanup.js';
import { forget } from '../../../src/archive/forget.js';
import { purge } from '../../../src/archive/purge.js';
import { tag } from '../../../src/archive/tag.js';
import type { ForgetRules } from '../../../src/archive/types.js';
import { Lab, type LabFile } from './lab.js';

let lab: Lab;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  lab = await Lab.make();
});
afterEach(() => {
  vi.useRealTimers();
  lab.remove();
});

const file = (text: string, mtime: number): LabFile => ({ content: Buffer.from(text), mtime });
const common = { dryRun: false, prune: true, allSources: false };
const names = async (): Promise<string[]> => (await lab.snapshots()).map(({ name }) => name);

test('a file made and deleted within the year lives on in a kept snapshot', async () => {
  await lab.at('2024-02-01T12:00').backup(
    new Map([
      ['r/a', file('one', 1)],
      ['r/short', file('lived', 2)],
    ]),
  );
  const last = await lab.at('2024-11-01T12:00').backup(new Map([['r/a', file('two', 3)]]));
  const newest = await lab.at('2025-06-01T12:00').backup(new Map([['r/a', file('three', 4)]]));
  lab.at('2025-06-02T12:00');
  const result = await cleanupSoft(lab.context(), common);
  expect([result.snapshots_removed, result.versions_removed]).toEqual([1, 1]);
  const rows = await lab.snapshots();
  expect(rows.filter(({ kind }) => kind === 'taken').map(({ name }) => name)).toEqual([last, newest]);
  expect(rows.filter(({ kind }) => kind === 'kept')).toHaveLength(1);
  const again = await cleanupSoft(lab.context(), common);
  expect([again.snapshots_removed, again.versions_removed]).toEqual([0, 0]);
});

test('a pinned snapshot is not dropped by rules or name, and what it holds is not purged', async () => {
  const pinned = await lab.at('2025-01-01T12:00').backup(new Map([['r/a', file('one', 1)]]), { tags: ['pin'] });
  const newest = await lab.at('2025-01-02T12:00').backup(new Map([['r/a', file('two', 2)]]));
  lab.at('2025-01-03T12:00');
  await cleanupHard(lab.context(), common);
  expect(await names()).toEqual([pinned, newest]);
  const named = { ...common, rules: undefined, groupBy: [], snapshots: [pinned] };
  await expect(forget(lab.context(), named)).rejects.toThrow(/tagged pin/);
  await expect(purge(lab.context(), { ...common, paths: ['/r/a'] })).rejects.toThrow(/tagged pin/);
  expect(await names()).toEqual([pinned, newest]);
});

test('a snapshot that claims to come from the future counts for no rule', async () => {
  const future = BigInt(Date.parse('2031-01-01T12:00')) * 1_000_000n;
  const old = await lab.at('2025-01-01T12:00').backup(new Map([['r/a', file('one', 1)]]));
  const real = await lab.at('2025-01-02T12:00').backup(new Map([['r/a', file('two', 2)]]));
  const strange = await lab.at('2025-01-03T12:00').backup(new Map([['r/a', file('x', 3)]]), { time: future });
  lab.at('2025-01-04T12:00');
  await cleanupHard(lab.context(), common);
  expect(await names()).toEqual([real, strange]);
  expect(await names()).not.toContain(old);
  expect(lab.notes).toContainEqual(expect.stringMatching(/^1 snapshot\(s\) were passed over, first .*drop by name/));
});

test('nothing changes when nobody agrees', async () => {
  const first = await lab.at('2025-01-01T12:00').backup(new Map([['r/a', file('one', 1)]]));
  const second = await lab.at('2025-01-02T12:00').backup(new Map([['r/a', file('two', 2)]]));
  lab.at('2025-01-03T12:00').confirmed = false;
  const before = lab.storeBytes;
  await expect(cleanupHard(lab.context(), common)).rejects.toThrow(/not confirmed/);
  expect(lab.preview?.lost).toHaveLength(1);
  expect(await names()).toEqual([first, second]);
  expect(lab.storeBytes).toBe(before);
});

const day = (n: number) => `2026-06-0${n}T12:00`;
const state = (n: number) => new Map([['r/a', file(`${n}`, n)]]);

test('a clock that was behind while a catalog was made anew leaves no mark on what it saw', async () => {
  const made: string[] = [];
  for (const n of [1, 2, 3]) made.push(await lab.at(day(n)).backup(state(n)));
  rmSync(lab.config.tableDir, { recursive: true });
  lab.at('2020-01-01T00:00');
  expect(await names()).toEqual(made);
  lab.at(day(4));
  expect((await cleanupHard(lab.context(), common)).snapshots_removed).toBe(2);
  expect(await names()).toEqual([made[2]]);
  expect(lab.notes.join()).not.toMatch(/passed over/);
});

test('nor does one that was behind for a backup, on that or the one before', async () => {
  for (const time of [day(1), day(2), '2020-01-01T00:00', day(3)]) await lab.at(time).backup(state(Number(time[9])));
  const newest = await lab.at(day(4)).backup(state(4));
  lab.at(day(5));
  await cleanupHard(lab.context(), common);
  expect(await names()).toEqual([newest]);
});

/** Backs up three versions of a file, the second by a clock that was put back; their snapshots. */
async function withClockPutBack(): Promise<string[]> {
  const made: string[] = [];
  for (const [n, time] of ['2026-06-01T12:00', '2026-06-01T10:30', '2026-07-01T12:00'].entries())
    made.push(await lab.at(time).backup(new Map([['r/a', file(`version ${n + 1}`, n)]])));
  lab.at('2026-07-02T12:00');
  return made;
}

test('a clock that was put back does not reorder the versions that cleanup_soft thins', async () => {
  const [, second, third] = await withClockPutBack();
  const result = await cleanupSoft(lab.context(), common);
  expect([result.snapshots_removed, result.versions_removed]).toEqual([1, 1]);
  expect(await names()).toEqual([second, third]);
  const again = await cleanupSoft(lab.context(), common);
  expect([again.snapshots_removed, again.versions_removed]).toEqual([0, 0]);
});

test.each<[string, ForgetRules]>([
  ['last', { last: 2, tags: [] }],
  ['daily', { last: 0, daily: 2, tags: [] }],
])('a clock that was put back does not reorder the snapshots that forget keeps: %s', async (_, rules) => {
  const [, second, third] = await withClockPutBack();
  await forget(lab.context(), { ...common, rules, groupBy: ['source'], snapshots: [] });
  expect(await names()).toEqual([second, third]);
});

test('of several sources in one group forget keeps what is newest by time', async () => {
  const [first, second, third] = await withClockPutBack();
  const others: string[] = [];
  for (const time of ['2026-06-15T12:00', '2026-06-20T12:00']) {
    const more = { source: 'other', time: BigInt(Date.parse(time)) * 1_000_000n };
    others.push(await lab.backup(new Map([['r/a', file(time, 9)]]), more));
  }
  const rules = { last: 4, tags: [] };
  await forget(lab.context(), { ...common, allSources: true, rules, groupBy: [], snapshots: [] });
  expect((await names()).sort()).toEqual([second, third, ...others].sort());
  expect(await names()).not.toContain(first);
});

test('a kept snapshot bears no tags: it is made anew whenever history is thinned', async () => {
  await lab.at('2024-02-01T12:00').backup(
    new Map([
      ['r/a', file('one', 1)],
      ['r/short', file('lived', 2)],
    ]),
  );
  await lab.at('2024-11-01T12:00').backup(new Map([['r/a', file('two', 3)]]));
  await lab.at('2025-06-01T12:00').backup(new Map([['r/a', file('three', 4)]]));
  lab.at('2025-06-02T12:00');
  await cleanupSoft(lab.context(), common);
  const kept = (await lab.snapshots()).find(({ kind }) => kind === 'kept')!;
  const pin = tag(lab.context(), { snapshot: kept.name, add: ['pin'], remove: [] });
  await expect(pin).rejects.toMatchObject({ exit: 2, message: expect.stringMatching(/nothing was tagged/) });
  expect((await lab.snapshots()).flatMap(({ tags }) => tags)).toEqual([]);
});
