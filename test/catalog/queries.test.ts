import { expect, test } from 'vitest';
import { openConnection } from '../../src/catalog/connection.js';
import { forgetSnapshots } from '../../src/catalog/index.js';
import { catalogFiles } from '../../src/catalog/paths.js';
import { differences } from '../../src/catalog/queries/diff.js';
import type { Entry } from '../../src/format/entry.js';
import {
  backUp,
  directory,
  file,
  hexName,
  lineage,
  openForTest,
  SegmentStore,
  snapshotInput,
  temporaryDirectory,
} from './helpers.js';

const file4 = (i: number): string => `d\0f${String(i).padStart(4, '0')}`;

test('diff gives the same whether versions are sorted in memory or read in key order', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore(15);
  for (let seq = 1; seq <= 6; seq++) {
    const entries = Array.from({ length: 300 }, (_, i) => file(file4(i), (i * 7 + (i % seq)) % 5)).filter(
      (_, i) => (i + seq) % 11 !== 0,
    );
    backUp(catalog, store, source, snapshotInput(seq), entries);
  }
  const rows = catalog.snapshots.all('host');
  const db = openConnection(catalogFiles(place.dir).database, 'read');
  const plain = ({ key, before, after }: { key: string; before?: Entry; after?: Entry }): unknown[] => [
    key,
    before?.size,
    after?.size,
  ];
  let total = 0;
  for (const a of rows) {
    for (const b of rows) {
      const expected = new Map<string, unknown[]>();
      for (const e of catalog.query.entries(a)) expected.set(e.key, [e.key, e.size, undefined]);
      for (const e of catalog.query.entries(b)) {
        const before = expected.get(e.key)?.[1];
        if (before === e.size) expected.delete(e.key);
        else expected.set(e.key, [e.key, before, e.size]);
      }
      const inOrder = [...expected.values()].sort((x, y) => ((x[0] as string) < (y[0] as string) ? -1 : 1));
      expect([...differences(db, a, b)].map(plain)).toEqual(inOrder);
      expect([...differences(db, a, b, undefined, 10)].map(plain)).toEqual(inOrder);
      total += inOrder.length;
    }
  }
  expect(total).toBeGreaterThan(1500);
  const under = [...catalog.query.diff(rows[0], rows[5], { under: file4(11) })].map(plain);
  expect(under.every(([key]) => key === file4(11))).toBe(true);
  db.raw.close();
  catalog.close();
});

test('snapshots of two lineages are compared side by side', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  const one = lineage(catalog);
  const two = catalog.snapshots.lineageFor('other', { name: hexName('o'), seq: 1 }).source;
  backUp(catalog, store, one, snapshotInput(1), [file('a', 1), file('b', 1), file('c', 1)]);
  backUp(catalog, store, two, snapshotInput(1, { name: hexName('o') }), [file('a', 1), file('b', 2), file('d', 1)]);
  const [a, b] = catalog.snapshots.all();
  const rows = [...catalog.query.diff(a, b)].map(({ key, before, after }) => [key, before?.size, after?.size]);
  expect(rows).toEqual([
    ['b', 1, 2],
    ['c', 1, undefined],
    ['d', undefined, 1],
  ]);
  catalog.close();
});

test('listing a directory skips what lies deeper, whatever snapshot it is', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(15);
  const deep = (child: string, content: number): Entry[] => [
    directory(`r\0${child}`),
    ...Array.from({ length: 200 }, (_, i) => file(`r\0${child}\0deep\0f${i}`, content)),
  ];
  const state = (content: number): Entry[] => [
    directory('r'),
    ...['a', 'a-b', 'b', 'c'].flatMap((child) => deep(child, content)),
    file('r\0a.txt', content),
    file('r-x', 1),
  ];
  for (const seq of [1, 2, 3]) backUp(catalog, store, lineage(catalog), snapshotInput(seq), state(seq));
  for (const row of catalog.snapshots.all('host')) {
    const children = [...catalog.query.entriesAt(row, 'r', { recursive: false })].map((e) => [e.key, e.size]);
    expect(children).toEqual([
      ['r\0a', 0],
      ['r\0a-b', 0],
      ['r\0a.txt', row.seq],
      ['r\0b', 0],
      ['r\0c', 0],
    ]);
    expect([...catalog.query.entriesAt(row, 'r', { recursive: true })]).toHaveLength(805);
    expect([...catalog.query.entriesAt(row, '', { recursive: false })].map((e) => e.key)).toEqual(['r', 'r-x']);
    expect([...catalog.query.entriesAt(row, 'r-x', { recursive: true })]).toEqual([]);
    const under = [...catalog.query.entries(row, { under: ['r\0b\0deep', 'r\0b', 'r-x', 'not there'] })];
    expect(under.map((e) => e.size).filter((size) => size === row.seq)).toHaveLength(200 + (row.seq === 1 ? 1 : 0));
    expect(under).toHaveLength(202);
  }
  catalog.close();
});

test('an iteration goes on while the catalog is written', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(3);
  const entries = (content: number): Entry[] => Array.from({ length: 3000 }, (_, i) => file(file4(i), content));
  for (const seq of [1, 2]) backUp(catalog, store, lineage(catalog), snapshotInput(seq), entries(seq));
  const [first] = catalog.snapshots.all('host');
  let n = 0;
  for (const entry of catalog.query.entries(first)) {
    if (n++ % 500 === 0) catalog.setMeta('progress', String(n));
    expect(entry.size).toBe(1);
  }
  expect(n).toBe(3000);
  n = 0;
  for (const _ of catalog.query.contents()) if (n++ % 500 === 0) catalog.setMeta('progress', String(n));
  expect(n).toBe(6000);
  catalog.close();
});

