import fs from 'node:fs';
import type { ByteString } from '../bytes.js';
import {
  CWD,
  isDarwin,
  isLinux,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  PATH_MAX,
} from './constants.js';
import { failureAt, failureFd, forgetDirectory, nodePath, rememberDirectory } from './descriptors.js';
import { attempt, errnoOf } from './error.js';
import { cString, libc, outcome } from './ffi.js';
import { joinPath } from './paths.js';

const openat = libc('openat', 'int', ['int', 'uintptr_t', 'int', 'uint']);
// Apple passes variadic arguments differently from named ones, so there the mode must be declared as such.
const openatVariadic = libc('openat', 'int', ['int', 'uintptr_t', 'int', '...']);

/** openat(2): a descriptor, or a negative error number. */
function open(dir: number, name: ByteString, flags: number, mode: number): number {
  for (;;) {
    const fd = openOnce(dir, name, flags, mode);
    if (fd >= 0 || fd !== errnoOf('EINTR')) return fd;
  }
}

function openOnce(dir: number, name: ByteString, flags: number, mode: number): number {
  const call = isDarwin ? openatVariadic() : openat();
  if (call === null) return attempt(() => fs.openSync(nodePath(dir, name), flags, mode)); // Node adds O_CLOEXEC itself
  const all = flags | O_CLOEXEC;
  return outcome(isDarwin ? call(dir, cString(name), all, 'uint', mode) : call(dir, cString(name), all, mode));
}

const close = libc('close', 'int', ['int']);

// Only the owner may leave the time of access alone (O_NOATIME), others get EPERM.
function openQuietly(dir: number, name: ByteString, flags: number): number {
  const fd = open(dir, name, flags | O_NOATIME, 0);
  return fd === errnoOf('EPERM') && O_NOATIME !== 0 ? open(dir, name, flags, 0) : fd;
}

export interface OpenDirectoryOptions {
  /** Follow a symlink in the last component; otherwise it is refused (ENOTDIR or ELOOP). */
  follow?: boolean;
}

/**
 * Opens directory `name` in `dir` for reading it and as a place for the other calls. `name` may have several components
 * but is one path to the kernel: ENAMETOOLONG beyond its limit. Close with `closeFd`.
 */
export function openDirectoryAt(dir: number, name: ByteString, options: OpenDirectoryOptions = {}): number {
  const flags = O_RDONLY | O_DIRECTORY | (options.follow ? 0 : O_NOFOLLOW);
  const fd = openQuietly(dir, name, flags);
  if (fd < 0) throw failureAt(fd, 'open', dir, name);
  rememberDirectory(fd, dir, name);
  return fd;
}

// As a place only, for a directory that one may enter but not list.
function openPlaceAt(dir: number, name: ByteString, options: OpenDirectoryOptions): number {
  if (!isLinux) return openDirectoryAt(dir, name, options);
  const fd = open(dir, name, O_PATH | O_DIRECTORY | (options.follow ? 0 : O_NOFOLLOW), 0);
  if (fd < 0) throw failureAt(fd, 'open', dir, name);
  return fd;
}

/**
 * Opens the directory at a path of any length: what is longer than the kernel takes in one call is walked in pieces,
 * each from the directory before. `follow` is about the last component; those before it are followed, as always.
 */
export function openDirectory(path: ByteString, options: OpenDirectoryOptions = {}): number {
  return walk(path, (dir, rest) => openDirectoryAt(dir, rest, options));
}

/**
 * Opens the parent of a path of any length, for calls on the last component. The directory need not be readable. Close
 * `dir` with `closeFd`. Throws a TypeError for a path without a last component (`/`) or one that ends in `.` or `..`.
 */
export function openParent(path: ByteString): { dir: number; name: ByteString } {
  let end = path.length;
  while (end > 1 && path[end - 1] === '/') end--;
  const cut = path.lastIndexOf('/', end - 1);
  const name = path.slice(cut + 1, end);
  if (name === '' || name === '.' || name === '..') throw new TypeError('the path has no last component');
  const parent = cut < 0 ? '.' : cut === 0 ? '/' : path.slice(0, cut);
  return { dir: walk(parent, (dir, rest) => openPlaceAt(dir, rest, { follow: true })), name };
}

// Leaves room for a place under /proc, by which this goes when there is no openat.
const PIECE = PATH_MAX - 64;

