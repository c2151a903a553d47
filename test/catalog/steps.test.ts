import { expect, test } from 'vitest';
import { Aspect } from '../../src/catalog/aspects.js';
import { openConnection } from '../../src/catalog/connection.js';
import type { Db } from '../../src/catalog/database.js';
import { forgetSnapshots, resetSource, rewriteSnapshots } from '../../src/catalog/index.js';
import { compareKeys } from '../../src/catalog/keys.js';
import { catalogFiles } from '../../src/catalog/paths.js';
import { changes } from '../../src/catalog/queries/diff.js';
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

const store = new SegmentStore(15);

/** The sequences that steps lie between. */
function noted(db: Db): string[] {
  return db
    .all<{ before: number; after: number }>(
      `SELECT DISTINCT b.seq AS before, a.seq AS after FROM steps s
       JOIN snapshots b ON b.name = s.before JOIN snapshots a ON a.name = s.after ORDER BY 2`,
    )
    .map(({ before, after }) => `${before}-${after}`);
}

test('neighbours are compared without looking at a version', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const old = [file('a', 1), file('b', 1), file('c', 1), file('d', 1), directory('e'), file('g', 1)];
  const next = [
    file('b', 1, { mode: 0o600 }),
    file('c', 1, { ino: 7, ctimeSec: 9, user: 'other' }),
    file('d', 2),
    file('e'),
    file('f\x01\x02\xff', 1),
    file('g', 1, { size: 8 }),
  ];
  backUp(catalog, store, source, snapshotInput(1), old);
  backUp(catalog, store, source, snapshotInput(2), next);
  const [a, b] = catalog.snapshots.all('host');
  const db = openConnection(catalogFiles(place.dir).database, 'write');
  db.raw.exec('DELETE FROM history; DELETE FROM segment_bytes;');
  const there = [
    { key: 'a', aspects: Aspect.removed },
    { key: 'b', aspects: Aspect.metadata },
    { key: 'd', aspects: Aspect.content | Aspect.metadata },
    { key: 'e', aspects: Aspect.type },
    { key: 'f\x01\x02\xff', aspects: Aspect.added },
    { key: 'g', aspects: Aspect.content },
  ];
  expect([...changes(db, a, b)]).toEqual(there);
  expect([...changes(db, a, b, 'd')]).toEqual([there[2]]);
  const back = there.map(({ key, aspects }) => ({ key, aspects: { 16: 8, 8: 16 }[aspects] ?? aspects }));
  expect([...changes(db, b, a)]).toEqual(back);
  db.raw.close();
  catalog.close();
});

test('a step of many paths lies in several rows', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const name = (i: number): string => `${(i * 7919) % 10007}-${'x'.repeat(40)}`;
  const many: Entry[] = Array.from({ length: 4000 }, (_, i) => file(name(i))).sort((x, y) => compareKeys(x.key, y.key));
  backUp(catalog, store, source, snapshotInput(1), []);
  backUp(catalog, store, source, snapshotInput(2), many);
  const db = openConnection(catalogFiles(place.dir).database, 'read');
  expect(db.one<{ n: number }>('SELECT count(*) AS n FROM steps')!.n).toBeGreaterThan(2);
  const [a, b] = catalog.snapshots.all('host');
  expect([...changes(db, a, b)]).toEqual(many.map(({ key }) => ({ key, aspects: Aspect.added })));
  db.raw.close();
  catalog.close();
});

test('a step goes with either of its snapshots, and their neighbours are compared by their versions', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  for (let seq = 1; seq <= 6; seq++)
    backUp(catalog, store, source, snapshotInput(seq), [file('a', seq), file('b', seq), file('c', 1)]);
  const db = openConnection(catalogFiles(place.dir).database, 'read');
  expect(noted(db)).toEqual(['1-2', '2-3', '3-4', '4-5', '5-6']);
  await forgetSnapshots(catalog, [hexName('snapshot 3')]);
  expect(noted(db)).toEqual(['1-2', '4-5', '5-6']);
  const changed = (): string[] => {
    const rows = catalog.snapshots.all('host');
    return rows.slice(1).map((row, i) => [...changes(db, rows[i], row)].map(({ key }) => key).join(''));
  };
  expect(changed()).toEqual(['ab', 'ab', 'ab', 'ab']);
  await rewriteSnapshots(catalog, {
    source,
    without: ['b'],
    snapshots: [{ old: hexName('snapshot 5'), copy: snapshotInput(5, { name: hexName('copy of 5') }) }],
  });
  expect(noted(db)).toEqual(['1-2']);
  expect(changed()).toEqual(['ab', 'ab', 'ab', 'ab']);
  resetSource(catalog, source);
  backUp(catalog, store, source, snapshotInput(1), [file('a', 1)]);
  backUp(catalog, store, source, snapshotInput(2), [file('a', 2)]);
  expect(noted(db)).toEqual(['1-2']);
  const [one, two] = catalog.snapshots.all('host');
  expect([...changes(db, one, two)].map(({ key }) => key)).toEqual(['a']);
  db.raw.close();
  catalog.close();
});
