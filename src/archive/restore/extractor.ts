import fs from 'node:fs';
import { areZeros, type ByteString } from '../../bytes.js';
import { type BlobHasher, blobHasher } from '../../crypto/blob-id.js';
import type { Keyring } from '../../crypto/keyring.js';
import { ID_LENGTH } from '../../format/entry.js';
import {
  canWriteDirectly,
  chmodFd,
  chownFd,
  closeFd,
  createFileAt,
  DirectWriter,
  openFileAt,
  readFully,
  removeFileAt,
  removeXattrFd,
  StatBuffer,
  setTimesFd,
  setXattrFd,
  startWriteback,
  statFd,
  writeFully,
  writeWholeDirectly,
} from '../../platform/index.js';
import type { ObjectStore } from '../../store/index.js';
import { ACCESS_ACL, isRefusal, SETUID_SETGID } from './attributes.js';
import { BadFrame, CACHE_BYTES, FrameGone, FrameSource, type SealedFrames } from './frame-source.js';
import {
  BLOB_FIELDS,
  Blob,
  type ExtractResult,
  type ExtractTask,
  PART_FIELDS,
  UNIT_FIELDS,
  Unit,
  UnitFlag,
} from './messages.js';

/** What an extractor works with. */
export interface ExtractParts {
  store: ObjectStore;
  keyring: Keyring;
  /** Read back what was written. */
  verify: boolean;
  /** Bytes of opened frames to keep at hand. */
  cacheBytes?: number;
}

type Xattrs = readonly [name: ByteString, value: Uint8Array][];

/** A stretch of a file that is written at once. */
interface Run {
  source: Uint8Array;
  start: number;
  length: number;
  offset: number;
}

const NO_XATTRS: Xattrs = [];
const UNKNOWN = 0;
const GOOD = 1;
const BAD = 2;

/** State of a task while it is worked on. */
interface Work {
  task: ExtractTask;
  frames: SealedFrames;
  result: ExtractResult;
  names: ByteString[];
  xattrs: Map<number, Xattrs>;
  /** Per blob: not looked at, good or bad. */
  state: Uint8Array;
  /** Why the bad ones are. */
  reasons: Map<number, string>;
  /** By descriptor: who writes to a direct file, and for which unit last. */
  direct: Map<number, Direct>;
  /** Whole files that are being written. */
  writing: Set<Promise<void>>;
  /** The one that wrote last. */
  last: Direct | undefined;
}

/** A file that has been made, and is open. */
interface NewFile {
  dir: number;
  name: ByteString;
  fd: number;
}

interface Direct {
  writer: DirectWriter;
  unit: number;
}

/**
 * One worker's half of a restore: opens frames, checks each blob's id, and writes files.
 *
 * A file that is made whole is touched only when all its blobs have been found good, in one burst of system calls:
 * create, write, owner, permissions, attributes, and the time last, so that a file that looks restored is.
 */
export class Extractor {
  private readonly verify: boolean;
  private readonly source: FrameSource;
  private readonly hash: BlobHasher;
  private readonly id = new Uint8Array(ID_LENGTH);
  private readonly stat = new StatBuffer();
  private assembly = new Uint8Array(0);
  private readBack = new Uint8Array(0);

  constructor(parts: ExtractParts) {
    this.verify = parts.verify;
    this.source = new FrameSource(parts.store, parts.keyring, parts.cacheBytes ?? CACHE_BYTES);
    this.hash = blobHasher(parts.keyring, 'data');
  }

  /** Does a task. Rejects only when the store as a whole cannot be read; all else is in the result. */
  async run(task: ExtractTask): Promise<ExtractResult> {
    const result: ExtractResult = {
      failures: [],
      matched: [],
      badFrames: [],
      xattrFailures: [],
      chownFailures: 0,
      seams: [],
    };
    const work: Work = {
      task,
      frames: this.source.request(task),
      result,
      names: task.names.split('/'),
      xattrs: new Map(task.xattrs),
      state: new Uint8Array(task.blobs.length / BLOB_FIELDS),
      reasons: new Map(),
      direct: new Map(),
      last: undefined,
      writing: new Set(),
    };
    try {
      await this.units(work);
    } finally {
      work.frames.release();
      await this.settle(work);
    }
    return result;
  }

