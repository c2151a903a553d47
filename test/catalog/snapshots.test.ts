import { expect, test } from 'vitest';
import { openConnection } from '../../src/catalog/connection.js';
import {
  type Catalog,
  forgetSnapshots,
  type PackInput,
  type SnapshotInput,
  type SourceId,
} from '../../src/catalog/index.js';
import { catalogFiles } from '../../src/catalog/paths.js';
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

const CATALOG = '11'.repeat(16);

function take(catalog: Catalog, more: Partial<SnapshotInput> & { seq: number }): { source: SourceId; opened: boolean } {
  const input = snapshotInput(more.seq, more);
  const lineage = catalog.snapshots.lineageFor('host', input);
  catalog.snapshots.add(lineage.source, input, 'live');
  return lineage;
}

test('a chain of snapshots is one lineage; a second child of one parent opens another, which goes on', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const name = (text: string): string => hexName(text);
  const a = take(catalog, { seq: 1, name: name('a'), catalogId: CATALOG });
  const b = take(catalog, { seq: 2, name: name('b'), parent: name('a'), catalogId: CATALOG });
  expect([a.opened, b.opened, b.source]).toEqual([false, false, a.source]);
  const clone = take(catalog, { seq: 2, name: name('b2'), parent: name('a'), catalogId: CATALOG });
  expect(clone).toEqual({ source: expect.any(Number), opened: true });
  expect(clone.source).not.toBe(a.source);
  expect(take(catalog, { seq: 3, name: name('c2'), parent: name('b2') })).toEqual({
    source: clone.source,
    opened: false,
  });
  expect(take(catalog, { seq: 3, name: name('c'), parent: name('b') })).toEqual({ source: a.source, opened: false });
  // A clone that lost more than one parent.
  expect(take(catalog, { seq: 9, name: name('d'), parent: name('a') }).opened).toBe(true);
  // What replaces a snapshot takes its place.
  const copy = { name: name('b3'), seq: 2, parent: name('a'), replaces: [name('b')] };
  expect(catalog.snapshots.lineageFor('host', copy)).toEqual({ source: a.source, opened: false });
  expect(catalog.snapshots.lineageFor('host', { name: name('b'), seq: 2 })).toEqual({
    source: a.source,
    opened: false,
  });
  // The parent was forgotten: the catalog that wrote it tells.
  const orphan = { name: name('e'), seq: 20, parent: name('gone'), catalogId: CATALOG };
  expect(catalog.snapshots.lineageFor('host', orphan).opened).toBe(false);
  expect(catalog.snapshots.sources().map(({ name, lineage }) => [name, lineage])).toEqual([
    ['host', 0],
    ['host', 1],
    ['host', 2],
  ]);
  expect(catalog.snapshots.lineageFor('other', { name: name('x'), seq: 1 })).toMatchObject({ opened: false });
  catalog.close();
});

