import fs from 'node:fs';
import { areZeros } from '../bytes.js';
import { isLinux } from './constants.js';
import { failureFd } from './descriptors.js';
import { errnoOf } from './error.js';
import { libc, memory, outcome, scratch } from './ffi.js';
import { startWriteback, writeFully } from './file.js';

/**
 * Writing past the page cache (O_DIRECT). What is written once and not read soon need not be copied there: that costs
 * more processor time than anything else does to bytes that do not compress, and drives out what others have there.
 */

/** Offsets, lengths and memory of direct writes are multiples of this: no disk has larger blocks. */
export const BLOCK = 4096;

const fcntl = isLinux ? libc('fcntl', 'int', ['int', 'int', 'int']) : () => null;
const fstatfs = isLinux ? libc('fstatfs', 'int', ['int', 'uintptr_t']) : () => null;

const fallocate = isLinux ? libc('fallocate', 'int', ['int', 'int', 'int64', 'int64']) : () => null;

const F_SETFL = 4;
const EXT4 = 0xef53;
const XFS = 0x58465342;

/**
 * Whether an open file may be written directly. Only where that is known to be a plain write to the disk: Btrfs would not
 * compress, file systems of the network would wait for each write.
 */
export function canWriteDirectly(fd: number): boolean {
  const call = fstatfs();
  if (call === null) return false;
  const { address, bytes } = scratch(128);
  if (outcome(call(fd, address)) < 0) return false;
  const type = bytes.readUInt32LE(0);
  return type === EXT4 || type === XFS;
}

/**
 * Has all further writes to an open file go past the page cache, or not any more. The file must have been opened without
 * flags that can be changed later, as `createFileAt` does. False when the file system refuses.
 */
export function setDirect(fd: number, on: boolean): boolean {
  const call = fcntl();
  return call !== null && outcome(call(fd, F_SETFL, on ? fs.constants.O_DIRECT : 0)) >= 0;
}

/**
 * Gives a stretch of a file its place on the disk, if the file system knows how, and reads as zeros until it is written.
 * Ext4 lets direct writes to places that are there go on side by side. Throws ENOSPC when there is no room.
 */
export function allocate(fd: number, offset: number, length: number): void {
  const call = fallocate();
  const result = call === null ? 0 : outcome(call(fd, 0, offset, length));
  if (result === errnoOf('ENOSPC') || result === errnoOf('EDQUOT')) throw failureFd(result, 'fallocate', fd);
}

/** New memory that direct writes may come from. */
export function alignedMemory(size: number): Uint8Array<ArrayBuffer> {
  const { address, bytes } = memory(size + BLOCK);
  const start = (BLOCK - (address % BLOCK)) % BLOCK;
  return new Uint8Array(bytes.buffer, start, size);
}

/** Bytes that are written at once. */
const STAGE = 512 * 1024;
/** Zeros of a file that has its place already are left out by so many, and at multiples of it. */
const CELL = 64 * 1024;
/** So many are on their way to the disk at a time, for each file that is written in stretches, and for one that grows. */
const UNDER_WAY = 6;
const UNDER_WAY_AT_END = 3;
/** Memory of this thread that is kept for what is written next. */
const free: Uint8Array<ArrayBuffer>[] = [];
const MOST_FREE = 32;

/**
 * Writes stretches of a direct file: what follows on what came before is gathered, copied, and written in large pieces
 * beside the work that goes on. Where a stretch begins or ends within a block, that part is handed back.
 */
export class DirectWriter {
  private readonly fd: number;
  private readonly leave: (offset: number, bytes: Uint8Array) => void;
  private readonly most: number;
  private readonly skipsZeros: boolean;
  private stage: Uint8Array<ArrayBuffer> | undefined;
  private used = 0;
  /** Where in the file the stage begins. */
  private position = 0;
  private readonly underWay = new Set<Promise<void>>();
  private failure: Error | undefined;

  /**
   * @param fd stays the caller's, who must not close it before `settle` has ended
   * @param leave gets what does not fill a block, and where it belongs; the bytes are good during the call
   * @param options.most pieces that are written at a time beside other work
   * @param options.skipsZeros leaves out long runs of zeros: for a file that reads as zeros wherever it is not written
   */
  constructor(
    fd: number,
    leave: (offset: number, bytes: Uint8Array) => void,
    { most = UNDER_WAY, skipsZeros = false } = {},
  ) {
    this.fd = fd;
    this.most = most;
    this.skipsZeros = skipsZeros;
    this.leave = leave;
  }

  /** Writes bytes, which are copied. Throws what the system said of these or earlier ones. */
  write(bytes: Uint8Array, offset: number): void {
    this.throwFailure();
    if (!this.skipsZeros) {
      this.gather(bytes, offset);
      return;
    }
    let from = 0;
    for (let at = -offset & (CELL - 1); at + CELL <= bytes.length; at += CELL) {
      if (!areZeros(bytes.subarray(at, at + CELL))) continue;
      this.gather(bytes.subarray(from, at), offset + from);
      from = at + CELL;
    }
    this.gather(bytes.subarray(from), offset + from);
  }

