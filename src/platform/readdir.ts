import fs from 'node:fs';
import { type ByteString, fromBytes, fromDisplay } from '../bytes.js';
import { FileType, isLinux, isWindows, syscallNumber } from './constants.js';
import { failureFd, nodePath } from './descriptors.js';
import { attempt } from './error.js';
import { libc, type NativeFunction, outcome, scratch, syscall } from './ffi.js';

/** One name in a directory. `type` may be `FileType.unknown`: some file systems leave that to lstat. */
export interface DirEntry {
  readonly name: ByteString;
  readonly type: FileType;
}

const CAPACITY = 256 * 1024;
const getdents = syscall(['int', 'uintptr_t', 'size_t']);
const lseek = isLinux ? libc('lseek', 'int64_t', ['int', 'int64_t', 'int']) : () => null;

/**
 * All names in an open directory but `.` and `..`, sorted by bytes. Whole or nothing: an error while reading throws, so
 * that a name that is missing in the result is missing in the directory.
 */
export function readDirectory(fd: number): DirEntry[] {
  const call = getdents();
  const seek = lseek();
  const entries = call !== null && seek !== null ? readNative(fd, call, seek) : readPortable(fd);
  return entries.sort(byName);
}

function byName(a: DirEntry, b: DirEntry): number {
  return a.name < b.name ? -1 : 1;
}

// linux_dirent64 (getdents64(2)): inode, offset, u16 length of the record at 16, u8 type at 18, name at 19, zero.
function readNative(fd: number, call: NativeFunction, seek: NativeFunction): DirEntry[] {
  const entries: DirEntry[] = [];
  const { address, bytes } = scratch(CAPACITY);
  const number = syscallNumber('getdents64');
  // A descriptor that was read before stands at its end, and would look like an empty directory.
  const rewound = outcome(seek(fd, 0, 0));
  if (rewound < 0) throw failureFd(rewound, 'lseek', fd);
  for (;;) {
    const length = outcome(call(number, fd, address, CAPACITY));
    if (length < 0) throw failureFd(length, 'getdents64', fd);
    if (length === 0) return entries;
    for (let at = 0; at < length; ) {
      const next = at + (bytes[at + 16] | (bytes[at + 17] << 8));
      const type = bytes[at + 18] as FileType;
      const start = at + 19;
      let end = start;
      while (bytes[end] !== 0) end++;
      at = next;
      if (bytes[start] === 0x2e && (end - start === 1 || (end - start === 2 && bytes[start + 1] === 0x2e))) continue;
      // Flat strings of their own: slices of one decoded string are made faster, but sort at half the speed.
      entries.push({ name: bytes.toString('latin1', start, end), type });
    }
  }
}

function readPortable(fd: number): DirEntry[] {
  const entries: DirEntry[] = [];
  const result = attempt(() => {
    const path = nodePath(fd, '');
    if (isWindows) {
      for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
        entries.push({ name: fromDisplay(entry.name), type: typeOf(entry) });
      }
    } else {
      // The type of a Dirent in Buffer mode is known to Node's typings only as a Dirent of strings.
      const found: unknown = fs.readdirSync(path, { withFileTypes: true, encoding: 'buffer' as 'utf8' });
      for (const entry of found as fs.Dirent[]) {
        entries.push({ name: fromBytes(entry.name as unknown as Uint8Array), type: typeOf(entry) });
      }
    }
    return 0;
  });
  if (result < 0) throw failureFd(result, 'scandir', fd);
  return entries;
}

function typeOf(entry: fs.Dirent): FileType {
  if (entry.isFile()) return FileType.file;
  if (entry.isDirectory()) return FileType.directory;
  if (entry.isSymbolicLink()) return FileType.symlink;
  if (entry.isFIFO()) return FileType.fifo;
  if (entry.isSocket()) return FileType.socket;
  if (entry.isCharacterDevice()) return FileType.charDevice;
  if (entry.isBlockDevice()) return FileType.blockDevice;
  return FileType.unknown;
}