  private async units(work: Work): Promise<void> {
    const { units, parts, blobs } = work.task;
    let part = 0;
    for (let unit = 0; unit * UNIT_FIELDS < units.length; unit++) {
      const end = part + units[unit * UNIT_FIELDS + Unit.parts];
      for (let i = part; i < end; i++) {
        const arrival = work.frames.arrival(blobs[parts[i * PART_FIELDS + 1] * BLOB_FIELDS + Blob.frame]);
        if (arrival !== undefined) await arrival;
      }
      // Within a unit nothing waits: other tasks of this thread use the same buffers.
      for (let gone = this.tryUnit(work, unit, part, end); gone !== undefined; ) {
        await work.frames.again(gone);
        gone = this.tryUnit(work, unit, part, end);
      }
      if (work.result.full !== undefined) return;
      if (work.writing.size > MOST_BESIDE) await Promise.race(work.writing);
      const written = work.last?.writer.ready();
      if (written !== undefined) await written;
      part = end;
    }
  }

  /** Does a unit; gives the number of a frame that must be read first, if there is one. Doing it again is safe. */
  private tryUnit(work: Work, unit: number, begin: number, end: number): number | undefined {
    try {
      this.unit(work, unit, begin, end);
      return undefined;
    } catch (error) {
      if (error instanceof FrameGone) return error.frame;
      throw error;
    }
  }

  private unit(work: Work, unit: number, begin: number, end: number): void {
    const { units } = work.task;
    const flags = units[unit * UNIT_FIELDS + Unit.flags];
    try {
      if ((flags & UnitFlag.whole) === 0) this.pieces(work, unit, begin, end);
      else if ((flags & UnitFlag.compare) !== 0 && this.isThere(work, unit, begin, end)) work.result.matched.push(unit);
      else this.wholeFile(work, unit, begin, end);
    } catch (error) {
      this.refused(work, unit, error);
    }
  }

