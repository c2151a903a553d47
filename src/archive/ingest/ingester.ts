import { readSync } from 'node:fs';
import type { ByteString } from '../../bytes.js';
import { type Chunker, type ChunkerParams, createChunker } from '../../chunk/index.js';
import { blobHasher } from '../../crypto/blob-id.js';
import type { Keyring } from '../../crypto/keyring.js';
import { buildChunkList, holeId } from '../../format/chunk-list.js';
import { type ChunkClass, clampSeconds, ID_LENGTH } from '../../format/entry.js';
import { Compressor } from '../../format/zstd.js';
import {
  closeFd,
  FileOpener,
  getXattrFd,
  listXattrsFd,
  nextData,
  nextHole,
  openFile,
  StatBuffer,
  statFd,
} from '../../platform/index.js';
import type { ObjectStore } from '../../store/index.js';
import type { Claim, ClaimTable } from './claim-table.js';
import { FrameBuilder } from './frame-builder.js';
import {
  CLASS_UNKNOWN,
  type CutResult,
  type CutTask,
  type FilesResult,
  type FilesTask,
  type FlushResult,
  type FlushTask,
  type IngestResult,
  type IngestTask,
  PackedFiles,
  ReadStatus,
  STAT_FIELDS,
  Stat,
  type StoreResult,
  type StoreTask,
} from './messages.js';
import { type FinishedPack, type FramePayload, type PackOrigin, PackWriter } from './pack-writer.js';

/** Packs smaller than this are not finished at the end of a run but merged with those of the other workers. */
const STANDS_ALONE = 4 * 1024 * 1024;

/** Files from this size on are sampled for their class; smaller ones are cut small. */
const SAMPLED_FROM = 256 * 1024;
const SAMPLE = 16 * 1024;

/** Bytes read at once; must hold the largest chunk. */
const READ_BUFFER = 8 * 1024 * 1024;
/** The same for what is cut small, or has yet to be sampled, at least: the rest of that memory is never touched by most runs. */
const SMALL_READ = 2 * 1024 * 1024;

/** Holes smaller than this are read as the zeros they are. */
const SMALLEST_HOLE = 64 * 1024;

/** What an ingester works with. */
export interface IngestParts {
  store: ObjectStore;
  keyring: Keyring;
  origin: PackOrigin;
  claims: ClaimTable;
  chunkers: [ChunkerParams, ChunkerParams];
  /** zstd level, or what suits each frame; 0 stores raw. */
  level: number | 'auto';
}

/**
 * One worker's half of a backup: reads files, cuts, names, claims and stores their chunks.
 *
 * File bytes are read into the chunker's memory, cut and hashed there, and copied once, into the frame they are
 * compressed from. Frames and packs stay open from one task to the next, so they fill up however small the tasks are.
 */
export class Ingester {
  private readonly parts: IngestParts;
  private readonly chunker: Chunker;
  /** Bytes read at once of what is cut small. */
  private readonly smallRead: number;
  private readonly hash: (source: Uint8Array, start: number, end: number, out: Uint8Array, at: number) => void;
  private readonly hashNode: (source: Uint8Array, start: number, end: number, out: Uint8Array, at: number) => void;
  private readonly frames: [compressed: FrameBuilder, raw: FrameBuilder];
  private readonly sampler = new Compressor(1);
  private readonly opener = new FileOpener();
  private readonly stat = new StatBuffer();
  private readonly statAfter = new StatBuffer();
  private readonly claim: Claim = { number: 0, isNew: false };
  private pack: PackWriter | undefined;
  private readonly finishing = new Set<Promise<void>>();
  private finished: FinishedPack[] = [];
  private failure: unknown;
  private bytesRead = 0;
  private bytesNew = 0;
  /** What was cut last and is not stored yet; its bytes lie one after the other at the beginning of the chunker's memory. */
  private stretch: { pieces: readonly number[]; chunkClass: ChunkClass } | undefined;
  /** Whether what was read last ends there. */
  private atEnd = false;
  // Ids and chunk sizes of the file being read.
  private ids: Uint8Array = new Uint8Array(1024 * ID_LENGTH);
  private sizes: number[] = [];
  // What the entries of the task's files name, one file after the other.
  private named: Uint8Array = new Uint8Array(1024 * ID_LENGTH);
  private namedBytes = 0;
  // Rows of the task's files, as in FilesResult.
  private stats = new Float64Array(0);

