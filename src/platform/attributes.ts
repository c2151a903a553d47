import fs from 'node:fs';
import type { ByteString } from '../bytes.js';
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, isLinux, isWindows, syscallNumber } from './constants.js';
import { failureAt, failureFd, nodePath } from './descriptors.js';
import { attempt, errnoOf } from './error.js';
import { cString, libc, type Memory, memory, outcome, syscall } from './ffi.js';
import { closeFd, pinAt } from './open.js';

const fchmodat2 = syscall(['int', 'uintptr_t', 'uint', 'int']);
const fchmodat = libc('fchmodat', 'int', ['int', 'uintptr_t', 'uint', 'int']);
const fchownat = libc('fchownat', 'int', ['int', 'uintptr_t', 'uint32', 'uint32', 'int']);
const utimensat = libc('utimensat', 'int', ['int', 'uintptr_t', 'uintptr_t', 'int']);
const futimens = libc('futimens', 'int', ['int', 'uintptr_t']);

/**
 * Pins whatever is at `name`, a symlink too, without opening it: `chmodAt` and `chownAt` of this descriptor and the name ''
 * then change that very thing, whatever has become of the name. `statFd` tells what it is; close it with `closeFd`.
 * undefined where the system (or its lack of libc) does not have such descriptors.
 */
export function pinNodeAt(dir: number, name: ByteString): number | undefined {
  if (!isLinux || fchownat() === null) return undefined;
  const pin = pinAt(dir, name);
  if (pin < 0) throw failureAt(pin, 'open', dir, name);
  return pin;
}

/** Sets the permission bits (with setuid, setgid, sticky) of an open file. */
export function chmodFd(fd: number, perm: number): void {
  const result = attempt(() => {
    fs.fchmodSync(fd, perm & 0o7777);
    return 0;
  });
  if (result < 0) throw failureFd(result, 'fchmod', fd);
}

let hasFchmodat2 = isLinux;

/** Sets the permission bits of what is at `name`. Never follows: a symlink there is refused with ENOTSUP. */
export function chmodAt(dir: number, name: ByteString, perm: number): void {
  const result = tryChmod(dir, name, perm & 0o7777);
  if (result < 0) throw failureAt(result, 'chmod', dir, name);
}

function tryChmod(dir: number, name: ByteString, perm: number): number {
  // What is pinned; see pinNodeAt.
  if (name === '' && isLinux)
    return attempt(() => {
      fs.chmodSync(`/proc/self/fd/${dir}`, perm);
      return 0;
    });
  if (!isLinux) {
    const call = fchmodat();
    if (call) return outcome(call(dir, cString(name), perm, AT_SYMLINK_NOFOLLOW));
    return attempt(() => {
      const path = nodePath(dir, name);
      if (fs.lstatSync(path).isSymbolicLink()) return errnoOf('ENOTSUP');
      fs.chmodSync(path, perm);
      return 0;
    });
  }
  const call = fchmodat2();
  if (call && hasFchmodat2) {
    const result = outcome(call(syscallNumber('fchmodat2'), dir, cString(name), perm, AT_SYMLINK_NOFOLLOW));
    // Linux 6.6 has it. A sandbox that does not know it says EPERM, which may also be the answer: the other way tells.
    if (result !== errnoOf('ENOSYS') && result !== errnoOf('EPERM')) return result;
    if (result === errnoOf('ENOSYS')) hasFchmodat2 = false;
  }
  const pin = pinAt(dir, name);
  if (pin < 0) return pin;
  try {
    return attempt(() => {
      if (fs.fstatSync(pin).isSymbolicLink()) return errnoOf('ENOTSUP');
      fs.chmodSync(`/proc/self/fd/${pin}`, perm);
      return 0;
    });
  } finally {
    closeFd(pin);
  }
}

/** Sets owner and group of an open file; does nothing on Windows. The kernel clears setuid and setgid: chmod after. */
export function chownFd(fd: number, uid: number, gid: number): void {
  if (isWindows) return;
  const result = attempt(() => {
    fs.fchownSync(fd, uid, gid);
    return 0;
  });
  if (result < 0) throw failureFd(result, 'fchown', fd);
}

/** Sets owner and group of what is at `name`, of a symlink itself; does nothing on Windows. */
export function chownAt(dir: number, name: ByteString, uid: number, gid: number): void {
  if (isWindows) return;
  const call = fchownat();
  const result = call
    ? outcome(call(dir, cString(name), uid, gid, name === '' && isLinux ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW))
    : attempt(() => {
        fs.lchownSync(nodePath(dir, name), uid, gid);
        return 0;
      });
  if (result < 0) throw failureAt(result, 'lchown', dir, name);
}