  private refused(work: Work, unit: number, error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === 'ENOSPC' || code === 'EDQUOT') work.result.full = message;
    else work.result.failures.push({ unit, code, message });
  }

  /** Waits until all pieces are written. */
  private async settle(work: Work): Promise<void> {
    await Promise.all(work.writing);
    for (const { writer, unit } of work.direct.values()) {
      try {
        await writer.settle();
      } catch (error) {
        this.refused(work, unit, error);
      }
    }
  }

  /** Who writes to a unit's direct file. */
  private directWriter(work: Work, unit: number, fd: number): DirectWriter {
    let direct = work.direct.get(fd);
    // One stretch at a time: what waits for more of its file takes memory.
    if (direct !== work.last) work.last?.writer.flush();
    if (direct === undefined) {
      const { seams } = work.result;
      const leave = (offset: number, bytes: Uint8Array): void => void seams.push([unit, offset, bytes.slice()]);
      // The file is new and has its place on the disk, which reads as zeros.
      direct = { writer: new DirectWriter(fd, leave, { skipsZeros: true }), unit };
      work.direct.set(fd, direct);
    }
    direct.unit = unit;
    work.last = direct;
    return direct.writer;
  }

  /** Writes pieces of a big file; good ones even when others are bad. */
  private pieces(work: Work, unit: number, begin: number, end: number): void {
    const { task } = work;
    const fd = task.units[unit * UNIT_FIELDS + Unit.fd];
    const isDirect = (task.units[unit * UNIT_FIELDS + Unit.flags] & UnitFlag.direct) !== 0;
    const direct = isDirect ? this.directWriter(work, unit, fd) : undefined;
    const bad = this.checkBlobs(work, begin, end);
    let run: Run | undefined;
    for (let i = begin; i < end; i++) {
      if (work.state[task.parts[i * PART_FIELDS + 1]] === BAD) continue;
      const next = this.runOf(work, i);
      if (run !== undefined && run.source === next.source && continues(run, next)) run.length += next.length;
      else {
        if (run !== undefined) writePiece(fd, run, direct);
        run = next;
      }
    }
    if (run !== undefined) writePiece(fd, run, direct);
    if (bad.length > 0) this.fail(work, unit, bad);
    if (this.verify) this.checkWritten(work, unit, fd, begin, end);
  }

  private wholeFile(work: Work, unit: number, begin: number, end: number): void {
    const bad = this.checkBlobs(work, begin, end);
    if (bad.length > 0) {
      this.fail(work, unit, bad);
      return;
    }
    const { units } = work.task;
    const at = unit * UNIT_FIELDS;
    const runs = this.gather(work, begin, end, units[at + Unit.size]);
    const dir = units[at + Unit.fd];
    const name = work.names[units[at + Unit.name]];
    if ((units[at + Unit.flags] & UnitFlag.replace) !== 0) removeIfThere(dir, name);
    const fd = createFileAt(dir, name, units[at + Unit.createMode]);
    const [only] = runs;
    if (runs.length === 1 && only.length >= DIRECT_FROM && only.length === units[at + Unit.size]) {
      if (!this.verify && canWriteDirectly(fd)) {
        this.beside(work, unit, { dir, name, fd }, only);
        return;
      }
    }
    let whole = false;
    try {
      let written = 0;
      for (const run of runs) {
        writeRun(fd, run);
        written = run.offset + run.length;
      }
      if (written < units[at + Unit.size]) {
        // Without its data on the disk it must not have its size: see RestoreSession.flushBig.
        if (written > 0) fs.fdatasyncSync(fd);
        fs.ftruncateSync(fd, units[at + Unit.size]);
      }
      if (!this.verify || this.checkWritten(work, unit, fd, begin, end)) {
        this.setAttributes(work, unit, fd);
        whole = true;
      }
    } finally {
      closeFd(fd);
      if (!whole) removeIfThere(dir, name);
    }
  }

  /** Writes a whole file while the next units are done. */
  private beside(work: Work, unit: number, { dir, name, fd }: NewFile, { source, start, length }: Run): void {
    const write = async (): Promise<void> => {
      let whole = false;
      try {
        await writeWholeDirectly(fd, source.subarray(start, start + length));
        this.setAttributes(work, unit, fd);
        whole = true;
      } finally {
        closeFd(fd);
        if (!whole) removeIfThere(dir, name);
      }
    };
    const writing: Promise<void> = write()
      .catch((error: unknown) => this.refused(work, unit, error))
      .finally(() => work.writing.delete(writing));
    // Whoever awaits it hears of it.
    writing.catch(() => undefined);
    work.writing.add(writing);
  }

  private setAttributes(work: Work, unit: number, fd: number): void {
    const { units } = work.task;
    const at = unit * UNIT_FIELDS;
    let perm = units[at + Unit.chmod];
    if (units[at + Unit.uid] !== -1) {
      try {
        chownFd(fd, units[at + Unit.uid], units[at + Unit.gid]);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        work.result.chownFailures++;
        if (perm !== -1) perm &= ~SETUID_SETGID;
      }
    }
    const xattrs = work.xattrs.get(unit) ?? NO_XATTRS;
    for (const [name, value] of xattrs) if (name !== ACCESS_ACL) this.setXattr(work, fd, name, value);
    if ((units[at + Unit.flags] & UnitFlag.clearAcl) !== 0) removeXattrFd(fd, ACCESS_ACL);
    if (perm !== -1) chmodFd(fd, perm);
    // An ACL brings permission bits of its own, so it comes last.
    for (const [name, value] of xattrs) if (name === ACCESS_ACL) this.setXattr(work, fd, name, value);
    setTimesFd(fd, units[at + Unit.mtimeSec], units[at + Unit.mtimeNsec]);
  }

  private setXattr(work: Work, fd: number, name: ByteString, value: Uint8Array): void {
    try {
      setXattrFd(fd, name, value);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      work.result.xattrFailures.push([name, code]);
    }
  }

  /** Whether the file is there, of this size, with the right bytes. */
  private isThere(work: Work, unit: number, begin: number, end: number): boolean {
    const { units } = work.task;
    const at = unit * UNIT_FIELDS;
    let fd: number;
    try {
      fd = openFileAt(units[at + Unit.fd], work.names[units[at + Unit.name]]);
    } catch {
      return false;
    }
    try {
      statFd(fd, this.stat);
      const { isFile, size } = this.stat;
      return (
        isFile &&
        size === units[at + Unit.size] &&
        this.sameBytes(work, fd, begin, end) &&
        this.sameHoles(work, fd, size, begin, end)
      );
    } finally {
      closeFd(fd);
    }
  }

  /** Looks at the blobs of some parts; returns the bad ones. */
  private checkBlobs(work: Work, begin: number, end: number): number[] {
    const { parts, blobs, ids } = work.task;
    let bad: number[] | undefined;
    for (let i = begin; i < end; i++) {
      const blob = parts[i * PART_FIELDS + 1];
      if (work.state[blob] === UNKNOWN) {
        const at = blob * BLOB_FIELDS;
        try {
          const plain = work.frames.plain(blobs[at + Blob.frame]);
          const start = blobs[at + Blob.start];
          this.hash(plain, start, start + blobs[at + Blob.length], this.id, 0);
          work.state[blob] = this.hasId(ids, blob * ID_LENGTH) ? GOOD : BAD;
          if (work.state[blob] === BAD) work.reasons.set(blob, 'damaged in the store: a chunk is not what its id says');
        } catch (error) {
          if (!(error instanceof BadFrame)) throw error;
          work.state[blob] = BAD;
          work.reasons.set(blob, error.message);
          const frame = blobs[at + Blob.frame];
          if (!work.result.badFrames.some(([known]) => known === frame))
            work.result.badFrames.push([frame, error.message]);
        }
      }
      if (work.state[blob] === BAD) {
        bad ??= [];
        bad.push(blob);
      }
    }
    return bad ?? NONE;
  }

  private fail(work: Work, unit: number, bad: number[]): void {
    const message = work.reasons.get(bad[0]) ?? 'damaged in the store';
    work.result.failures.push({ unit, message, blobs: bad });
  }

  /** The bytes of a whole file as few stretches. From several frames they are copied together first. */
  private gather(work: Work, begin: number, end: number, size: number): Run[] {
    const { parts, blobs } = work.task;
    if (begin === end) return [];
    const frameOf = (i: number): number => blobs[parts[i * PART_FIELDS + 1] * BLOB_FIELDS + Blob.frame];
    let single = true;
    for (let i = begin + 1; i < end && single; i++) single = frameOf(i) === frameOf(begin);
    const runs: Run[] = [];
    if (!single && this.assembly.length < size) this.assembly = new Uint8Array(size);
    for (let i = begin; i < end; i++) {
      let next = this.runOf(work, i);
      if (!single) {
        this.assembly.set(next.source.subarray(next.start, next.start + next.length), next.offset);
        next = { source: this.assembly, start: next.offset, length: next.length, offset: next.offset };
      }
      const last = runs.at(-1);
      if (last !== undefined && continues(last, next)) last.length += next.length;
      else runs.push(next);
    }
    return runs;
  }

  /** One part, in its frame; good until the next frame is opened. */
  private runOf(work: Work, part: number): Run {
    const { parts, blobs } = work.task;
    const at = parts[part * PART_FIELDS + 1] * BLOB_FIELDS;
    const source = work.frames.plain(blobs[at + Blob.frame]);
    return {
      source,
      start: blobs[at + Blob.start],
      length: blobs[at + Blob.length],
      offset: parts[part * PART_FIELDS],
    };
  }

  private checkWritten(work: Work, unit: number, fd: number, begin: number, end: number): boolean {
    if (this.sameBytes(work, fd, begin, end)) return true;
    const message = 'what was written reads back differently: check the disk and the memory of this machine';
    work.result.failures.push({ unit, code: 'EIO', message });
    return false;
  }

  /** Whether an open file holds the good ones of these parts. */
  private sameBytes(work: Work, fd: number, begin: number, end: number): boolean {
    const { parts, blobs, ids } = work.task;
    for (let i = begin; i < end; i++) {
      const blob = parts[i * PART_FIELDS + 1];
      if (work.state[blob] === BAD) continue;
      const length = blobs[blob * BLOB_FIELDS + Blob.length];
      if (this.readBack.length < length) this.readBack = new Uint8Array(length);
      if (!readFully(fd, this.readBack, length, parts[i * PART_FIELDS])) return false;
      this.hash(this.readBack, 0, length, this.id, 0);
      if (!this.hasId(ids, blob * ID_LENGTH)) return false;
    }
    return true;
  }

  /** Whether an open file has zeros where its parts leave holes. */
  private sameHoles(work: Work, fd: number, size: number, begin: number, end: number): boolean {
    const { parts, blobs } = work.task;
    let at = 0;
    for (let i = begin; i <= end; i++) {
      const next = i < end ? parts[i * PART_FIELDS] : size;
      const length = next - at;
      if (length > 0) {
        if (this.readBack.length < length) this.readBack = new Uint8Array(length);
        if (!readFully(fd, this.readBack, length, at)) return false;
        if (!areZeros(this.readBack.subarray(0, length))) return false;
      }
      if (i < end) at = next + blobs[parts[i * PART_FIELDS + 1] * BLOB_FIELDS + Blob.length];
    }
    return true;
  }

  private hasId(ids: Uint8Array, at: number): boolean {
    for (let i = 0; i < ID_LENGTH; i++) if (ids[at + i] !== this.id[i]) return false;
    return true;
  }
}

const NONE: number[] = [];

/** So many whole files may be on their way to the disk while the next is made. */
const MOST_BESIDE = 3;

/** Files from this size on are written past the page cache. Below it, waiting for the disk takes longer than copying. */
const DIRECT_FROM = 128 * 1024;

function continues(run: Run, next: Run): boolean {
  return run.source === next.source && next.offset === run.offset + run.length && next.start === run.start + run.length;
}

function writeRun(fd: number, { source, start, length, offset }: Run): void {
  writeFully(fd, source, offset, start, length);
}

/** Big files are synced in the end: the disk has something to do until then. */
function writePiece(fd: number, run: Run, direct: DirectWriter | undefined): void {
  if (direct !== undefined) {
    direct.write(run.source.subarray(run.start, run.start + run.length), run.offset);
    return;
  }
  writeRun(fd, run);
  startWriteback(fd, run.offset, run.length);
}

function removeIfThere(dir: number, name: ByteString): void {
  try {
    removeFileAt(dir, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
