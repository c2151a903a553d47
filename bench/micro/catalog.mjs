/**
 * The catalog at a large size: a million paths with a hundred snapshots of ten thousand random changes each.
 *
 *   npm run build && node bench/micro/catalog.mjs [paths] [snapshots] [changes]
 *
 * Prints how long it takes to fill, read, ask, forget and rebuild it, and how large it gets. The segments are made
 * beforehand into a file, so that only the catalog's own work is counted, with reading them.
 * BACKUP_NINJA_DIST names another folder of compiled code than dist/.
 */
import { createHash, randomFillSync } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = pathToFileURL(`${resolve(process.env.BACKUP_NINJA_DIST ?? 'dist')}/`).href;
const { applyListing, beginRebuild, dumpCatalog, forgetSnapshots, openCatalog } = await import(
  `${dist}src/catalog/index.js`
);
const { encodeSegment, decodeSegment } = await import(`${dist}src/format/segment.js`);
const { ListingCutter } = await import(`${dist}src/format/listing.js`);

const [PATHS, SNAPSHOTS, CHANGES] = [1_000_000, 100, 10_000].map((value, i) => Number(process.argv[2 + i] ?? value));
const STORE = '5e'.repeat(16);
const dir = fs.mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'bench-catalog-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));

// ---- what a store would hold: segments in one file, listings as arrays of references to them ----

const spool = fs.openSync(join(dir, 'segments'), 'w+');
let spooled = 0;

function keep(entries) {
  const bytes = encodeSegment(entries);
  const id = createHash('sha256').update(bytes).digest().subarray(0, 24);
  fs.writeSync(spool, bytes, 0, bytes.length, spooled);
  const ref = { firstKey: entries[0].key, id, at: spooled, length: bytes.length };
  spooled += bytes.length;
  return ref;
}

function read(ref) {
  const bytes = Buffer.allocUnsafe(ref.length);
  fs.readSync(spool, bytes, 0, ref.length, ref.at);
  return bytes;
}

const refById = new Map();
const fetch = async (ids) => ids.map((id) => read(refById.get(Buffer.from(id).toString('latin1'))));
const remember = (ref) => refById.set(ref.id.toString('latin1'), ref) && ref;

let seed = 1;
function random(below) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

const NAMES = ['notes', 'report', 'index', 'main', 'photo', 'data', 'draft', 'invoice'];
const ENDINGS = ['txt', 'ts', 'jpg', 'md', 'json', 'pdf', 'bin'];

function path(i) {
  const folder = Math.floor(i / 50);
  const name = `${NAMES[i % NAMES.length]}-${i}.${ENDINGS[i % ENDINGS.length]}`;
  return `home\0user\0project-${String(Math.floor(folder / 40)).padStart(4, '0')}\0part-${folder % 40}\0${name}`;
}

/** About two percent of the paths are directories. */
function pathsOf(count) {
  const paths = new Set(['home', 'home\0user']);
  for (let i = 0; paths.size < count; i++) {
    const file = path(i);
    const folder = file.slice(0, file.lastIndexOf('\0'));
    paths.add(folder.slice(0, folder.lastIndexOf('\0')));
    paths.add(folder);
    paths.add(file);
  }
  return [...paths].sort((a, b) => (a < b ? -1 : 1)).slice(0, count);
}

function entry(key, ino) {
  const isFile = key.includes('.');
  const ids = Buffer.allocUnsafe(isFile ? 24 : 0);
  randomFillSync(ids);
  return {
    key,
    type: isFile ? 1 : 0,
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    size: isFile ? random(200_000) : 0,
    mtimeSec: 1_600_000_000 + random(1e8),
    mtimeNsec: random(1e9),
    ctimeSec: 1_600_000_000 + random(1e8),
    ctimeNsec: random(1e9),
    ino,
    chunkClass: 0,
    depth: 0,
    ids,
    user: 'user',
    group: 'user',
  };
}

const snapshot = (seq) => ({
  name: createHash('sha256').update(`snapshot ${seq}`).digest('hex'),
  seq,
  time: BigInt(1_700_000_000 + seq * 86_400) * 1_000_000_000n,
  started: BigInt(1_700_000_000 + seq * 86_400 - 60) * 1_000_000_000n,
  mode: 'soft',
  kind: 'taken',
  pending: false,
  replaces: [],
  tags: [],
});