  constructor(parts: IngestParts) {
    this.parts = parts;
    this.chunker = createChunker(parts.keyring.gearBytes(), READ_BUFFER);
    this.smallRead = Math.min(READ_BUFFER, Math.max(SMALL_READ, 2 * parts.chunkers[0].max));
    this.hash = blobHasher(parts.keyring, 'data');
    this.hashNode = blobHasher(parts.keyring, 'chunk-list');
    const emit = (frame: FramePayload): void => this.store(frame);
    const compressor = parts.level === 0 ? undefined : new Compressor(parts.level);
    this.frames = [new FrameBuilder(compressor, emit), new FrameBuilder(undefined, emit)];
  }

  /** Does a task of whatever kind, one at a time. */
  async run(task: IngestTask): Promise<IngestResult> {
    switch (task.kind) {
      case 'files':
        return this.files(task);
      case 'cut':
        return this.cut(task);
      case 'store':
        return this.storeStretch(task);
      case 'flush':
        return this.flush(task);
    }
  }

  /** Reads some files and stores what is new of them. */
  async files(task: FilesTask): Promise<FilesResult> {
    this.stretch = undefined;
    this.parts.claims.adopt(task.levels);
    const numbers = task.count * STAT_FIELDS;
    if (this.stats.length < numbers) this.stats = new Float64Array(numbers);
    else this.stats.fill(0, 0, numbers);
    const result: FilesResult = {
      kind: 'files',
      stats: this.stats,
      ids: new Uint8Array(0),
      errors: [],
      xattrs: [],
      nodes: [],
      bytesRead: 0,
      bytesNew: 0,
      packs: [],
    };
    const files = new PackedFiles(task.files);
    this.namedBytes = 0;
    try {
      for (let i = 0; i < task.count; i++) {
        files.next();
        this.file(files, task.classes[i], i, result);
      }
    } finally {
      this.opener.close();
    }
    // Made last, these go with the next young generation: what is there for longer stays until all is collected.
    result.stats = this.stats.slice(0, numbers);
    result.ids = this.named.slice(0, this.namedBytes);
    await this.settle(result);
    return result;
  }

  /** Reads and cuts the next stretch of a big file, which stays in the chunker's memory until it is stored. */
  async cut(task: CutTask): Promise<CutResult> {
    this.stretch = undefined;
    const before = new Float64Array(STAT_FIELDS);
    before[Stat.started] = Date.now();
    const after = new Float64Array(STAT_FIELDS);
    const pieces = new Float64Array(0);
    const result: CutResult = {
      kind: 'cut',
      status: ReadStatus.ok,
      before,
      after,
      xattrs: [],
      chunkClass: 0,
      pieces,
      end: false,
    };
    let fd: number;
    try {
      fd = openFile(task.path);
    } catch (error) {
      return { ...result, status: openFailure(error), error: (error as Error).message };
    }
    try {
      statFd(fd, this.stat);
      if (!this.stat.isFile) return { ...result, status: ReadStatus.retyped };
      if (this.stat.size > Number.MAX_SAFE_INTEGER)
        return { ...result, status: ReadStatus.unreadable, error: TOO_LARGE };
      fillStats(before, 0, this.stat);
      result.xattrs = task.offset === 0 ? readXattrs(fd) : [];
      this.cutStretch(fd, task, result);
      statFd(fd, this.statAfter);
      fillStats(after, 0, this.statAfter);
    } catch (error) {
      if (!(error as NodeJS.ErrnoException).code) throw error;
      return { ...result, pieces, status: ReadStatus.unreadable, error: (error as Error).message };
    } finally {
      closeFd(fd);
    }
    return result;
  }

  private cutStretch(fd: number, { offset, chunkClass: hint }: CutTask, result: CutResult): void {
    const { chunker } = this;
    const { buffer } = chunker;
    const { size } = this.stat;
    const pieces: number[] = [];
    let position = offset;
    let chunkClass = hint;
    let start = 0;
    for (const { from, to, isHole } of extents(fd, this.stat, offset)) {
      if (isHole) {
        pieces.push(from - to);
        position = to;
        continue;
      }
      if (start === buffer.length) break;
      const end = this.fill(fd, start, buffer.length, from, to);
      const eof = this.atEnd;
      if (chunkClass === CLASS_UNKNOWN) chunkClass = this.sampleClass(buffer, start, end);
      const params = this.parts.chunkers[chunkClass as ChunkClass];
      for (const cut of chunker.cutAll(params, { start, end, scanned: 0, eof })) {
        pieces.push(cut - start);
        position += cut - start;
        start = cut;
      }
      if (!eof) break;
    }
    result.pieces = Float64Array.from(pieces);
    result.end = position >= size;
    result.chunkClass = chunkClass === 1 ? 1 : 0;
    this.stretch = { pieces, chunkClass: result.chunkClass };
  }

