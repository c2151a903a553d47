import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openConnection } from '../../src/catalog/connection.js';
import {
  beginRebuild,
  type Catalog,
  isDamage,
  lastUse,
  type OpenOutcome,
  openCatalog,
} from '../../src/catalog/index.js';
import { migrate, SCHEMA_VERSION, schemaVersion } from '../../src/catalog/migrate.js';
import { catalogFiles } from '../../src/catalog/paths.js';
import { ExitCode, UserError } from '../../src/errors.js';
import { killNode, startNode } from '../support/child.js';
import {
  backUp,
  file,
  lineage,
  openForTest,
  SegmentStore,
  STORE,
  snapshotInput,
  temporaryDirectory,
} from './helpers.js';

const open = (dir: string, access: 'read' | 'write' = 'write'): Promise<OpenOutcome> =>
  openCatalog({ dir, storeId: STORE, access });

/** A closed catalog with one snapshot of some files. */
async function filled(dir: string, files = 400): Promise<void> {
  const catalog = await openForTest(dir);
  fill(catalog, files);
  catalog.close();
}

function fill(catalog: Catalog, files: number, seq = 1): void {
  const source = lineage(catalog, seq);
  const entries = Array.from({ length: files }, (_, i) => file(`d\0file-${i}`, seq + (i % 5)));
  backUp(catalog, new SegmentStore(15), source, snapshotInput(seq), entries);
}

/** Overwrites pages of tables in the middle of the database. */
function scribble(path: string): void {
  const fd = fs.openSync(path, 'r+');
  const size = fs.fstatSync(fd).size;
  for (let at = 8192 * 4; at < size - 8192; at += 8192) fs.writeSync(fd, Buffer.alloc(2000, 0x5a), 0, 2000, at);
  fs.closeSync(fd);
}