console.log(`${PATHS} paths, ${SNAPSHOTS} snapshots of ${CHANGES} changes, in ${dir}`);
const keys = pathsOf(PATHS);
const listings = makeListings();
console.log(`${listings[0].length} segments, ${(spooled / 1e6).toFixed(0)} MB of segments in all`);

function makeListings() {
  const cutter = new ListingCutter(new Uint8Array(16).fill(7));
  const entries = keys.map((key, i) => entry(key, i));
  const bounds = [0];
  const segmentOf = new Uint32Array(PATHS);
  for (let i = 1; i < PATHS; i++) {
    if (cutter.cutsBefore(keys[i], i - bounds.at(-1))) bounds.push(i);
    segmentOf[i] = bounds.length - 1;
  }
  bounds.push(PATHS);
  const write = (at) => remember(keep(entries.slice(bounds[at], bounds[at + 1])));
  const current = Array.from({ length: bounds.length - 1 }, (_, at) => write(at));
  const all = [[...current]];
  for (let seq = 2; seq <= SNAPSHOTS; seq++) {
    const touched = new Set();
    for (let i = 0; i < CHANGES; i++) {
      const at = random(PATHS);
      entries[at] = entry(keys[at], at);
      touched.add(segmentOf[at]);
    }
    for (const at of touched) current[at] = write(at);
    all.push([...current]);
  }
  return all;
}

// ---- measuring ----

const megabytes = (path) => `${(fs.statSync(path).size / 1e6).toFixed(0)} MB`;
const memory = () => `${(process.memoryUsage().rss / 1e6).toFixed(0)} MB resident`;

/** Wall-clock time and, since machines are shared, the processor's. */
function stopwatch() {
  const start = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { wall: performance.now() - start, cpu: (user + system) / 1000 };
  };
}

function show(label, { wall, cpu }, note = '') {
  const ms = (value) => value.toFixed(value < 10 ? 2 : 0).padStart(8);
  console.log(`${label.padEnd(46)} ${ms(wall)} ms  ${ms(cpu)} ms cpu  ${note}`);
}

async function time(label, work, note = () => '') {
  const elapsed = stopwatch();
  const result = await work();
  show(label, elapsed(), note(result));
  return result;
}

const count = (iterable) => {
  let n = 0;
  for (const _ of iterable) n++;
  return n;
};

async function open() {
  const outcome = await openCatalog({ dir, storeId: STORE, access: 'write', create: true });
  if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
  return outcome.catalog;
}

let catalog = await open();
const { source } = catalog.snapshots.lineageFor('bench', { name: snapshot(1).name, seq: 1 });

function backUp(seq) {
  const stage = catalog.runs.begin(source);
  const wanted = new Map(listings[seq - 1].map((ref) => [ref.id.toString('latin1'), ref]));
  for (const row of catalog.active.list(source)) if (!wanted.delete(row.id.toString('latin1'))) stage.drop(row.rowid);
  for (const ref of wanted.values()) stage.put(ref.firstKey, ref.id, read(ref));
  stage.seal(snapshot(seq));
  return stage.complete();
}

await time(
  'first run',
  () => backUp(1),
  () => `${megabytes(catalog.path)}, ${memory()}`,
);
const runs = [];
for (let seq = 2; seq <= SNAPSHOTS; seq++) {
  const elapsed = stopwatch();
  backUp(seq);
  runs.push(elapsed());
}
runs.sort((a, b) => a.cpu - b.cpu);
show(
  `each later run (median of ${runs.length})`,
  runs[runs.length >> 1],
  `slowest ${runs.at(-1).cpu.toFixed(0)} ms cpu, ${memory()}`,
);
catalog.close();
console.log(`size: ${megabytes(join(dir, 'catalog.db'))}`);
await time('open', async () => {
  catalog = await open();
});
await ask();

