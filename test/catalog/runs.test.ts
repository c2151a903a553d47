import * as fs from 'node:fs';
import { expect, test } from 'vitest';
import { openConnection } from '../../src/catalog/connection.js';
import { applyListing, type Catalog, dumpCatalog, openCatalog, resetSource } from '../../src/catalog/index.js';
import { catalogFiles } from '../../src/catalog/paths.js';
import { type Entry, EntryType } from '../../src/format/entry.js';
import {
  backUp,
  directory,
  file,
  lineage,
  openForTest,
  SegmentStore,
  STORE,
  snapshotInput,
  temporaryDirectory,
} from './helpers.js';

/** What kill -9 leaves: the files as they are now, without closing anything. */
function afterKill(catalog: Catalog, dir: string): void {
  const from = catalogFiles(catalog.path.replace(/\/[^/]*$/, ''));
  const to = catalogFiles(dir);
  fs.copyFileSync(from.database, to.database);
  fs.copyFileSync(`${from.database}-wal`, `${to.database}-wal`);
  fs.copyFileSync(from.lock, to.lock);
}

function countRows(dir: string): Record<string, number> {
  const db = openConnection(catalogFiles(dir).database, 'read');
  const tables = [
    'segments',
    'segment_names',
    'segment_bytes',
    'staged_puts',
    'staged_drops',
    'staged_unsettled',
    'runs',
  ];
  const counts = tables.map((table) => [table, db.one<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)!.n]);
  db.raw.close();
  return Object.fromEntries(counts);
}

const list = (content: number): Entry[] => [
  directory(''),
  directory('a'),
  file('a\0x', content),
  file('a\0y', 1),
  file('b', 1),
];

test('nothing of a run shows before it is complete; an unsealed one is gone after a crash', async () => {
  using place = temporaryDirectory();
  using crashed = temporaryDirectory();
  const store = new SegmentStore();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  backUp(catalog, store, source, snapshotInput(1), list(1));
  const before = [...dumpCatalog(catalog)];
  const stage = catalog.runs.begin(source);
  for (const row of catalog.active.list(source)) stage.drop(row.rowid);
  for (const ref of store.cut(list(2))) stage.put(ref.firstKey, ref.id, store.get(ref.id));
  stage.unsettled('a\0x');
  stage.flush();
  expect([...dumpCatalog(catalog)]).toEqual(before);
  expect(catalog.runs.sealed()).toEqual([]);
  afterKill(catalog, crashed.dir);
  const other = await openForTest(crashed.dir);
  expect([...dumpCatalog(other)]).toEqual(before);
  other.close();
  const counts = countRows(crashed.dir);
  expect(counts).toMatchObject({ staged_puts: 0, staged_drops: 0, staged_unsettled: 0, runs: 0 });
  expect(counts.segment_bytes).toBe(counts.segments);
  expect(counts.segment_names).toBe(counts.segments);
  stage.discard();
  expect([...dumpCatalog(catalog)]).toEqual(before);
  catalog.close();
});

test('a sealed run is there after a crash, and is completed or discarded', async () => {
  for (const inStore of [true, false]) {
    using place = temporaryDirectory();
    using crashed = temporaryDirectory();
    const store = new SegmentStore();
    const catalog = await openForTest(place.dir);
    const source = lineage(catalog);
    backUp(catalog, store, source, snapshotInput(1), list(1));
    const before = [...dumpCatalog(catalog)];
    const stage = catalog.runs.begin(source);
    for (const row of catalog.active.list(source)) stage.drop(row.rowid);
    for (const ref of store.cut(list(2))) stage.put(ref.firstKey, ref.id, store.get(ref.id));
    stage.unsettled('a\0x');
    const snapshot = snapshotInput(2, { tags: ['t'], body: '{"x":1}', parent: snapshotInput(1).name, received: 5n });
    stage.seal(snapshot);
    afterKill(catalog, crashed.dir);
    const other = await openForTest(crashed.dir);
    const [sealed, ...rest] = other.runs.sealed();
    expect(rest).toEqual([]);
    expect(sealed.source).toBe(source);
    expect({ ...sealed.snapshot, listing: undefined }).toEqual({ ...snapshot, listing: undefined });
    expect(new Uint8Array(sealed.snapshot.listing!.id)).toEqual(snapshot.listing!.id);
    expect(() => other.runs.begin(source)).toThrow(/sealed/);
    if (inStore) {
      const result = other.runs.complete(sealed.run);
      expect(result).toMatchObject({ added: 0, changed: 1, removed: 0 });
      expect(result.snapshot).toMatchObject({ seq: 2, applied: true, state: 'live', tags: ['t'], body: '{"x":1}' });
      expect(other.active.unsettled(source)).toEqual(['a\0x']);
      stage.complete();
      expect([...dumpCatalog(other)]).toEqual([...dumpCatalog(catalog)]);
      expect(other.runsCompleted).toBe(2);
    } else {
      other.runs.discard(sealed.run);
      expect([...dumpCatalog(other)]).toEqual(before);
      expect(other.runsCompleted).toBe(1);
    }
    other.close();
    catalog.close();
    expect(countRows(crashed.dir)).toMatchObject({ runs: 0, staged_puts: 0, staged_drops: 0 });
  }
});