test('versions have ids that find them again, with and without their path', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  for (const seq of [1, 2, 3])
    backUp(catalog, store, lineage(catalog), snapshotInput(seq), [file('a', seq), file('b', 1), file('c', seq % 2)]);
  const ids = new Set<string>();
  for (const key of ['a', 'b', 'c']) {
    for (const version of catalog.query.history('host', key)) {
      ids.add(version.id);
      expect(version.id).toMatch(/^[0-9a-z]+-[0-9a-f]{12}$/);
      expect(catalog.query.versionById('host', version.id)).toEqual(version);
      expect(catalog.query.versionById('host', version.id, key)).toEqual(version);
      expect(catalog.query.versionById('host', version.id, 'not it')).toBeUndefined();
    }
  }
  expect(ids.size).toBe(7);
  for (const id of ['', '1', '1-000000000000', 'k-000000000000', '-', '!-x'])
    expect(catalog.query.versionById('host', id)).toBeUndefined();
  catalog.close();
});

test('versions of two lineages of a source have ids of their own', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  for (const [clone, size] of [1, 2].entries()) {
    const input = snapshotInput(1, { name: hexName(`clone ${clone}`), time: BigInt(1000 + clone) });
    const { source } = catalog.snapshots.lineageFor('host', input);
    backUp(catalog, store, source, input, [file('a', size)]);
  }
  const history = catalog.query.history('host', 'a');
  expect(new Set(history.map(({ source }) => source)).size).toBe(2);
  for (const version of history) {
    expect(catalog.query.versionById('host', version.id)).toEqual(version);
    expect(catalog.query.versionById('host', version.id, 'a')).toEqual(version);
  }
  expect(new Set(history.map(({ id }) => id)).size).toBe(2);
  catalog.close();
});

test('kept versions are part of the history, not of snapshots', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  const source = lineage(catalog);
  backUp(catalog, store, source, snapshotInput(5), [file('a', 5), file('a\0x', 1)]);
  const kept = snapshotInput(5, { name: hexName('kept'), kind: 'kept' });
  catalog.snapshots.add(source, kept, 'live');
  const times = (first: bigint): Partial<Entry> => ({ kept: { first, last: first + 10n } });
  catalog.kept.put(kept.name, [file('a', 2, times(200n)), file('a', 1, times(100n)), file('gone', 3, times(50n))]);
  const history = catalog.query.history('host', 'a');
  expect(history.map((v) => [v.entry.size, v.keptBy, v.from, v.to])).toEqual([
    [1, 'history', 0, 0],
    [2, 'history', 0, 0],
    [5, 'snapshot', 5, undefined],
  ]);
  expect([history[0].fromTime, history[0].toTime]).toEqual([100n, 110n]);
  for (const version of history) expect(catalog.query.versionById('host', version.id)).toEqual(version);
  const paths = [...catalog.query.find('*', { source: 'host', all: true })].map(({ key, versions }) => [
    key,
    versions.length,
  ]);
  expect(paths).toEqual([
    ['a', 3],
    ['a\0x', 1],
    ['gone', 1],
  ]);
  expect([...catalog.query.find('g*', { source: 'host' })]).toEqual([]);
  expect([...catalog.query.find('gon?', { source: 'host', all: true })].map(({ key }) => key)).toEqual(['gone']);
  expect([...catalog.query.keysWithHistory(source)].map(({ key, versions }) => [key, versions.length])).toEqual([
    ['a', 3],
    ['gone', 1],
  ]);
  expect(catalog.query.counts('host')).toEqual({
    active: { entries: 2, files: 2, bytes: 6 },
    history: { versions: 3, files: 3, bytes: 6 },
  });
  expect([...catalog.query.contents()]).toHaveLength(5);
  expect(catalog.snapshots.latest('host')?.name).toBe(snapshotInput(5).name);
  expect(catalog.snapshots.get(kept.name)).toMatchObject({ kind: 'kept', applied: true });
  // A second put replaces the first; forgetting the snapshot takes what it keeps along.
  catalog.kept.put(kept.name, [file('gone', 3, times(50n))]);
  expect([...catalog.kept.all(source)]).toHaveLength(1);
  expect(await forgetSnapshots(catalog, [kept.name])).toEqual({ snapshots: 1, versions: 0 });
  expect([...catalog.kept.all(source)]).toEqual([]);
  expect(catalog.snapshots.isForgotten(kept.name)).toBe(true);
  expect(catalog.query.history('host', 'a')).toHaveLength(1);
  catalog.close();
});

test('contents of everything, also of what was silently replaced', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  const id = (n: number): Uint8Array => new Uint8Array(24).fill(n);
  const replaced = { chunkClass: 0 as const, depth: 0, ids: id(8), size: 4 };
  const states: Entry[][] = [
    [file('a', 1, { ids: id(1) }), file('b', 1, { ids: id(2), depth: 2 })],
    [file('a', 1, { ids: id(3), replaced }), directory('b')],
    [file('a', 1, { ids: id(4) }), directory('b'), file('c', 0, { ids: new Uint8Array(0) })],
  ];
  states.forEach((entries, i) => {
    backUp(catalog, store, lineage(catalog), snapshotInput(i + 1), entries);
  });
  const seen = [...catalog.query.contents()].map(({ ids, depth }) => [ids[0], depth]).sort();
  expect(seen).toEqual([
    [1, 0],
    [2, 2],
    [3, 0],
    [4, 0],
    [8, 0],
  ]);
  expect([...catalog.query.contents(lineage(catalog) + 1)]).toEqual([]);
  catalog.close();
});
