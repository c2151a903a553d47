import { expect, test } from 'vitest';
import { type Catalog, dumpCatalog, forgetSnapshots, lostBy, rewriteSnapshots } from '../../src/catalog/index.js';
import { type Entry, EntryType } from '../../src/format/entry.js';
import {
  backUp,
  file,
  hexName,
  lineage,
  openForTest,
  SegmentStore,
  snapshotInput,
  temporaryDirectory,
} from './helpers.js';

/** Contents of the one path `f` in snapshot 1, 2, … (0: not there), beside one that never changes. */
type Course = number[];

const stateOf = (content: number): Entry[] => [
  file('a', 1),
  ...(content === 0 ? [] : [file('f', content)]),
  file('z', 1),
];

async function take(dir: string, course: Course, store: SegmentStore, sequences?: number[]): Promise<Catalog> {
  const catalog = await openForTest(dir);
  course.forEach((content, i) => {
    const seq = sequences?.[i] ?? i + 1;
    const source = lineage(catalog, seq);
    backUp(catalog, store, source, snapshotInput(seq), stateOf(content));
  });
  return catalog;
}

const names = (sequences: number[]): string[] => sequences.map((seq) => snapshotInput(seq).name);

/** Forgets, and checks that the catalog is what the remaining snapshots alone would have made. */
async function versionsAfter(course: Course, forgotten: number[], mask = 0): Promise<unknown[]> {
  using place = temporaryDirectory();
  using fresh = temporaryDirectory();
  const store = new SegmentStore(mask);
  const catalog = await take(place.dir, course, store);
  const lost = [...lostBy(catalog, names(forgotten))].length;
  const result = await forgetSnapshots(catalog, names(forgotten), (row) => store.listing(stateOf(course[row.seq - 1])));
  expect(result).toEqual({ snapshots: forgotten.length, versions: lost });
  const stay = course.map((_, i) => i + 1).filter((seq) => !forgotten.includes(seq));
  const anew = await take(
    fresh.dir,
    stay.map((seq) => course[seq - 1]),
    store,
    stay,
  );
  expect([...dumpCatalog(catalog)]).toEqual([...dumpCatalog(anew)]);
  const versions = catalog.query.history('host', 'f').map((v) => [v.from, v.to, v.entry.size]);
  anew.close();
  catalog.close();
  return versions;
}

test('intervals shrink to snapshots that stay', async () => {
  expect(await versionsAfter([1, 1, 2, 2, 3], [2])).toEqual([
    [1, 1, 1],
    [3, 4, 2],
    [5, undefined, 3],
  ]);
  expect(await versionsAfter([1, 1, 2, 2, 3], [1, 4])).toEqual([
    [2, 2, 1],
    [3, 3, 2],
    [5, undefined, 3],
  ]);
  expect(await versionsAfter([1, 2, 3, 3], [3])).toEqual([
    [1, 1, 1],
    [2, 2, 2],
    [4, undefined, 3],
  ]);
  expect(await versionsAfter([1, 2, 3], [2])).toEqual([
    [1, 1, 1],
    [3, undefined, 3],
  ]);
  expect(await versionsAfter([1, 2, 3], [1, 2])).toEqual([[3, undefined, 3]]);
});

test('equal versions meet when what lay between them goes', async () => {
  expect(await versionsAfter([1, 2, 1], [2])).toEqual([[1, undefined, 1]]);
  expect(await versionsAfter([1, 2, 1, 3], [2])).toEqual([
    [1, 3, 1],
    [4, undefined, 3],
  ]);
  expect(await versionsAfter([1, 0, 1, 3], [2])).toEqual([
    [1, 3, 1],
    [4, undefined, 3],
  ]);
  expect(await versionsAfter([1, 0, 1], [2])).toEqual([[1, undefined, 1]]);
  expect(await versionsAfter([1, 2, 1, 2, 1, 3], [2, 4])).toEqual([
    [1, 5, 1],
    [6, undefined, 3],
  ]);
  expect(await versionsAfter([1, 2, 1, 2, 1], [2, 4])).toEqual([[1, undefined, 1]]);
  expect(await versionsAfter([1, 1, 2, 3, 1, 1, 4], [2, 3, 4, 5])).toEqual([
    [1, 6, 1],
    [7, undefined, 4],
  ]);
  expect(await versionsAfter([1, 2, 1, 3], [1])).toEqual([
    [2, 2, 2],
    [3, 3, 1],
    [4, undefined, 3],
  ]);
});