test('a run replaces the notes of unsettled files as a whole', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const run = (seq: number, notes: string[]): void => {
    const stage = catalog.runs.begin(source);
    for (const key of notes) stage.unsettled(key);
    stage.seal(snapshotInput(seq));
    stage.complete();
  };
  run(1, ['b', 'a\0b', 'a-b']);
  expect(catalog.active.unsettled(source)).toEqual(['a\0b', 'a-b', 'b']);
  run(2, ['b']);
  expect(catalog.active.unsettled(source)).toEqual(['b']);
  run(3, []);
  expect(catalog.active.unsettled(source)).toEqual([]);
  catalog.close();
});

test('unsettled files are derived from the times of the active ones', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const at = (mtimeSec: number, ctimeSec: number): Partial<Entry> => ({ mtimeSec, ctimeSec });
  const entries = [
    file('old', 1, at(1000, 1000)),
    file('in the future', 1, at(9_000_000, 1000)),
    file('just written', 1, at(4941, 1000)),
    file('just before that', 1, at(4939, 1000)),
    file('just changed', 1, at(1000, 4999)),
    directory('directory', at(5000, 5000)),
  ];
  backUp(catalog, new SegmentStore(1), source, snapshotInput(1), entries);
  expect(catalog.active.deriveUnsettled(source, 5_000_999_999_999n)).toBe(3);
  expect(catalog.active.unsettled(source)).toEqual(['in the future', 'just changed', 'just written']);
  catalog.close();
});

test('a pending snapshot is known, but is not the latest, until it is complete', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore();
  backUp(catalog, store, source, snapshotInput(1), list(1));
  const pending = snapshotInput(2, { pending: true });
  catalog.snapshots.add(source, pending, 'pending');
  expect(catalog.snapshots.get(pending.name)).toMatchObject({ state: 'pending', applied: false });
  expect(catalog.snapshots.latest('host')?.seq).toBe(1);
  expect(catalog.query.entryAt(catalog.snapshots.latest('host')!, 'a\0x')?.size).toBe(1);
  const { snapshot } = backUp(catalog, store, source, pending, list(2));
  expect(snapshot).toMatchObject({ state: 'live', applied: true });
  expect(catalog.snapshots.latest('host')?.seq).toBe(2);
  catalog.close();
});

test('a listing fetches only the segments that are not active', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore(1);
  const entries = Array.from({ length: 600 }, (_, i) => file(`f${String(i).padStart(4, '0')}`, 1));
  await applyListing(catalog, { source, snapshot: snapshotInput(1), ...store.listing(entries) });
  const changed = entries.map((e, i) => (i === 300 ? file(e.key, 2) : e));
  const listing = store.listing(changed);
  const fetched: Uint8Array[] = [];
  const result = await applyListing(catalog, {
    source,
    snapshot: snapshotInput(2),
    segments: listing.segments,
    fetch: (ids) => {
      fetched.push(...ids);
      return listing.fetch(ids);
    },
  });
  expect(fetched).toHaveLength(1);
  expect(result).toMatchObject({ added: 0, changed: 1, removed: 0 });
  expect(catalog.runsCompleted).toBe(0);
  await expect(applyListing(catalog, { source, snapshot: snapshotInput(2), ...listing })).rejects.toThrow(/not above/);
  expect(catalog.runs.sealed()).toEqual([]);
  const before = [...dumpCatalog(catalog)];
  const failing = async (): Promise<never> => Promise.reject(new Error('the store is away'));
  await expect(
    applyListing(catalog, { source, snapshot: snapshotInput(3), ...store.listing(entries), fetch: failing }),
  ).rejects.toThrow('away');
  expect([...dumpCatalog(catalog)]).toEqual(before);
  const awry = store.listing(entries);
  await expect(
    applyListing(catalog, { source, snapshot: snapshotInput(3), ...awry, segments: awry.segments.reverse() }),
  ).rejects.toThrow('does not ascend');
  expect([...dumpCatalog(catalog)]).toEqual(before);
  catalog.close();
});

