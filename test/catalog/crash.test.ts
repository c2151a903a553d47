import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openConnection } from '../../src/catalog/connection.js';
import { openCatalog } from '../../src/catalog/index.js';
import { catalogFiles } from '../../src/catalog/paths.js';
import { killNode, startNode } from '../support/child.js';
import { openForTest, STORE, temporaryDirectory } from './helpers.js';

const FILES = 2000;

/** What file `i` holds in snapshot `seq`. */
const contentOf = (i: number, seq: number): number => (i * 31 + Math.floor(seq / ((i % 5) + 1))) % 7;

/** A child that takes snapshot after snapshot until it is killed. */
const runs = (dir: string): string => `
  import { openCatalog } from 'SRC/catalog/index.ts';
  import { backUp, file, SegmentStore, snapshotInput } from 'SRC/../test/catalog/helpers.ts';
  const { catalog } = await openCatalog({ dir: ${JSON.stringify(dir)}, storeId: '${STORE}', access: 'write', create: true });
  const contentOf = ${contentOf.toString()};
  for (const { run } of catalog.runs.sealed()) catalog.runs.complete(run);
  const store = new SegmentStore(31);
  let seq = (catalog.snapshots.latest('host')?.seq ?? 0) + 1;
  const { source } = catalog.snapshots.lineageFor('host', { name: snapshotInput(1).name, seq });
  process.stdout.write('ready');
  for (;; seq++) {
    const entries = Array.from({ length: ${FILES} }, (_, i) => file('d\\0' + String(i).padStart(5, '0'), contentOf(i, seq)));
    backUp(catalog, store, source, snapshotInput(seq), entries);
    await new Promise(setImmediate);
  }
`;

test('killed at any moment, the catalog holds whole runs only', async () => {
  using place = temporaryDirectory();
  for (const delay of [20, 300, 450, 610]) {
    const child = await startNode(place.dir, runs(place.dir));
    await sleep(delay);
    await killNode(child);
    const outcome = await openCatalog({ dir: place.dir, storeId: STORE, access: 'read' });
    if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
    expect(outcome.unclean).toBe(true);
    const { query, snapshots } = outcome.catalog;
    const rows = snapshots.all('host');
    expect(rows.map((row) => row.seq)).toEqual(rows.map((_, i) => i + 1));
    for (const row of rows.slice(-3)) {
      const sizes = [...query.entries(row)].map((e) => e.size);
      expect(sizes).toEqual(Array.from({ length: FILES }, (_, i) => contentOf(i, row.seq)));
    }
    outcome.catalog.close();
  }
  const catalog = await openForTest(place.dir);
  expect(catalog.snapshots.all().length).toBeGreaterThan(0);
  for (const { run } of catalog.runs.sealed()) catalog.runs.discard(run);
  catalog.close();
  const db = openConnection(catalogFiles(place.dir).database, 'read');
  expect(db.raw.pragma('integrity_check', { simple: true })).toBe('ok');
  // Nothing of killed runs stays behind.
  const stray = 'SELECT count(*) AS n FROM segment_bytes WHERE id NOT IN (SELECT bytes_id FROM segments)';
  expect(db.one(stray)).toEqual({ n: 0 });
  expect(db.one('SELECT count(*) AS n FROM segment_names WHERE id NOT IN (SELECT id FROM segments)')).toEqual({ n: 0 });
  db.raw.close();
});

test('sealing is on the disk before it returns, other commits are in the hands of the system', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  catalog.close();
  const db = openConnection(catalogFiles(place.dir).database, 'write');
  const synchronous = (): unknown => db.raw.pragma('synchronous', { simple: true });
  expect([synchronous(), db.raw.pragma('journal_mode', { simple: true })]).toEqual([1, 'wal']);
  expect(db.durably(synchronous)).toBe(2);
  expect(synchronous()).toBe(1);
  expect(() =>
    db.durably(() => {
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(synchronous()).toBe(1);
  db.raw.close();
});