test('a catalog that is not there is missing, or made, for its owner only', async () => {
  using place = temporaryDirectory();
  const dir = join(place.dir, 'deep', 'table');
  expect(await open(dir)).toEqual({ kind: 'missing' });
  expect(await open(dir, 'read')).toEqual({ kind: 'missing' });
  const outcome = await openCatalog({ dir, storeId: STORE, access: 'write', create: true });
  if (outcome.kind !== 'ok') throw new Error(outcome.kind);
  expect(outcome.created).toBe(true);
  fill(outcome.catalog, 5);
  for (const name of fs.readdirSync(dir))
    expect([name, fs.statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  expect(fs.readdirSync(dir)).toContain('catalog.db-wal');
  expect(fs.statSync(dir).mode & 0o777).toBe(0o700);
  expect(outcome.catalog.id).toMatch(/^[0-9a-f]{32}$/);
  expect(outcome.catalog.generation).toMatch(/^[0-9a-f]{16}$/);
  const { id, generation } = outcome.catalog;
  outcome.catalog.close();
  const again = await open(dir);
  if (again.kind !== 'ok') throw new Error(again.kind);
  expect(again).toMatchObject({ created: false, unclean: false, migrated: false });
  expect([again.catalog.id, again.catalog.generation, again.catalog.runsCompleted]).toEqual([id, generation, 1]);
  again.catalog.close();
});

test('one writer at a time, readers beside it', async () => {
  using place = temporaryDirectory();
  const writer = await openForTest(place.dir);
  fill(writer, 10);
  await expect(open(place.dir)).rejects.toMatchObject({ exit: ExitCode.locked });
  await expect(beginRebuild({ dir: place.dir, storeId: STORE })).rejects.toMatchObject({ exit: ExitCode.locked });
  const reader = await open(place.dir, 'read');
  if (reader.kind !== 'ok') throw new Error(reader.kind);
  expect(reader.unclean).toBe(false);
  expect(reader.catalog.snapshots.latest('host')?.seq).toBe(1);
  fill(writer, 10, 2);
  expect(reader.catalog.snapshots.latest('host')?.seq).toBe(2);
  expect(() => reader.catalog.setMeta('a', 'b')).toThrow(/readonly/);
  reader.catalog.close();
  const waiting = openCatalog({ dir: place.dir, storeId: STORE, access: 'write', waitLock: 10_000 });
  setTimeout(() => writer.close(), 150);
  const next = await waiting;
  if (next.kind !== 'ok') throw new Error(next.kind);
  next.catalog.close();
});

test('a writer can tell whether another has been there since it looked', async () => {
  using temporary = temporaryDirectory();
  const { dir } = temporary;
  expect(lastUse(dir)).toBeUndefined();
  await filled(dir);
  expect(lastUse(dir)).toBeUndefined(); // only just
  await sleep(150);
  const seen = lastUse(dir);
  expect(seen).toBeDefined();
  const reader = await open(dir, 'read');
  if (reader.kind === 'ok') reader.catalog.close();

  const first = await openForTest(dir);
  expect(first.usedBefore).toBe(seen);
  await sleep(150);
  expect(lastUse(dir)).toBeUndefined(); // in use
  first.close();
  await sleep(150);
  const second = await openForTest(dir);
  expect(second.usedBefore).not.toBe(seen);
  second.close();
});

test('damage that shows in the header or the size is seen at once', async () => {
  using place = temporaryDirectory();
  const path = catalogFiles(place.dir).database;
  await filled(place.dir);
  const whole = fs.readFileSync(path);
  const outcomeOf = async (bytes: Uint8Array): Promise<OpenOutcome['kind'][]> => {
    fs.writeFileSync(path, bytes);
    return [(await open(place.dir, 'read')).kind, (await open(place.dir)).kind];
  };
  expect(await outcomeOf(whole.subarray(0, whole.length - 8192))).toEqual(['damaged', 'damaged']);
  expect(await outcomeOf(whole.subarray(0, 50))).toEqual(['damaged', 'damaged']);
  expect(await outcomeOf(Buffer.concat([Buffer.from('garbage!'), whole.subarray(8)]))).toEqual(['damaged', 'damaged']);
  const noSchema = Buffer.from(whole);
  noSchema.fill(0, 100, 8192);
  expect(await outcomeOf(noSchema)).toEqual(['damaged', 'damaged']);
  const other = join(place.dir, 'other.db');
  new Database(other).exec('CREATE TABLE meta (key, value)').close();
  expect(await outcomeOf(fs.readFileSync(other))).toEqual(['damaged', 'damaged']);
  expect(await outcomeOf(new Uint8Array(0))).toEqual(['missing', 'missing']);
  const healed = await outcomeOf(whole);
  expect(healed[0]).toBe('ok');
});

test('after an unclean end the whole database is looked through, by whoever comes first', async () => {
  for (const access of ['read', 'write'] as const) {
    using place = temporaryDirectory();
    const files = catalogFiles(place.dir);
    await filled(place.dir, 3000);
    fs.writeFileSync(files.lock, '4711\n');
    const first = await open(place.dir, access);
    expect(first).toMatchObject({ kind: 'ok', unclean: true });
    if (first.kind === 'ok') first.catalog.close();
    // Found whole, it is not looked through again.
    const second = await open(place.dir, access);
    expect(second).toMatchObject({ kind: 'ok', unclean: false });
    if (second.kind === 'ok') second.catalog.close();
    scribble(files.database);
    fs.writeFileSync(files.lock, '4711\n');
    expect(await open(place.dir, access)).toMatchObject({ kind: 'damaged' });
    // And again, since nothing was repaired.
    expect(await open(place.dir, access)).toMatchObject({ kind: 'damaged' });
  }
});

test('damage met later is known as such', async () => {
  using place = temporaryDirectory();
  await filled(place.dir, 3000);
  scribble(catalogFiles(place.dir).database);
  let thrown: unknown;
  try {
    const outcome = await open(place.dir, 'read');
    if (outcome.kind !== 'ok') throw new Error(outcome.kind);
    const { catalog } = outcome;
    const latest = catalog.snapshots.latest('host')!;
    for (const _ of catalog.query.entries(latest));
  } catch (error) {
    thrown = error;
  }
  expect(isDamage(thrown)).toBe(true);
  expect(isDamage(new Error('SQLITE_CORRUPT'))).toBe(false);
});

test('the catalog of another store, or of a newer program, is refused and left alone', async () => {
  using place = temporaryDirectory();
  await filled(place.dir, 5);
  const refused = openCatalog({ dir: place.dir, storeId: 'cd'.repeat(16), access: 'write', create: true });
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toMatchObject({
    exit: ExitCode.usage,
    message: expect.stringContaining('another store'),
  });
  const path = catalogFiles(place.dir).database;
  const raw = new Database(path);
  raw.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
  raw.close();
  await expect(open(place.dir)).rejects.toMatchObject({
    exit: ExitCode.usage,
    message: expect.stringContaining('newer'),
  });
  await expect(open(place.dir, 'read')).rejects.toMatchObject({ exit: ExitCode.usage });
});

test('older schemas are brought up step by step, each with its number', async () => {
  using place = temporaryDirectory();
  await filled(place.dir, 5);
  const db = openConnection(catalogFiles(place.dir).database, 'write');
  const start = schemaVersion(db);
  const steps = {
    [start]: (): void => db.run('CREATE TABLE first (x)') && undefined,
    [start + 1]: (): void => {
      db.run('INSERT INTO first VALUES (1)');
      throw new Error('half way');
    },
  };
  expect(() => migrate(db, start + 2, steps)).toThrow('half way');
  expect(schemaVersion(db)).toBe(start + 1);
  expect(db.all('SELECT * FROM first')).toEqual([]);
  steps[start + 1] = (): void => db.run('INSERT INTO first VALUES (2)') && undefined;
  expect(migrate(db, start + 2, steps)).toBe(true);
  expect(db.all('SELECT * FROM first')).toEqual([{ x: 2 }]);
  expect(schemaVersion(db)).toBe(start + 2);
  expect(migrate(db, start + 4, steps)).toBe(false);
  // There is no way up from version 0: it is rebuilt.
  db.raw.pragma('user_version = 0');
  db.raw.close();
  expect(await open(place.dir)).toMatchObject({ kind: 'damaged', reason: expect.stringContaining('older version') });
});

test('a rebuild replaces a damaged catalog, and readers of the old one go on', async () => {
  using place = temporaryDirectory();
  const files = catalogFiles(place.dir);
  await filled(place.dir, 300);
  const reader = await open(place.dir, 'read');
  if (reader.kind !== 'ok') throw new Error(reader.kind);
  const rebuild = await beginRebuild({ dir: place.dir, storeId: STORE });
  fill(rebuild.catalog, 20, 7);
  // Still the old one for everyone else.
  const meanwhile = await open(place.dir, 'read');
  if (meanwhile.kind !== 'ok') throw new Error(meanwhile.kind);
  expect(meanwhile.catalog.snapshots.latest('host')?.seq).toBe(1);
  meanwhile.catalog.close();
  const anew = await rebuild.finish();
  expect(anew.snapshots.latest('host')?.seq).toBe(7);
  expect(anew.id).not.toBe(reader.catalog.id);
  expect(anew.generation).not.toBe(reader.catalog.generation);
  expect([...reader.catalog.query.entries(reader.catalog.snapshots.latest('host')!)]).toHaveLength(300);
  reader.catalog.close();
  await expect(open(place.dir)).rejects.toMatchObject({ exit: ExitCode.locked });
  anew.close();
  expect(fs.existsSync(files.building) || fs.existsSync(files.ready)).toBe(false);
  const after = await openForTest(place.dir);
  expect(after.snapshots.latest('host')?.seq).toBe(7);
  after.close();
});

test('an aborted rebuild leaves the old catalog', async () => {
  using place = temporaryDirectory();
  await filled(place.dir, 5);
  const rebuild = await beginRebuild({ dir: place.dir, storeId: STORE });
  fill(rebuild.catalog, 20, 7);
  rebuild.abort();
  const catalog = await openForTest(place.dir);
  expect(catalog.snapshots.latest('host')?.seq).toBe(1);
  catalog.close();
  expect(fs.readdirSync(place.dir).filter((name) => name.includes('new'))).toEqual([]);
});

test('a crash while the new catalog takes the place of the old one is finished by the next open', async () => {
  using place = temporaryDirectory();
  using source = temporaryDirectory();
  const files = catalogFiles(place.dir);
  await filled(place.dir, 5);
  await filled(source.dir, 9);
  fs.copyFileSync(catalogFiles(source.dir).database, files.ready);
  // The old database is deleted already, its log is not.
  fs.renameSync(files.database, `${files.database}-wal`);
  const catalog = await openForTest(place.dir);
  expect([...catalog.query.entries(catalog.snapshots.latest('host')!)]).toHaveLength(9);
  catalog.close();
});

test('a log without its database does not find its way into a new one', async () => {
  using place = temporaryDirectory();
  const files = catalogFiles(place.dir);
  const catalog = await openForTest(place.dir);
  fill(catalog, 50);
  const log = fs.readFileSync(`${files.database}-wal`);
  catalog.close();
  fs.rmSync(files.database);
  fs.writeFileSync(`${files.database}-wal`, log);
  const anew = await openForTest(place.dir);
  expect(anew.snapshots.all()).toEqual([]);
  anew.close();
});

test('what is committed survives kill -9, and the lock goes with its holder', async () => {
  using place = temporaryDirectory();
  const child = await startNode(
    place.dir,
    `
    import { openCatalog } from 'SRC/catalog/index.ts';
    const outcome = await openCatalog({ dir: ${JSON.stringify(place.dir)}, storeId: '${STORE}', access: 'write', create: true });
    const { catalog } = outcome;
    const pack = (i) => ({ name: String(i).padStart(64, '0'), kind: 'data', size: i, run: '00', writer: '01', opened: false,
      directory: new Uint8Array(5000), blobs: 3 });
    for (let i = 0; i < 50; i++) catalog.packs.add([pack(i)]);
    process.stdout.write('ready');
    setInterval(() => {}, 1000);
    `,
  );
  try {
    await expect(open(place.dir)).rejects.toMatchObject({ exit: ExitCode.locked });
  } finally {
    await killNode(child);
  }
  const outcome = await open(place.dir);
  if (outcome.kind !== 'ok') throw new Error(outcome.kind);
  expect(outcome.unclean).toBe(true);
  expect(outcome.catalog.packs.all()).toHaveLength(50);
  outcome.catalog.close();
});