  /** Stores the stretch that was cut last. */
  private async storeStretch({ levels }: StoreTask): Promise<StoreResult> {
    const { stretch } = this;
    if (stretch === undefined) throw new Error('there is no stretch to be stored');
    this.stretch = undefined;
    this.parts.claims.adopt(levels);
    this.beginContent();
    let at = 0;
    for (const piece of stretch.pieces) {
      if (piece < 0) this.addHole(-piece);
      else {
        this.addChunk(this.chunker.buffer, at, at + piece, stretch.chunkClass);
        at += piece;
      }
    }
    // What was read beyond the last cut will be read again, and does not count.
    this.bytesRead += at;
    const ids = this.ids.slice(0, this.sizes.length * ID_LENGTH);
    const result: StoreResult = { kind: 'store', ids, bytesRead: 0, bytesNew: 0, packs: [] };
    await this.settle(result);
    return result;
  }

  /** Stores what is gathered. A small last pack is not finished if its frames can be merged: they are handed back. */
  async flush({ isOnly }: FlushTask): Promise<FlushResult> {
    this.throwFailure();
    for (const frames of this.frames) frames.flush();
    const pack = this.pack;
    this.pack = undefined;
    let frames: FramePayload[] = [];
    if (pack !== undefined) {
      if (pack.size < STANDS_ALONE && !isOnly) frames = await pack.dissolve();
      else this.finish(pack);
    }
    await Promise.all(this.finishing);
    this.throwFailure();
    return { kind: 'flush', packs: this.takeFinished(), frames };
  }

  /** Gives up what is not stored yet. */
  async close(): Promise<void> {
    const { pack } = this;
    this.pack = undefined;
    await Promise.all([...this.finishing, pack?.abandon()]);
  }

  /** Reads a file, stores what is new of it, and fills its row of the result. */
  private file({ directory, name }: PackedFiles, classHint: number, index: number, result: FilesResult): void {
    const { stats } = result;
    const row = index * STAT_FIELDS;
    stats[row + Stat.started] = Date.now();
    this.beginContent();
    let fd: number;
    try {
      fd = this.opener.open(directory, name);
    } catch (error) {
      stats[row + Stat.status] = openFailure(error);
      result.errors.push([index, (error as Error).message]);
      return;
    }
    try {
      statFd(fd, this.stat);
      if (!this.stat.isFile) {
        stats[row + Stat.status] = ReadStatus.retyped;
        return;
      }
      if (this.stat.size > Number.MAX_SAFE_INTEGER) {
        stats[row + Stat.status] = ReadStatus.unreadable;
        result.errors.push([index, TOO_LARGE]);
        return;
      }
      const chunkClass = this.readContent(fd, this.stat, classHint);
      const xattrs = readXattrs(fd);
      if (xattrs.length > 0) result.xattrs.push([index, xattrs]);
      statFd(fd, this.statAfter);
      this.describe(row, chunkClass, result);
    } catch (error) {
      this.throwFailure();
      stats[row + Stat.status] = ReadStatus.unreadable;
      result.errors.push([index, (error as Error).message]);
      if (!(error as NodeJS.ErrnoException).code) throw error;
    } finally {
      closeFd(fd);
    }
  }

  /** Fills a file's row of the result from the metadata before reading, and adds the ids that its entry names. */
  private describe(row: number, chunkClass: ChunkClass, result: FilesResult): void {
    const { stats } = result;
    const before = this.stat;
    const after = this.statAfter;
    const size = this.sizes.reduce((sum, n) => sum + n, 0);
    const moved =
      size !== before.size ||
      after.size !== before.size ||
      after.mtimeSec !== before.mtimeSec ||
      after.mtimeNsec !== before.mtimeNsec ||
      after.ctimeSec !== before.ctimeSec ||
      after.ctimeNsec !== before.ctimeNsec;
    stats[row + Stat.status] = moved ? ReadStatus.changed : ReadStatus.ok;
    fillStats(stats, row, before);
    stats[row + Stat.size] = size;
    const list = buildChunkList(this.ids.subarray(0, this.sizes.length * ID_LENGTH), this.sizes, (bytes) => {
      const id = new Uint8Array(ID_LENGTH);
      this.hashNode(bytes, 0, bytes.length, id, 0);
      result.nodes.push({ id, bytes });
      return id;
    });
    stats[row + Stat.cut] = (list.depth << 1) | chunkClass;
    stats[row + Stat.idCount] = list.ids.length / ID_LENGTH;
    this.named = roomFor(this.named, this.namedBytes / ID_LENGTH, list.ids.length / ID_LENGTH);
    this.named.set(list.ids, this.namedBytes);
    this.namedBytes += list.ids.length;
  }