  private gather(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return;
    if (offset !== this.position + this.used) {
      this.flush();
      this.position = offset;
    }
    let at = 0;
    if (this.stage === undefined && offset % BLOCK !== 0) {
      at = Math.min(bytes.length, BLOCK - (offset % BLOCK));
      this.leave(offset, bytes.subarray(0, at));
      this.position = offset + at;
    }
    while (at < bytes.length) {
      this.stage ??= free.pop() ?? alignedMemory(STAGE);
      const length = Math.min(bytes.length - at, STAGE - this.used);
      this.stage.set(bytes.subarray(at, at + length), this.used);
      this.used += length;
      at += length;
      if (this.used === STAGE) this.send(this.stage, STAGE);
    }
  }

  /** Resolves when little enough is under way that more would be written beside other work; undefined if it is so now. */
  ready(): Promise<void> | undefined {
    return this.underWay.size <= this.most / 2 ? undefined : this.wait();
  }

  /** Ends the stretch, so that memory is free for other files. */
  flush(): void {
    const { stage, used } = this;
    if (stage === undefined) return;
    const whole = used - (used % BLOCK);
    if (whole < used) this.leave(this.position + whole, stage.subarray(whole, used));
    if (whole > 0) this.send(stage, whole);
    else giveBack(stage);
    this.stage = undefined;
    this.position += this.used;
    this.used = 0;
  }

  /** Resolves when nothing is being written any more. Throws what the system said. */
  async settle(): Promise<void> {
    this.flush();
    await Promise.all(this.underWay);
    this.throwFailure();
  }

  /** Writes whole blocks of the stage, beside the work that goes on if not too much is under way. */
  private send(stage: Uint8Array<ArrayBuffer>, length: number): void {
    const bytes = stage.subarray(0, length);
    const { fd, position } = this;
    this.position += length;
    this.used -= length;
    this.stage = undefined;
    if (this.underWay.size >= this.most) {
      try {
        writeDirectly(fd, bytes, position);
      } catch (error) {
        this.failure ??= error as Error;
      }
      giveBack(stage);
      return;
    }
    const writing: Promise<void> = writeBeside(fd, bytes, position)
      .catch((error: Error) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.underWay.delete(writing);
        giveBack(stage);
      });
    this.underWay.add(writing);
  }

  private async wait(): Promise<void> {
    while (this.underWay.size > this.most / 2) await Promise.race(this.underWay);
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

/** Appends to a new, empty file: directly where that can be done, else so that the disk begins at once. */
export class Appender {
  private readonly fd: number;
  private size = 0;
  private end: { offset: number; bytes: Uint8Array } | undefined;
  private direct: DirectWriter | undefined;

  /** @param fd stays the caller's, who must not close it before `settle` has ended */
  constructor(fd: number) {
    this.fd = fd;
    if (!canWriteDirectly(fd) || !setDirect(fd, true)) return;
    const keep = (offset: number, bytes: Uint8Array): void => {
      this.end = { offset, bytes: bytes.slice() };
    };
    this.direct = new DirectWriter(fd, keep, { most: UNDER_WAY_AT_END });
  }

  /** Adds bytes, which are copied. Throws what the system said of these or earlier ones. */
  append(bytes: Uint8Array): void {
    if (this.direct !== undefined) this.direct.write(bytes, this.size);
    else {
      writeFully(this.fd, bytes, this.size);
      startWriteback(this.fd, this.size, bytes.length);
    }
    this.size += bytes.length;
  }

  /** Resolves when all can be read from the file, and no more is to be added. Throws what the system said. */
  async settle(): Promise<void> {
    if (this.direct === undefined) return;
    await this.direct.settle();
    this.direct = undefined;
    setDirect(this.fd, false);
    if (this.end !== undefined) writeFully(this.fd, this.end.bytes, this.end.offset);
  }
}

/**
 * Writes a whole new file, directly as far as it has whole blocks, and beside the work that goes on: the bytes are copied
 * before this returns. Resolves when all of them are written. The file must stay open until then.
 */
export async function writeWholeDirectly(fd: number, bytes: Uint8Array): Promise<void> {
  const whole = bytes.length - (bytes.length % BLOCK);
  const end = bytes.slice(whole);
  setDirect(fd, true);
  const writes: Promise<void>[] = [];
  for (let at = 0; at < whole; at += STAGE) {
    const stage = free.pop() ?? alignedMemory(STAGE);
    const length = Math.min(STAGE, whole - at);
    stage.set(bytes.subarray(at, at + length));
    writes.push(writeBeside(fd, stage.subarray(0, length), at).finally(() => giveBack(stage)));
  }
  const results = await Promise.allSettled(writes);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  setDirect(fd, false);
  writeFully(fd, end, whole);
}

function giveBack(stage: Uint8Array<ArrayBuffer>): void {
  if (free.length < MOST_FREE) free.push(stage);
}

/** Writes whole blocks from aligned memory to a direct file, on another thread. */
function writeBeside(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.length, position, (error, written) => {
      try {
        if (error !== null && error.code !== 'EINVAL') throw error;
        // The rest, if there is one: the disk may be full.
        const done = error === null ? written : 0;
        if (done < bytes.length) writeDirectly(fd, bytes.subarray(done), position + done);
        resolve();
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

/** Writes whole blocks from aligned memory to a direct file. One that turns out not to take them is made a plain one. */
export function writeDirectly(fd: number, bytes: Uint8Array, position: number): void {
  try {
    writeFully(fd, bytes, position);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL' || !setDirect(fd, false)) throw error;
    writeFully(fd, bytes, position);
  }
}
