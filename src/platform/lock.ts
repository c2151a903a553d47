import fs from 'node:fs';
import { type ByteString, toBytes, toDisplay } from '../bytes.js';
import { isWindows } from './constants.js';
import { failureFd } from './descriptors.js';
import { errnoOf, SystemError } from './error.js';
import { libc, outcome } from './ffi.js';
import { processes } from './processes.js';

export type LockMode = 'shared' | 'exclusive';

const flock = libc('flock', 'int', ['int', 'int']);
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * Locks an open file without waiting; false when another holds it in a way that forbids this. A held lock changes its
 * mode, not atomically: on false the old one may be lost. The lock belongs to the open file: it goes with `unlockFd`,
 * with the last close, and when the process dies, however it dies. It binds only those who also ask for it.
 *
 * Without libc the command `flock` (or perl) takes the lock on the same open file, which then holds it as well. Throws
 * ENOSYS when there is neither, and on Windows: use `openLock` there.
 */
export function lockFd(fd: number, mode: LockMode): boolean {
  const result = operate(fd, (mode === 'exclusive' ? LOCK_EX : LOCK_SH) | LOCK_NB);
  if (result === errnoOf('EAGAIN') || result === errnoOf('EACCES')) return false;
  if (result < 0) throw failureFd(result, 'flock', fd);
  return true;
}

/** Gives a lock back. */
export function unlockFd(fd: number): void {
  const result = operate(fd, LOCK_UN);
  if (result < 0) throw failureFd(result, 'flock', fd);
}

function operate(fd: number, operation: number): number {
  const call = flock();
  if (call) return outcome(call(fd, operation));
  if (isWindows) return errnoOf('ENOSYS');
  // The child's descriptor 3 is the same open file description as ours, so what it locks stays locked by us.
  const stdio: ('ignore' | number)[] = ['ignore', 'ignore', 'ignore', fd];
  const flag = (operation & LOCK_UN) !== 0 ? '-u' : (operation & LOCK_EX) !== 0 ? '-x' : '-s';
  const tool = processes().spawnSync('flock', ['-n', flag, '3'], { stdio });
  if (tool.error === undefined && (tool.status === 0 || tool.status === 1)) {
    return tool.status === 0 ? 0 : errnoOf('EAGAIN');
  }
  const script = `open(my $f, "+<&=", 3) or exit 2; exit(flock($f, ${operation}) ? 0 : $!{EWOULDBLOCK} ? 1 : 2)`;
  const perl = processes().spawnSync('perl', ['-MErrno', '-e', script], { stdio });
  if (perl.status === 0) return 0;
  return errnoOf(perl.status === 1 ? 'EAGAIN' : 'ENOSYS');
}

/** A lock that is held. */
export interface FileLock {
  /** The open lock file; -1 after release. */
  readonly fd: number;
  /** Gives the lock back and closes the file, which stays. */
  release(): void;
}

// Windows only: opens without sharing, so that other opens fail until this one is closed (libuv's UV_FS_O_EXLOCK).
const UV_FS_O_EXLOCK = 0x1000_0000;

/**
 * Takes a lock on the file at `path`, which is made if missing; null when another holds it. Does not wait. The kernel
 * frees it when the process dies. On Windows a shared lock is exclusive too.
 */
export function openLock(path: ByteString, mode: LockMode): FileLock | null {
  if (isWindows) return openWindowsLock(toDisplay(path));
  const place = toBytes(path);
  for (;;) {
    const fd = fs.openSync(place, fs.constants.O_RDWR | fs.constants.O_CREAT | (fs.constants.O_NOFOLLOW ?? 0), 0o666);
    let held = false;
    try {
      if (!lockFd(fd, mode)) return null;
      held = isStill(fd, place);
    } finally {
      if (!held) fs.closeSync(fd);
    }
    if (held) return lockOn(fd);
    // Someone replaced the file between opening and locking: the lock is on a file that no other will find.
  }
}

function isStill(fd: number, place: Buffer): boolean {
  const mine = fs.fstatSync(fd, { bigint: true });
  const there = fs.lstatSync(place, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && there.ino === mine.ino && there.dev === mine.dev;
}

function openWindowsLock(path: string): FileLock | null {
  try {
    return lockOn(fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | UV_FS_O_EXLOCK, 0o666));
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException;
    if (code === 'EBUSY') return null;
    throw typeof errno === 'number' ? new SystemError(errno, 'open', path) : error;
  }
}

function lockOn(descriptor: number): FileLock {
  let fd = descriptor;
  return {
    get fd() {
      return fd;
    },
    release() {
      if (fd < 0) return;
      fs.closeSync(fd);
      fd = -1;
    },
  };
}
