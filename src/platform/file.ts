import fs from 'node:fs';
import { isDarwin, isLinux } from './constants.js';
import { failureFd } from './descriptors.js';
import { attempt, errnoOf } from './error.js';
import { inBackground, libc, outcome } from './ffi.js';

const lseek = libc('lseek', 'int64_t', ['int', 'int64_t', 'int']);
const posixFadvise = isLinux ? libc('posix_fadvise', 'int', ['int', 'int64_t', 'int64_t', 'int']) : () => null;

const syncfs = isLinux ? libc('syncfs', 'int', ['int']) : () => null;
const syncFileRange = isLinux ? libc('sync_file_range', 'int', ['int', 'int64_t', 'int64_t', 'uint']) : () => null;

const SEEK_DATA = isDarwin ? 4 : 3;
const SEEK_HOLE = isDarwin ? 3 : 4;
const SYNC_FILE_RANGE_WRITE = 2;
const POSIX_FADV_SEQUENTIAL = 2;
const POSIX_FADV_DONTNEED = 4;

/**
 * The first offset at or after `offset` that holds data; null when only a hole, or nothing, is left. Where holes cannot
 * be asked for, what takes less space than its size is read, and long runs of zeros count as holes; elsewhere all is
 * data: `offset`, or null at the end. Moves the file's position: read with explicit positions.
 */
export function nextData(fd: number, offset: number): number | null {
  const call = lseek();
  if (call) {
    const result = outcome(call(fd, offset, SEEK_DATA));
    if (result >= 0) return result;
    if (result === errnoOf('ENXIO')) return null;
    if (result !== errnoOf('EINVAL') && result !== errnoOf('ENOTSUP')) throw failureFd(result, 'lseek', fd);
  }
  const { size, isSparse } = shapeOf(fd);
  if (!isSparse) return offset < size ? offset : null;
  const found = nextStretch(fd, offset, size, false);
  return found < size ? found : null;
}

/** The first offset at or after `offset` that is in a hole; the end of the file counts as one. Moves the position. */
export function nextHole(fd: number, offset: number): number {
  const call = lseek();
  if (call) {
    const result = outcome(call(fd, offset, SEEK_HOLE));
    if (result >= 0) return result;
    if (result === errnoOf('ENXIO')) return offset; // at or beyond the end
    if (result !== errnoOf('EINVAL') && result !== errnoOf('ENOTSUP')) throw failureFd(result, 'lseek', fd);
  }
  const { size, isSparse } = shapeOf(fd);
  if (!isSparse) return Math.max(offset, size);
  return nextStretch(fd, offset, size, true);
}

function shapeOf(fd: number): { size: number; isSparse: boolean } {
  let stats = { size: 0, blocks: 0 };
  const result = attempt(() => {
    stats = fs.fstatSync(fd);
    return 0;
  });
  if (result < 0) throw failureFd(result, 'fstat', fd);
  return { size: stats.size, isSparse: stats.blocks * 512 < stats.size };
}

/** Aligned blocks of this size are looked at, where holes cannot be asked for. */
const BLOCK = 64 * 1024;
let block: Buffer | undefined;

/** Where the next block begins that is zero throughout, or is not; the end of the file when there is none. */
function nextStretch(fd: number, from: number, size: number, isZero: boolean): number {
  block ??= Buffer.alloc(BLOCK);
  for (let offset = from; offset < size; ) {
    const length = Math.min(BLOCK - (offset % BLOCK), size - offset);
    let got = 0;
    const result = attempt(() => {
      got = fs.readSync(fd, block!, 0, length, offset);
      return 0;
    });
    if (result < 0) throw failureFd(result, 'read', fd);
    if (got === 0) break;
    if (block.subarray(0, got).every((byte) => byte === 0) === isZero) return offset;
    offset += got;
  }
  return Math.max(from, size);
}

/**
 * Makes the names in an open directory durable. Where a file system or system cannot do that for a directory nothing
 * happens; a real failure (EIO, ENOSPC, EROFS …) throws.
 */
export function syncDirectory(fd: number): void {
  const result = attempt(() => {
    fs.fsyncSync(fd);
    return 0;
  });
  if (result === 0) return;
  const harmless = ['EINVAL', 'ENOTSUP', 'ENOSYS', ...(process.platform === 'win32' ? ['EPERM', 'EISDIR'] : [])];
  if (!harmless.some((code) => errnoOf(code) === result)) throw failureFd(result, 'fsync', fd);
}

/**
 * Makes durable all that was written to the file system on which an open directory lies. What a disk refuses only after
 * a write has long been said to be done is thrown here (EIO, ENOSPC, EDQUOT). Nothing happens where there is no such call.
 */
export async function syncFileSystem(fd: number): Promise<void> {
  const call = syncfs();
  const result = call === null ? 0 : await inBackground(call, fd);
  if (result < 0 && result !== errnoOf('ENOSYS')) throw failureFd(result, 'syncfs', fd);
}

/**
 * Has the kernel begin to bring a stretch of the file to the disk, and waits for nothing: it makes a later sync short, and
 * replaces none. Never throws.
 */
export function startWriteback(fd: number, offset: number, length: number): void {
  syncFileRange()?.(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

/** Tells the kernel that the file will be read from front to back. A hint: never throws. */
export function adviseSequential(fd: number): void {
  posixFadvise()?.(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

/** Tells the kernel that this part of the file need not stay in its cache; 0 bytes mean: to the end. Never throws. */
export function adviseDontNeed(fd: number, offset: number, length: number): void {
  posixFadvise()?.(fd, offset, length, POSIX_FADV_DONTNEED);
}

/** Reads so many bytes from a place in a file to the front of `into`. Returns whether there are so many. */
export function readFully(fd: number, into: Uint8Array, length: number, position: number): boolean {
  let done = 0;
  while (done < length) {
    const got = fs.readSync(fd, into, done, length - done, position + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}

/** Writes bytes, or `length` of them from `start` on, to a place in a file. */
export function writeFully(
  fd: number,
  bytes: Uint8Array,
  position: number,
  start = 0,
  length = bytes.length - start,
): void {
  for (let done = 0; done < length; ) done += fs.writeSync(fd, bytes, start + done, length - done, position + done);
}