test('every field of an entry makes a new version, and an equal entry does not', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore(0);
  const base: Partial<Entry> = { xattrs: [['user.a', Uint8Array.of(1)]], link: new Uint8Array(16), group: 'g' };
  const changes: Partial<Entry>[] = [
    { size: 99 },
    { mode: 0o600 },
    { uid: 7 },
    { gid: 7 },
    { mtimeSec: 3 },
    { mtimeNsec: 3 },
    { ctimeSec: 3 },
    { ctimeNsec: 3 },
    { ino: 8 },
    { chunkClass: 1 },
    { depth: 1 },
    { ids: new Uint8Array(48).fill(9) },
    { ids: new Uint8Array(24).fill(9) },
    { user: 'someone else' },
    { group: undefined },
    { xattrs: [['user.a', Uint8Array.of(2)]] },
    { xattrs: undefined },
    { link: new Uint8Array(16).fill(1) },
    { replaced: { chunkClass: 0, depth: 0, ids: new Uint8Array(24), size: 4 } },
    { type: EntryType.symlink, target: 'x', ids: new Uint8Array(0), size: 0 },
    { type: EntryType.chardev, rdev: { major: 1, minor: 2 }, ids: new Uint8Array(0), size: 0 },
    { type: EntryType.chardev, rdev: { major: 1, minor: 3 }, ids: new Uint8Array(0), size: 0 },
  ];
  const states = changes.map((change) => [file('a', 1), file('f', 1, { ...base, ...change }), file('z', 1)]);
  states.push(states.at(-1)!);
  states.forEach((entries, i) => {
    backUp(catalog, store, source, snapshotInput(i + 1), entries);
  });
  const versions = catalog.query.history('host', 'f');
  expect(versions.map((v) => v.from)).toEqual(changes.map((_, i) => i + 1));
  expect(versions.at(-1)?.to).toBeUndefined();
  expect(catalog.query.history('host', 'a')).toHaveLength(1);
  catalog.close();
});

test('a reset lineage is applied anew', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore(1);
  for (const seq of [1, 2, 3]) backUp(catalog, store, source, snapshotInput(seq), list(seq));
  const before = [...dumpCatalog(catalog)];
  resetSource(catalog, source);
  expect(catalog.snapshots.all().map((row) => row.applied)).toEqual([false, false, false]);
  expect(catalog.snapshots.latest('host')).toBeUndefined();
  expect(() => [...catalog.query.entries(catalog.snapshots.all()[0])]).toThrow(/does not hold/);
  for (const row of catalog.snapshots.all())
    await applyListing(catalog, { source, snapshot: row, ...store.listing(list(row.seq)) });
  expect([...dumpCatalog(catalog)]).toEqual(before);
  catalog.close();
  expect(countRows(place.dir).segment_bytes).toBe(countRows(place.dir).segments);
});

test('active segments are read in pages, in order, and found by key', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  expect(catalog.active.covering(source, 'x')).toBeUndefined();
  const keys = ['', 'a', 'a\0b', 'a-b', ...Array.from({ length: 50 }, (_, i) => `c\0${i}`), 'z\x01', 'z\xff'];
  backUp(
    catalog,
    new SegmentStore(1),
    source,
    snapshotInput(1),
    keys.map((key) => file(key, 1)),
  );
  const firstKeys: string[] = [];
  for (let page = catalog.active.page(source, undefined, 3); page.length > 0; ) {
    firstKeys.push(...page.map((row) => row.firstKey));
    page = catalog.active.page(source, page.at(-1)!.firstKey, 3);
  }
  expect(firstKeys).toEqual(catalog.active.list(source).map((row) => row.firstKey));
  expect(firstKeys[0]).toBe('');
  for (const key of [...keys, 'a\0bb', 'zz']) {
    const expected = firstKeys.filter((first) => first <= key).at(-1);
    expect(catalog.active.covering(source, key)?.firstKey).toBe(expected);
  }
  const outcome = await openCatalog({ dir: place.dir, storeId: STORE, access: 'read' });
  if (outcome.kind !== 'ok') throw new Error(outcome.kind);
  expect(outcome.catalog.active.page(source, undefined)[0].froms()).toContain(1);
  outcome.catalog.close();
  catalog.close();
});
