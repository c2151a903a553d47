/**
 * What each stage of a first backup costs, one after the other on one thread, and its share of the sum.
 *
 *   npm run build && node bench/micro/stages.mjs [DIR]      without DIR: node_modules of this package
 *
 * The stages are the program's own; what comes between them (threads, messages, batches) is not in it, and all files are
 * cut small. Run it twice: the first run also reads the tree from the disk.
 */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ClaimTable, createClaims } from '../../dist/src/archive/ingest/claim-table.js';
import { FrameBuilder } from '../../dist/src/archive/ingest/frame-builder.js';
import { PackWriter } from '../../dist/src/archive/ingest/pack-writer.js';
import { openCatalog } from '../../dist/src/catalog/index.js';
import { createChunker, DEFAULT_CHUNKERS, GEAR_BYTES } from '../../dist/src/chunk/index.js';
import { blobHasher } from '../../dist/src/crypto/blob-id.js';
import { createFullKeyring } from '../../dist/src/crypto/keyring.js';
import { native } from '../../dist/src/crypto/native.js';
import { EntryType, ID_LENGTH, NO_CONTENT } from '../../dist/src/format/entry.js';
import { ListingCutter } from '../../dist/src/format/listing.js';
import { createSealer, ObjectKind } from '../../dist/src/format/object.js';
import { encodeSegment } from '../../dist/src/format/segment.js';
import { Compressor } from '../../dist/src/format/zstd.js';
import { closeFd, openFile, StatBuffer, statFd } from '../../dist/src/platform/index.js';
import { pathOf, planRoots, scan } from '../../dist/src/scan/index.js';
import { openStore } from '../../dist/src/store/index.js';

const BUFFER = 8 * 1024 * 1024;
const dir = resolve(process.argv[2] ?? join(import.meta.dirname, '../../node_modules'));
const work = fs.mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'bench-stages-'));
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));

const STAGES = ['scan', 'read', 'chunk', 'hash', 'claim', 'gather and compress', 'seal', 'write packs'];
const spent = Object.fromEntries([...STAGES, 'encode listing', 'catalog'].map((stage) => [stage, 0]));
let inner = 0;

/** Does a piece of work and counts its time, less what was counted of other stages meanwhile. */
function timed(stage, job) {
  const before = inner;
  const start = performance.now();
  const result = job();
  const took = performance.now() - start;
  spent[stage] += took - (inner - before);
  inner = before + took;
  return result;
}

const keyring = createFullKeyring(native);
const store = await openStore(join(work, 'store'), { create: true, tableDir: work });
const chunker = createChunker(randomBytes(GEAR_BYTES), BUFFER);
const hash = blobHasher(keyring, 'data');
const claims = new ClaimTable(createClaims(0, 1_000_000), () => {});
const claim = { number: 0, isNew: false };
const sealing = createSealer(keyring, ObjectKind.pack).cipher;
const packs = [];
let frames = 0;
let pack;
const builder = new FrameBuilder(new Compressor('auto'), (frame) => {
  // Sealed twice: a pack writer does both in one step.
  const start = performance.now();
  timed('seal', () => sealing.seal(++frames, frame.data));
  const sealed = performance.now() - start;
  pack ??= new PackWriter(store, keyring, 'data', { run: randomBytes(16), writer: randomBytes(32) });
  timed('write packs', () => pack.add(frame));
  spent['write packs'] -= sealed;
  if (pack.full) finishPack();
});

function finishPack() {
  packs.push(pack.finish());
  pack = undefined;
}

const stat = new StatBuffer();