  /** Reads an open file to its end, from data to data where it has holes. */
  private readContent(fd: number, stat: StatBuffer, classHint: number): ChunkClass {
    let chunkClass = classHint;
    for (const { from, to, isHole } of extents(fd, stat, 0)) {
      if (isHole) {
        this.addHole(to - from);
        continue;
      }
      chunkClass = this.readChunks(fd, from, to, chunkClass);
    }
    return chunkClass === 1 ? 1 : 0;
  }

  /**
   * Reads [from, to) of a file, or to its end, cuts it, and stores the chunks.
   * @returns the class, sampled if it was unknown
   */
  private readChunks(fd: number, from: number, to: number, classHint: number): number {
    const { chunker } = this;
    const buffer = chunker.buffer;
    let start = 0;
    let end = 0;
    let scanned = 0;
    let position = from;
    let chunkClass = classHint;
    for (let eof = false; !eof; ) {
      const filled = this.fill(fd, end, chunkClass === 1 ? buffer.length : this.smallRead, position, to);
      this.bytesRead += filled - end;
      position += filled - end;
      end = filled;
      eof = this.atEnd;
      if (chunkClass === CLASS_UNKNOWN) chunkClass = this.sampleClass(buffer, start, end);
      const known = chunkClass as ChunkClass;
      const params = this.parts.chunkers[known];
      if (eof && end - start <= params.min) {
        // One chunk, or nothing: most files are small.
        if (end > start) this.addChunk(buffer, start, end, known);
        return chunkClass;
      }
      for (const cut of chunker.cutAll(params, { start, end, scanned, eof })) {
        this.addChunk(buffer, start, cut, known);
        start = cut;
      }
      buffer.copyWithin(0, start, end);
      scanned = end - start;
      end = scanned;
      start = 0;
    }
    return chunkClass;
  }

  /**
   * Reads from a place in a file into the chunker's memory, from `at` on, until `room` of it is full or `to` is reached, or
   * the file's end. Returns where in the memory the bytes end; `atEnd` says whether no more are to come.
   */
  private fill(fd: number, at: number, room: number, position: number, to: number): number {
    const { buffer } = this.chunker;
    let end = at;
    this.atEnd = false;
    while (!this.atEnd && end < room) {
      const from = position + end - at;
      const want = Math.min(room - end, to - from);
      const got = want === 0 ? 0 : readSync(fd, buffer, end, want, from);
      end += got;
      // A short read at the size that was seen is the end; a file that grows meanwhile is noticed by its times.
      this.atEnd = got === 0 || from + got >= to || (got < want && from + got >= this.stat.size);
    }
    return end;
  }

  /** Class 1 (large chunks) for what does not compress, judged by samples of what has been read. */
  private sampleClass(buffer: Uint8Array, start: number, end: number): ChunkClass {
    const size = end - start;
    if (size < SAMPLED_FROM) return 0;
    let saved = 0;
    for (let i = 0; i < 3; i++) {
      const at = start + Math.floor(((size - SAMPLE) * i) / 2);
      const compressed = this.sampler.compress(buffer.subarray(at, at + SAMPLE)).length;
      saved += SAMPLE - Math.min(compressed, SAMPLE);
    }
    return saved < (3 * SAMPLE) / 32 ? 1 : 0;
  }

  private beginContent(): void {
    this.sizes = [];
  }

  private addHole(length: number): void {
    this.ids = roomFor(this.ids, this.sizes.length);
    this.ids.set(holeId(length), this.sizes.length * ID_LENGTH);
    this.sizes.push(length);
  }

  private addChunk(buffer: Uint8Array, start: number, end: number, chunkClass: ChunkClass): void {
    this.ids = roomFor(this.ids, this.sizes.length);
    const at = this.sizes.length * ID_LENGTH;
    this.hash(buffer, start, end, this.ids, at);
    this.sizes.push(end - start);
    this.parts.claims.claim(this.ids, at, this.claim);
    if (!this.claim.isNew) return;
    this.bytesNew += end - start;
    this.frames[chunkClass].add(buffer, start, end, this.ids, at);
  }

  private store(frame: FramePayload): void {
    try {
      this.pack ??= new PackWriter(this.parts.store, this.parts.keyring, 'data', this.parts.origin);
      this.pack.add(frame);
    } catch (error) {
      // Blobs of other files were in it too: this is the end of the run, not one unreadable file.
      this.failure ??= error;
      throw error;
    }
    if (!this.pack.full) return;
    this.finish(this.pack);
    this.pack = undefined;
  }