test('every field survives, and lists are in order', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const input: SnapshotInput = {
    name: hexName('a'),
    seq: 7,
    parent: hexName('p'),
    time: 1_700_000_000_123_456_789n,
    started: -5n,
    mode: 'full',
    kind: 'taken',
    pending: false,
    listing: { id: new Uint8Array(24).fill(3), depth: 2 },
    signer: hexName('signer'),
    catalogId: CATALOG,
    replaces: [hexName('x'), hexName('y')],
    received: 12n,
    body: '{"roots":["/ü"]}',
    tags: ['b', 'a'],
  };
  const { source } = catalog.snapshots.lineageFor('host', input);
  const row = catalog.snapshots.add(source, input, 'foreign');
  const { id, listing, ...facts } = row;
  expect({ ...facts, listing: { ...listing, id: new Uint8Array(listing!.id) } }).toEqual({
    ...input,
    tags: ['a', 'b'],
    source,
    sourceName: 'host',
    lineage: 0,
    state: 'foreign',
    applied: false,
  });
  expect(catalog.snapshots.add(source, { ...input, seq: 9 }, 'live')).toEqual({ id, listing, ...facts });
  catalog.snapshots.setReceived(input.name, 20n);
  expect(catalog.snapshots.get(input.name)?.received).toBe(12n);
  catalog.snapshots.setReceived(input.name, 3n);
  expect(catalog.snapshots.get(input.name)?.received).toBe(3n);
  catalog.snapshots.setTags(input.name, ['pin']);
  catalog.snapshots.setBody(input.name, undefined);
  expect(catalog.snapshots.get(input.name)).toMatchObject({ tags: ['pin'], body: undefined });
  catalog.snapshots.setState(input.name, 'live');
  expect(catalog.snapshots.get(input.name)).toMatchObject({ state: 'live', pending: false });
  expect(catalog.snapshots.byPrefix(input.name.slice(0, 5)).map((s) => s.name)).toEqual([input.name]);
  expect(catalog.snapshots.byPrefix(input.name)).toHaveLength(1);
  for (const text of ['', 'zz', `${input.name}0`, input.name.slice(0, 5).toUpperCase().replace(/^./, 'G')])
    expect(catalog.snapshots.byPrefix(text)).toEqual([]);
  expect(catalog.snapshots.byPrefix(input.name.slice(0, 5), 'other')).toEqual([]);
  catalog.close();
});

test('the latest is the newest by time of what counts', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  const source = lineage(catalog);
  for (const seq of [1, 2, 3]) backUp(catalog, store, source, snapshotInput(seq), [file('a', seq)]);
  catalog.snapshots.add(source, snapshotInput(4, { time: 10n ** 19n / 2n }), 'foreign');
  catalog.snapshots.add(source, snapshotInput(5, { time: 10n ** 19n / 2n }), 'live');
  const { snapshots } = catalog;
  expect(snapshots.latest('host')?.seq).toBe(3);
  expect(snapshots.latest('nobody')).toBeUndefined();
  const at = (seq: number): bigint => snapshotInput(seq).time;
  expect(snapshots.notAfter('host', at(2))?.seq).toBe(2);
  expect(snapshots.notAfter('host', at(2) - 1n)?.seq).toBe(1);
  expect(snapshots.notAfter('host', at(1) - 1n)).toBeUndefined();
  expect(snapshots.sources()[0].head?.seq).toBe(3);
  await forgetSnapshots(catalog, [snapshotInput(3).name], () => store.listing([file('a', 2)]));
  expect(snapshots.latest('host')?.seq).toBe(2);
  expect(snapshots.sources()[0].head?.seq).toBe(2);
  expect([snapshotInput(3).name, snapshotInput(2).name].map((name) => snapshots.isForgotten(name))).toEqual([
    true,
    false,
  ]);
  await expect(forgetSnapshots(catalog, [snapshotInput(2).name])).rejects.toThrow(/listing/);
  catalog.close();
});

const pack = (i: number, more: Partial<PackInput> = {}): PackInput => ({
  name: hexName(`pack ${i}`),
  kind: 'data',
  size: 1000 + i,
  run: 'aa'.repeat(16),
  writer: hexName('writer'),
  opened: false,
  directory: new Uint8Array(100).fill(i),
  blobs: 10 + i,
  ...more,
});