const BILLION = 1_000_000_000;
const TWO_32 = 0x1_0000_0000;
const UTIME_OMIT = isLinux ? 0x3fff_fffe : -2;

let times: { memory: Memory; words: Int32Array<ArrayBuffer> } | undefined;

// struct timespec[2]: time of access, time of modification; each two words of seconds and two of nanoseconds.
function timespecs(mtimeSec: number, mtimeNsec: number, atimeSec?: number, atimeNsec = 0): number {
  if (times === undefined) {
    const block = memory(64);
    times = { memory: block, words: new Int32Array(block.bytes.buffer) };
  }
  const { words } = times;
  putTime(words, 4, mtimeSec, mtimeNsec);
  if (atimeSec === undefined) {
    words[0] = words[1] = 0;
    words[2] = UTIME_OMIT;
    words[3] = UTIME_OMIT < 0 ? -1 : 0;
  } else {
    putTime(words, 0, atimeSec, atimeNsec);
  }
  return times.memory.address;
}

function putTime(words: Int32Array, at: number, sec: number, nsec: number): void {
  checkTime(sec, nsec);
  const high = Math.floor(sec / TWO_32);
  words[at] = sec - high * TWO_32;
  words[at + 1] = high;
  words[at + 2] = nsec;
  words[at + 3] = 0;
}

function checkTime(sec: number, nsec: number): void {
  if (!Number.isSafeInteger(sec) || !Number.isInteger(nsec) || nsec < 0 || nsec >= BILLION) {
    throw new RangeError(`not a time: ${sec} s and ${nsec} ns`);
  }
}

// Without libc. Node takes seconds as a double, which it cuts to microseconds, towards zero: half of one more saves
// them from being rounded down. It replaces numbers below zero by the present time, but not texts of such.
function inexact(sec: number, nsec: number): number | string {
  checkTime(sec, nsec);
  const micros = Math.floor(nsec / 1000);
  return sec < 0 ? String(sec + (micros - 0.5) / 1e6) : sec + (micros + 0.5) / 1e6;
}

function inexactNs(ns: bigint): number | string {
  const { sec, nsec } = splitNs(ns);
  return inexact(sec, nsec);
}

/**
 * Sets the times of an open file, exact to the nanosecond. Seconds are whole, counted from 1970, negative before;
 * nanoseconds are added. Without a time of access that one stays. File systems clamp what they cannot hold, silently.
 */
export function setTimesFd(
  fd: number,
  mtimeSec: number,
  mtimeNsec: number,
  atimeSec?: number,
  atimeNsec?: number,
): void {
  const call = futimens();
  const result = call
    ? outcome(call(fd, timespecs(mtimeSec, mtimeNsec, atimeSec, atimeNsec)))
    : attempt(() => {
        const kept =
          atimeSec === undefined ? fs.fstatSync(fd, { bigint: true }).atimeNs : joinNs(atimeSec, atimeNsec ?? 0);
        fs.futimesSync(fd, inexactNs(kept), inexact(mtimeSec, mtimeNsec));
        return 0;
      });
  if (result < 0) throw failureFd(result, 'futimens', fd);
}

/** As `setTimesFd`, of what is at `name`, of a symlink itself. */
export function setTimesAt(
  dir: number,
  name: ByteString,
  mtimeSec: number,
  mtimeNsec: number,
  atimeSec?: number,
  atimeNsec?: number,
): void {
  const call = utimensat();
  const result = call
    ? outcome(call(dir, cString(name), timespecs(mtimeSec, mtimeNsec, atimeSec, atimeNsec), AT_SYMLINK_NOFOLLOW))
    : attempt(() => {
        const path = nodePath(dir, name);
        const kept =
          atimeSec === undefined ? fs.lstatSync(path, { bigint: true }).atimeNs : joinNs(atimeSec, atimeNsec ?? 0);
        fs.lutimesSync(path, inexactNs(kept), inexact(mtimeSec, mtimeNsec));
        return 0;
      });
  if (result < 0) throw failureAt(result, 'utimensat', dir, name);
}

/** A time in nanoseconds as whole seconds, rounded down, and the nanoseconds (0 to 999,999,999) to add to them. */
export function splitNs(ns: bigint): { sec: number; nsec: number } {
  const nsec = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { sec: Number((ns - nsec) / 1_000_000_000n), nsec: Number(nsec) };
}

/** The reverse of `splitNs`. */
export function joinNs(sec: number, nsec: number): bigint {
  return BigInt(sec) * 1_000_000_000n + BigInt(nsec);
}