/** Reads a file to its end, cuts and stores it; returns its ids. */
function storeFile(path) {
  const ids = [];
  const fd = timed('read', () => openFile(path));
  try {
    timed('read', () => statFd(fd, stat));
    let end = 0;
    let position = 0;
    let scanned = 0;
    for (let eof = false; !eof; ) {
      const got = timed('read', () => fs.readSync(fd, chunker.buffer, end, BUFFER - end, position));
      position += got;
      end += got;
      eof = got === 0 || position >= stat.size;
      if (!eof && end < BUFFER) continue;
      const cuts = timed('chunk', () => chunker.cutAll(DEFAULT_CHUNKERS[0], { start: 0, end, scanned, eof }));
      let start = 0;
      for (const cut of cuts) {
        ids.push(storeChunk(start, cut));
        start = cut;
      }
      chunker.buffer.copyWithin(0, start, end);
      end -= start;
      scanned = end;
    }
  } finally {
    timed('read', () => closeFd(fd));
  }
  return Buffer.concat(ids);
}

function storeChunk(from, to) {
  const id = new Uint8Array(ID_LENGTH);
  timed('hash', () => hash(chunker.buffer, from, to, id, 0));
  timed('claim', () => claims.claim(id, 0, claim));
  if (claim.isNew) timed('gather and compress', () => builder.add(chunker.buffer, from, to, id, 0));
  return id;
}

const plan = await planRoots({
  config: { backupRoots: [dir], exclude: [], excludeFiles: [], excludeCaches: false, oneFileSystem: false },
  roots: [],
  exclude: [],
  acceptEmpty: [],
  previousRoots: [],
  hasEntries: () => false,
  neverSaved: [work],
  confirm: async () => false,
});
const { catalog } = await openCatalog({ dir: work, storeId: '5e'.repeat(16), access: 'write', create: true });
const snapshot = {
  name: randomBytes(32).toString('hex'),
  seq: 1,
  time: 1_700_000_000_000_000_000n,
  started: 1_700_000_000_000_000_000n,
  mode: 'full',
  kind: 'taken',
  pending: false,
  replaces: [],
  tags: [],
};
const stage = catalog.runs.begin(catalog.snapshots.lineageFor('bench', snapshot).source);
const cutter = new ListingCutter(keyring.shared.listingCut);
let entries = [];
let files = 0;
let bytes = 0;

function closeSegment() {
  const segment = timed('encode listing', () => encodeSegment(entries));
  const id = new Uint8Array(ID_LENGTH);
  timed('hash', () => hash(segment, 0, segment.length, id, 0));
  timed('catalog', () => stage.put(entries[0].key, id, segment));
  entries = [];
}

const items = scan(plan.scan)[Symbol.iterator]();
for (;;) {
  const { done, value: item } = timed('scan', () => items.next());
  if (done) break;
  if (item.kind !== 'entry') continue;
  const isFile = item.type === EntryType.file;
  const content = isFile ? { chunkClass: 0, depth: 0, ids: storeFile(pathOf(item.key)) } : NO_CONTENT;
  if (isFile) files++;
  bytes += item.size;
  const isCut = timed('encode listing', () => entries.length > 0 && cutter.cutsBefore(item.key, entries.length));
  if (isCut) closeSegment();
  const { key, type, mode, uid, gid, size, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec, ino } = item;
  entries.push({ key, type, mode, uid, gid, size, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec, ino, ...content });
}
closeSegment();
timed('gather and compress', () => builder.flush());
if (pack !== undefined) finishPack();
const start = performance.now();
await Promise.all(packs);
spent['write packs'] += performance.now() - start;
timed('catalog', () => {
  stage.seal(snapshot);
  stage.complete();
});
catalog.close();
await store.close();

const sum = Object.values(spent).reduce((a, b) => a + b, 0);
console.log(`${files} files, ${(bytes / 1e6).toFixed(1)} MB, ${frames} frames; one thread, wall time:`);
for (const [name, milliseconds] of Object.entries(spent)) {
  const share = `${((100 * milliseconds) / sum).toFixed(1)}%`.padStart(6);
  const perFile = `${((1000 * milliseconds) / files).toFixed(1)} µs a file`.padStart(18);
  console.log(`${name.padEnd(20)} ${milliseconds.toFixed(0).padStart(7)} ms ${share} ${perFile}`);
}
console.log(`${'together'.padEnd(20)} ${sum.toFixed(0).padStart(7)} ms`);