test('packs keep their numbers, and a number never comes back', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const { packs } = catalog;
  expect(packs.add([pack(1), pack(2), pack(3, { kind: 'meta' })])).toEqual([1, 2, 3]);
  expect(packs.add([pack(4), pack(2, { opened: true })])).toEqual([4, 2]);
  expect(packs.add([pack(2)])).toEqual([2]);
  expect(packs.byName(pack(2).name)).toMatchObject({
    number: 2,
    opened: true,
    present: true,
    tombstoned: false,
    blobs: 12,
  });
  expect(packs.byNumber(3)).toMatchObject({
    kind: 'meta',
    size: 1003,
    run: 'aa'.repeat(16),
    writer: hexName('writer'),
  });
  packs.remove([pack(4).name]);
  expect(packs.byNumber(4)).toBeUndefined();
  expect(packs.directory(4)).toBeUndefined();
  expect(packs.add([pack(5)])).toEqual([5]);
  expect([...packs.directories(1)].map((row) => [row.number, row.directory[0]])).toEqual([
    [2, 2],
    [3, 3],
    [5, 5],
  ]);
  packs.markVerified([1, 2], 10n ** 18n + 1n);
  packs.markOpened([3]);
  expect(packs.all().map((row) => [row.number, row.verified, row.opened])).toEqual([
    [1, 10n ** 18n + 1n, false],
    [2, 10n ** 18n + 1n, true],
    [3, undefined, true],
    [5, undefined, false],
  ]);
  expect(packs.totals()).toEqual({ packs: 4, bytes: 4011, blobs: 51 });
  catalog.close();
  const db = openConnection(catalogFiles(place.dir).database, 'read');
  expect(db.one('SELECT count(*) AS n FROM pack_directories')).toEqual({ n: 4 });
  db.raw.close();
});

test('more packs than a page are read whole', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  catalog.packs.add(Array.from({ length: 300 }, (_, i) => pack(i)));
  expect([...catalog.packs.directories()].map((row) => row.number)).toEqual(
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
  catalog.close();
});

test('packs are compared with what the store lists', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const { packs } = catalog;
  packs.add([1, 2, 3, 4].map((i) => pack(i)));
  const listed = (i: number, size = 1000 + i): { name: string; size: number } => ({ name: pack(i).name, size });
  const names = (rows: { name: string }[]): string[] => rows.map((row) => row.name);
  const result = packs.reconcile([listed(1), listed(2, 5), listed(4), listed(9)], [pack(4).name, pack(3).name]);
  expect(names(result.missing)).toEqual([pack(3).name]);
  expect(names(result.short)).toEqual([pack(2).name]);
  expect(names(result.tombstoned)).toEqual([pack(4).name]);
  expect(result.unknown).toEqual([listed(9)]);
  expect(packs.all().map((row) => [row.present, row.tombstoned])).toEqual([
    [true, false],
    [false, false],
    [false, true],
    [true, true],
  ]);
  expect(packs.totals()).toEqual({ packs: 2, bytes: 2005, blobs: 25 });
  const healed = packs.reconcile(
    [1, 2, 3, 4].map((i) => listed(i)),
    [],
  );
  expect([healed.missing, healed.short, healed.tombstoned, healed.unknown]).toEqual([[], [], [], []]);
  expect(packs.all().every((row) => row.present && !row.tombstoned)).toBe(true);
  catalog.close();
});

test('merged objects, notes and transactions', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const { objects } = catalog;
  const [a, b] = [hexName('a'), hexName('b')].sort();
  objects.add('records', a, 'forget', '{"x":1}');
  objects.add('records', b);
  objects.add('index', a);
  expect(objects.names('records')).toEqual(new Set([a, b]));
  expect(objects.get('records', a)).toEqual({ name: a, kind: 'forget', body: '{"x":1}' });
  expect(objects.get('certs', a)).toBeUndefined();
  expect(objects.all('records').map((o) => o.name)).toEqual([a, b]);
  expect(objects.all('records', 'forget').map((o) => o.name)).toEqual([a]);
  objects.remove('records', [a]);
  expect([objects.names('records'), objects.names('index')]).toEqual([new Set([b]), new Set([a])]);
  catalog.setMeta('note', 'x');
  expect(() =>
    catalog.transaction(() => {
      catalog.setMeta('note', 'y');
      catalog.transaction(() => objects.add('certs', a));
      throw new Error('no');
    }),
  ).toThrow('no');
  expect([catalog.getMeta('note'), objects.names('certs').size]).toEqual(['x', 0]);
  catalog.setMeta('note', undefined);
  expect(catalog.getMeta('note')).toBeUndefined();
  catalog.close();
});