function walk(path: ByteString, last: (dir: number, rest: ByteString) => number): number {
  let dir = CWD;
  let rest = path;
  try {
    while (rest.length > PIECE) {
      const cut = rest.lastIndexOf('/', PIECE);
      if (cut <= 0) break; // a component that long does not exist: the kernel says so
      const next = openPlaceAt(dir, rest.slice(0, cut), { follow: true });
      if (dir !== CWD) closeFd(dir);
      dir = next;
      rest = rest.slice(cut).replace(/^\/+/, '');
    }
    return last(dir, rest === '' ? '.' : rest);
  } finally {
    if (dir !== CWD) closeFd(dir);
  }
}

/**
 * Opens a file for reading. A symlink there is refused (ELOOP), the time of access stays as it is where one may do so,
 * and a fifo that took the file's place does not block: so look at `statFd` before reading. A plain descriptor, good
 * for `fs.readSync` and its like; close it with `closeFd`.
 */
export function openFileAt(dir: number, name: ByteString): number {
  let fd = openQuietly(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (fd === errnoOf('EAGAIN') && isLinux) fd = openLeased(dir, name);
  if (fd < 0) throw failureAt(fd, 'open', dir, name);
  return fd;
}

/** `openFileAt` for a path of any length. */
export function openFile(path: ByteString): number {
  return walk(path, openFileAt);
}

/** Opens files as `openFile` does, one after another: the directory that many lie in is looked up once. */
export class FileOpener {
  /** The directory that is open; undefined: none is. */
  private parent: ByteString | undefined;
  private dir = CWD;

  /** A descriptor, as from `openFile`, of a name in the directory with this path. */
  open(directory: ByteString, name: ByteString): number {
    if (directory !== this.parent) this.enter(directory);
    if (this.parent !== undefined) {
      const fd = openQuietly(this.dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (fd >= 0) return fd;
    }
    // Whatever the reason, it is the whole path that counts: another directory may have taken that one's place.
    return openFile(joinPath(directory, name));
  }

  /** Closes the directory. */
  close(): void {
    if (this.parent !== undefined) closeFd(this.dir);
    this.parent = undefined;
  }

  private enter(directory: ByteString): void {
    this.close();
    if (directory.length > PIECE) return;
    try {
      this.dir = openPlaceAt(CWD, directory, { follow: true });
      this.parent = directory;
    } catch {
      // opening the file says why
    }
  }
}

// Someone holds a lease on the file (Samba does). An open that may block waits until the kernel has broken it; the
// file is pinned first, so that it is the same one and a regular one.
function openLeased(dir: number, name: ByteString): number {
  const pin = open(dir, name, O_PATH | O_NOFOLLOW, 0);
  if (pin < 0) return pin;
  try {
    if (!fs.fstatSync(pin).isFile()) return errnoOf('EAGAIN');
    return openQuietly(CWD, `/proc/self/fd/${pin}`, O_RDONLY);
  } finally {
    closeFd(pin);
  }
}

/** Makes a file and opens it for reading and writing. EEXIST when anything is there, a symlink too. The umask counts. */
export function createFileAt(dir: number, name: ByteString, mode: number): number {
  const fd = open(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (fd < 0) throw failureAt(fd, 'open', dir, name);
  return fd;
}

/** Opens an existing file for reading and writing, as it is. A symlink is refused (ELOOP), a fifo does not block. */
export function openForWriteAt(dir: number, name: ByteString): number {
  const fd = open(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
  if (fd < 0) throw failureAt(fd, 'open', dir, name);
  return fd;
}

/** Pins whatever is at `name`, a symlink too, without opening it (O_PATH; Linux). A negative error number if not. */
export function pinAt(dir: number, name: ByteString): number {
  return open(dir, name, O_PATH | O_NOFOLLOW, 0);
}

/**
 * Closes a descriptor of this module, and only of this module. Node keeps count in worker threads of what it opened
 * itself: `fs.closeSync` on another descriptor gives a warning there, and one of Node's that is closed behind its back
 * is closed again at the end of the thread, when its number may belong to another file.
 */
export function closeFd(fd: number): void {
  forgetDirectory(fd);
  const call = close();
  const result = call
    ? outcome(call(fd))
    : attempt(() => {
        fs.closeSync(fd);
        return 0;
      });
  // After EINTR the descriptor is gone all the same.
  if (result < 0 && result !== errnoOf('EINTR')) throw failureFd(result, 'close', fd);
}