async function ask() {
  const { query, snapshots, active } = catalog;
  const at = (seq) => snapshots.get(snapshot(seq).name);
  const middle = Math.max(1, SNAPSHOTS >> 1);
  const results = (n) => `${n} results`;
  await time(
    'read the active segments in order',
    () => {
      let n = 0;
      for (let page = active.page(source, undefined); page.length > 0; page = active.page(source, page.at(-1).firstKey))
        for (const { bytes, froms } of page) n += decodeSegment(bytes).length + (froms().length & 0);
      return n;
    },
    results,
  );
  await time('all entries of the newest snapshot', () => count(query.entries(at(SNAPSHOTS))), results);
  await time('all entries of a snapshot in the middle', () => count(query.entries(at(middle))), results);
  await time(
    'ls of a directory, in the middle',
    () => count(query.entriesAt(at(middle), 'home\0user\0project-0100\0part-7', { recursive: false })),
    results,
  );
  await time(
    'ls above 500 full directories, in the middle',
    () => count(query.entriesAt(at(middle), 'home\0user', { recursive: false })),
    results,
  );
  await time('one entry, in the middle', () => (query.entryAt(at(middle), keys[PATHS >> 1]) ? 1 : 0), results);
  await time('history of a path', () => query.history('bench', keys[PATHS >> 1]).length, results);
  const all = { source: 'bench', all: true };
  await time('find a name, all snapshots', () => count(query.find('report-500001.*', all)), results);
  await time('find *500001*, all snapshots', () => count(query.find('*500001*', all)), results);
  await time('find what is not there, all snapshots', () => count(query.find('*.xyz', all)), results);
  await time(
    'find part of a path, all snapshots',
    () => count(query.find('/home/user/project-0100/**/*.pdf', all)),
    results,
  );
  await time('find photo-123*.jpg, newest', () => count(query.find('photo-123*.jpg', { source: 'bench' })), results);
  await time(
    'find photo-123*.jpg, in the middle',
    () => count(query.find('photo-123*.jpg', { source: 'bench', snapshot: at(middle) })),
    results,
  );
  await time('find *.jpg, all snapshots (many)', () => count(query.find('*.jpg', all)), results);
  await time('diff of the last two', () => count(query.changes(at(SNAPSHOTS - 1), at(SNAPSHOTS))), results);
  await time('diff of two in the middle', () => count(query.changes(at(middle - 1), at(middle))), results);
  await time('diff of the first and the last', () => count(query.changes(at(1), at(SNAPSHOTS))), results);
  await time('counts', () => query.counts('bench').history.versions, results);
  await time('contents of everything', () => count(query.contents()), results);
  await time('paths with history', () => count(query.keysWithHistory(source)), results);
  console.log(memory());
}

const rebuilding = await (async () => {
  catalog.close();
  const digest = createHash('sha256');
  if (process.env.BENCH_VERIFY) {
    catalog = await open();
    for (const line of dumpCatalog(catalog)) digest.update(line);
    catalog.close();
  }
  const elapsed = stopwatch();
  const rebuild = await beginRebuild({ dir, storeId: STORE });
  for (let seq = 1; seq <= SNAPSHOTS; seq++) {
    const lineage = rebuild.catalog.snapshots.lineageFor('bench', snapshot(seq));
    await applyListing(rebuild.catalog, {
      source: lineage.source,
      snapshot: snapshot(seq),
      segments: listings[seq - 1],
      fetch,
    });
  }
  show('rebuild: listings merged', elapsed(), memory());
  catalog = await rebuild.finish();
  show('rebuild: finished', elapsed(), `${megabytes(catalog.path)}, ${memory()}`);
  if (process.env.BENCH_VERIFY) {
    const again = createHash('sha256');
    for (const line of dumpCatalog(catalog)) again.update(line);
    console.log(
      digest.digest('hex') === again.digest('hex') ? 'the rebuilt catalog is equal' : 'THE REBUILT CATALOG DIFFERS',
    );
  }
})();
void rebuilding;

const name = (seq) => snapshot(seq).name;
const newHead = (row) => ({ segments: listings[row.seq - 1], fetch });
await time(
  'forget one snapshot',
  () => forgetSnapshots(catalog, [name(2)]),
  (r) => `${r.versions} versions`,
);
await time(
  'forget the newest snapshot',
  () => forgetSnapshots(catalog, [name(SNAPSHOTS)], newHead),
  (r) => `${r.versions} versions`,
);
const most = Array.from({ length: SNAPSHOTS - 1 }, (_, i) => i + 1).filter(
  (seq) => seq % 10 !== 0 && seq !== 2 && seq !== SNAPSHOTS - 1,
);
await time(
  `forget ${most.length} of the rest`,
  () => forgetSnapshots(catalog, most.map(name)),
  (r) => `${r.versions} versions`,
);
catalog.close();
console.log(`size: ${megabytes(join(dir, 'catalog.db'))}`);