test('without its newest snapshots a lineage goes back to the newest that stays', async () => {
  for (const mask of [0, 255]) {
    expect(await versionsAfter([1, 2], [2], mask)).toEqual([[1, undefined, 1]]);
    expect(await versionsAfter([1, 2, 1], [2, 3], mask)).toEqual([[1, undefined, 1]]);
    expect(await versionsAfter([1, 2, 1, 2], [3, 4], mask)).toEqual([
      [1, 1, 1],
      [2, undefined, 2],
    ]);
    expect(await versionsAfter([1, 0, 1], [3], mask)).toEqual([[1, 1, 1]]);
    expect(await versionsAfter([1, 2, 1, 2, 3], [2, 5], mask)).toEqual([
      [1, 3, 1],
      [4, undefined, 2],
    ]);
    expect(await versionsAfter([1, 2, 3], [1, 2, 3], mask)).toEqual([]);
  }
});

test('what would be lost is named with its times', async () => {
  using place = temporaryDirectory();
  const catalog = await take(place.dir, [1, 2, 2, 3], new SegmentStore(0));
  const lost = (sequences: number[]): unknown[] =>
    [...lostBy(catalog, names(sequences))].map((v) => [v.key, v.from, v.to, v.entry.size, v.fromTime, v.toTime]);
  const time = (seq: number): bigint => snapshotInput(seq).time;
  expect(lost([2])).toEqual([]);
  expect(lost([2, 3])).toEqual([['f', 2, 3, 2, time(2), time(3)]]);
  expect(lost([1])).toEqual([['f', 1, 1, 1, time(1), time(1)]]);
  expect(lost([4])).toEqual([['f', 4, undefined, 3, time(4), undefined]]);
  expect(lost([1, 2, 3, 4])).toHaveLength(5);
  expect(lost([9])).toEqual([]);
  catalog.close();
});

test('many lost versions are read page by page', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore(63);
  const state = (content: (i: number) => number): Entry[] =>
    Array.from({ length: 1300 }, (_, i) => file(`f${i}`, content(i)));
  backUp(
    catalog,
    store,
    source,
    snapshotInput(1),
    state(() => 1),
  );
  backUp(
    catalog,
    store,
    source,
    snapshotInput(2),
    state((i) => (i % 2 === 0 ? 2 : 1)),
  );
  backUp(
    catalog,
    store,
    source,
    snapshotInput(3),
    state(() => 3),
  );
  const lost = [...lostBy(catalog, names([1, 2]))].map((v) => `${v.key} ${v.from} ${v.to}`);
  expect(lost).toHaveLength(1300 + 650);
  expect(new Set(lost).size).toBe(lost.length);
  catalog.close();
});

test('other lineages are left alone, unknown names are noted', async () => {
  using place = temporaryDirectory();
  const store = new SegmentStore(0);
  const catalog = await take(place.dir, [1, 2, 3], store);
  const other = snapshotInput(2, { name: hexName('other') });
  const { source } = catalog.snapshots.lineageFor('elsewhere', other);
  backUp(catalog, store, source, other, stateOf(7));
  await forgetSnapshots(catalog, [...names([1, 2]), hexName('never seen')]);
  expect(catalog.query.history('elsewhere', 'f').map((v) => [v.from, v.entry.size])).toEqual([[2, 7]]);
  expect(catalog.snapshots.isForgotten(hexName('never seen'))).toBe(true);
  catalog.close();
});