  /** Finishes a pack beside the work that goes on. A failure surfaces at the end of the task. */
  private finish(pack: PackWriter): void {
    const done: Promise<void> = pack.finish().then(
      (finished) => {
        this.finished.push(finished);
        this.finishing.delete(done);
      },
      (error: unknown) => {
        this.failure ??= error;
        this.finishing.delete(done);
      },
    );
    this.finishing.add(done);
  }

  private async settle(result: FilesResult | StoreResult): Promise<void> {
    // One pack may be on its way to the disk while the next is filled; more would only pile up.
    while (this.finishing.size > 1) await Promise.race(this.finishing);
    this.throwFailure();
    result.packs = this.takeFinished();
    result.bytesRead = this.bytesRead;
    result.bytesNew = this.bytesNew;
    this.bytesRead = 0;
    this.bytesNew = 0;
  }

  private takeFinished(): FinishedPack[] {
    const packs = this.finished;
    this.finished = [];
    return packs;
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

/** Listings hold sizes below 2^53. Only a file that is nearly all hole can be that large. */
const TOO_LARGE = 'a file of 2^53 bytes or more (8 PiB), which cannot be saved';

/** What a file's failure to open means. */
function openFailure(error: unknown): ReadStatus {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return ReadStatus.vanished;
  return code === 'ELOOP' ? ReadStatus.retyped : ReadStatus.unreadable;
}

/** Fills a row of `stats`, which begins at `row`. */
function fillStats(stats: Float64Array, row: number, stat: StatBuffer): void {
  stats[row + Stat.mode] = stat.perm;
  stats[row + Stat.uid] = stat.uid;
  stats[row + Stat.gid] = stat.gid;
  stats[row + Stat.size] = stat.size;
  stats[row + Stat.mtimeSec] = clampSeconds(stat.mtimeSec);
  stats[row + Stat.mtimeNsec] = stat.mtimeNsec;
  stats[row + Stat.ctimeSec] = clampSeconds(stat.ctimeSec);
  stats[row + Stat.ctimeNsec] = stat.ctimeNsec;
  // Modulo 2^53, as the scan has it: some file systems use all 64 bits.
  stats[row + Stat.ino] = (stat.inoHigh & 0x1f_ffff) * 2 ** 32 + stat.inoLow;
  stats[row + Stat.nlink] = stat.nlink;
}

/** A stretch of a file that holds data, or none. */
interface Extent {
  from: number;
  to: number;
  isHole: boolean;
}

/**
 * A file's stretches from `offset` on, in order. Holes too small to be worth naming count as the zeros they are. Data at the
 * end has no end: what grows while it is read is read to its end all the same.
 */
function extents(fd: number, stat: StatBuffer, offset: number): Iterable<Extent> {
  const { size } = stat;
  if (stat.blocks * 512 + SMALLEST_HOLE > size) return [{ from: offset, to: Number.POSITIVE_INFINITY, isHole: false }];
  return extentsOfSparse(fd, size, offset);
}

function* extentsOfSparse(fd: number, size: number, offset: number): Generator<Extent> {
  let from = offset;
  let at = offset;
  while (at < size) {
    const data = Math.min(nextData(fd, at) ?? size, size);
    if (data - at >= SMALLEST_HOLE) {
      if (from < at) yield { from, to: at, isHole: false };
      yield { from: at, to: data, isHole: true };
      from = data;
    }
    at = data < size ? Math.min(nextHole(fd, data), size) : size;
  }
  if (from < size || size === 0) yield { from, to: Number.POSITIVE_INFINITY, isHole: false };
}

/** Ids with room for `more` behind the first `count`: the same array, or a larger one with what is in it. */
function roomFor(ids: Uint8Array, count: number, more = 1): Uint8Array {
  const needed = (count + more) * ID_LENGTH;
  if (needed <= ids.length) return ids;
  const larger = new Uint8Array(Math.max(needed, ids.length * 2));
  larger.set(ids);
  return larger;
}

/** All extended attributes of an open file, sorted by name. */
function readXattrs(fd: number): [ByteString, Uint8Array][] {
  const names = listXattrsFd(fd);
  if (names.length === 0) return [];
  const pairs: [ByteString, Uint8Array][] = [];
  for (const name of names) {
    const value = getXattrFd(fd, name);
    if (value !== null) pairs.push([name, value]);
  }
  return pairs;
}