test('copies without some paths take the place of snapshots', async () => {
  using place = temporaryDirectory();
  const store = new SegmentStore(0);
  const catalog = await take(place.dir, [1, 1, 2, 2, 2], store);
  const { source } = catalog.snapshots.all()[0];
  const copy = (seq: number): { old: string; copy: ReturnType<typeof snapshotInput> } => ({
    old: snapshotInput(seq).name,
    copy: snapshotInput(seq, { name: hexName(`copy ${seq}`), replaces: [snapshotInput(seq).name] }),
  });
  catalog.snapshots.setReceived(snapshotInput(4).name, 77n);
  expect(await rewriteSnapshots(catalog, { source, without: ['f'], snapshots: [copy(2), copy(4)] })).toEqual({
    snapshots: 2,
    versions: 0,
  });
  const versions = (key: string): unknown[] =>
    catalog.query.history('host', key).map((v) => [v.from, v.to, v.entry.size]);
  expect(versions('f')).toEqual([
    [1, 1, 1],
    [3, 3, 2],
    [5, undefined, 2],
  ]);
  expect(versions('a')).toEqual([[1, undefined, 1]]);
  expect(catalog.snapshots.get(hexName('copy 4'))).toMatchObject({
    seq: 4,
    applied: true,
    state: 'live',
    received: 77n,
  });
  expect(catalog.snapshots.get(snapshotInput(4).name)).toBeUndefined();
  expect(catalog.snapshots.isForgotten(snapshotInput(4).name)).toBe(true);
  await expect(rewriteSnapshots(catalog, { source, without: ['f'], snapshots: [copy(5)] })).rejects.toThrow(/listing/);
  const head = store.listing(stateOf(0));
  expect(
    await rewriteSnapshots(catalog, { source, without: ['f'], snapshots: [copy(1), copy(3), copy(5)], head }),
  ).toEqual({
    snapshots: 3,
    versions: 3,
  });
  expect(versions('f')).toEqual([]);
  expect([...catalog.query.entries(catalog.snapshots.latest('host')!)].map((e) => e.key)).toEqual(['a', 'z']);
  const wrong = { old: hexName('copy 5'), copy: snapshotInput(6) };
  await expect(rewriteSnapshots(catalog, { source, without: ['a'], snapshots: [wrong], head })).rejects.toThrow(
    /sequence/,
  );
  catalog.close();
});

test('a directory is purged with everything in it, its neighbours are not', async () => {
  using place = temporaryDirectory();
  const store = new SegmentStore(3);
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const state = (content: number): Entry[] => [
    file('d', 0, { type: EntryType.dir, ids: new Uint8Array(0) }),
    ...Array.from({ length: 40 }, (_, i) => file(`d\0${i}`, content)),
    file('d-x', content),
    file('d\x01', content),
    file('da', content),
  ];
  for (const seq of [1, 2, 3]) backUp(catalog, store, source, snapshotInput(seq), state(seq));
  const keep = (e: Entry): boolean => !(e.key === 'd' || e.key.startsWith('d\0'));
  const snapshots = [1, 2, 3].map((seq) => ({
    old: snapshotInput(seq).name,
    copy: snapshotInput(seq, { name: hexName(`copy ${seq}`) }),
  }));
  const result = await rewriteSnapshots(catalog, {
    source,
    without: ['d'],
    snapshots,
    head: store.listing(state(3).filter(keep)),
  });
  expect(result).toEqual({ snapshots: 3, versions: 40 * 3 + 1 });
  const left = [...catalog.query.find('*', { source: 'host', all: true })].map(({ key, versions }) => [
    key,
    versions.length,
  ]);
  expect(left).toEqual([
    ['d\x01', 3],
    ['d-x', 3],
    ['da', 3],
  ]);
  catalog.close();
});
