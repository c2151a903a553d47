import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { type ByteString, fromBytes, fromDisplay, toBytes, toDisplay } from '../bytes.js';
import { AT_REMOVEDIR, CWD, FileType, isDarwin, isLinux, isWindows, syscallNumber } from './constants.js';
import { failureAt, failureBetween, nodePath, pathAt } from './descriptors.js';
import { attempt, errnoOf } from './error.js';
import { checkName, cString, cString2, libc, outcome, scratch, syscall } from './ffi.js';
import { processes } from './processes.js';

const mkdirat = libc('mkdirat', 'int', ['int', 'uintptr_t', 'uint']);
const unlinkat = libc('unlinkat', 'int', ['int', 'uintptr_t', 'int']);
const renameat = libc('renameat', 'int', ['int', 'uintptr_t', 'int', 'uintptr_t']);
const linkat = libc('linkat', 'int', ['int', 'uintptr_t', 'int', 'uintptr_t', 'int']);
const symlinkat = libc('symlinkat', 'int', ['uintptr_t', 'int', 'uintptr_t']);
const readlinkat = libc('readlinkat', 'long', ['int', 'uintptr_t', 'uintptr_t', 'size_t']);
// By its number: glibc before 2.33 does not export it.
const mknodat = syscall(['int', 'uintptr_t', 'uint', 'uint']);
// macOS: mknod takes a path, so only through the remembered one.
const mknod = isDarwin ? libc('mknod', 'int', ['uintptr_t', 'uint16', 'int32']) : () => null;

/** Makes a directory; EEXIST when anything is there. The umask counts. */
export function makeDirectoryAt(dir: number, name: ByteString, mode: number): void {
  const call = mkdirat();
  const result = call
    ? outcome(call(dir, cString(name), mode))
    : attempt(() => {
        fs.mkdirSync(nodePath(dir, name), mode);
        return 0;
      });
  if (result < 0) throw failureAt(result, 'mkdir', dir, name);
}

/** Removes a file, symlink, fifo or device, never a directory (EISDIR, or EPERM on macOS). */
export function removeFileAt(dir: number, name: ByteString): void {
  const call = unlinkat();
  const result = call
    ? outcome(call(dir, cString(name), 0))
    : attempt(() => {
        fs.unlinkSync(nodePath(dir, name));
        return 0;
      });
  if (result < 0) throw failureAt(result, 'unlink', dir, name);
}

/** Removes an empty directory; ENOTEMPTY when it is not. */
export function removeDirectoryAt(dir: number, name: ByteString): void {
  const call = unlinkat();
  const result = call
    ? outcome(call(dir, cString(name), AT_REMOVEDIR))
    : attempt(() => {
        fs.rmdirSync(nodePath(dir, name));
        return 0;
      });
  if (result < 0) throw failureAt(result, 'rmdir', dir, name);
}

/** Renames, and replaces what is at the new name, in one step. */
export function renameAt(fromDir: number, from: ByteString, toDir: number, to: ByteString): void {
  const call = renameat();
  const result = call
    ? outcome(call(fromDir, cString(from), toDir, cString2(to)))
    : attempt(() => {
        fs.renameSync(nodePath(fromDir, from), nodePath(toDir, to));
        return 0;
      });
  if (result < 0) throw failureBetween(result, 'rename', fromDir, from, toDir, to);
}

/** Makes a hard link `to` to `from`, to a symlink itself; EEXIST when anything is at `to`. */
export function linkAt(fromDir: number, from: ByteString, toDir: number, to: ByteString): void {
  const call = linkat();
  const result = call
    ? outcome(call(fromDir, cString(from), toDir, cString2(to), 0))
    : attempt(() => {
        fs.linkSync(nodePath(fromDir, from), nodePath(toDir, to));
        return 0;
      });
  if (result < 0) throw failureBetween(result, 'link', fromDir, from, toDir, to);
}

/** Makes a symlink at `name` that holds the bytes `target`; EEXIST when anything is there. */
export function symlinkAt(target: ByteString, dir: number, name: ByteString): void {
  const call = symlinkat();
  const result = call
    ? outcome(call(cString2(target), dir, cString(name)))
    : attempt(() => {
        checkName(target);
        fs.symlinkSync(isWindows ? toDisplay(target) : toBytes(target), nodePath(dir, name));
        return 0;
      });
  if (result < 0) throw failureAt(result, 'symlink', dir, name);
}

/** The bytes in the symlink at `name`, of any length. EINVAL when it is none. */
export function readLinkAt(dir: number, name: ByteString): ByteString {
  const call = readlinkat();
  let target: ByteString = '';
  let result: number;
  if (call) {
    let size = 64 * 1024;
    for (;;) {
      const { address, bytes } = scratch(size);
      result = outcome(call(dir, cString(name), address, size));
      if (result < 0) break;
      target = bytes.toString('latin1', 0, result);
      if (result < size) break;
      size *= 2; // cut off
    }
  } else {
    result = attempt(() => {
      const path = nodePath(dir, name);
      target = isWindows
        ? fromDisplay(fs.readlinkSync(path))
        : fromBytes(fs.readlinkSync(path, { encoding: 'buffer' }));
      return 0;
    });
  }
  if (result < 0) throw failureAt(result, 'readlink', dir, name);
  return target;
}

/** Makes a fifo; EEXIST when anything is there. The umask counts. */
export function makeFifoAt(dir: number, name: ByteString, perm: number): void {
  makeNode(dir, name, (FileType.fifo << 12) | (perm & 0o7777), 0, 0);
}

/** Makes a socket file, to which nobody listens; EEXIST when anything is there. */
export function makeSocketAt(dir: number, name: ByteString, perm: number): void {
  makeNode(dir, name, (FileType.socket << 12) | (perm & 0o7777), 0, 0);
}

/** Makes a device file; `mode` has the type bits of a character or block device. Needs to be root (EPERM). */
export function makeDeviceAt(dir: number, name: ByteString, mode: number, major: number, minor: number): void {
  makeNode(dir, name, mode, major, minor);
}

function makeNode(dir: number, name: ByteString, mode: number, major: number, minor: number): void {
  const result = tryMakeNode(dir, name, mode, major, minor);
  if (result < 0) throw failureAt(result, 'mknod', dir, name);
}

function tryMakeNode(dir: number, name: ByteString, mode: number, major: number, minor: number): number {
  const call = mknodat();
  if (call) {
    // The kernel's own packing of device numbers (new_encode_dev): 12 bits of major, 20 of minor.
    if (major > 0xfff || minor > 0xf_ffff) return errnoOf('EINVAL');
    const device = ((minor & 0xff) | (major << 8) | ((minor & 0xf_ff00) << 12)) >>> 0;
    return outcome(call(syscallNumber('mknodat'), dir, cString(name), mode, device));
  }
  const apple = mknod();
  if (apple) return outcome(apple(cString(pathAt(dir, name)), mode, (major << 24) | (minor & 0xff_ffff)));
  return isLinux ? spawnMknod(dir, name, mode, major, minor) : errnoOf('ENOSYS');
}

const LETTERS = new Map<number, string>([
  [FileType.fifo, 'p'],
  [FileType.charDevice, 'c'],
  [FileType.blockDevice, 'b'],
]);

// Without libc: the command mknod. An argument cannot hold any byte, so it makes another name, which is then linked.
function spawnMknod(dir: number, name: ByteString, mode: number, major: number, minor: number): number {
  const letter = LETTERS.get(mode >>> 12);
  if (letter === undefined) return errnoOf('ENOSYS');
  const base = dir === CWD ? name.slice(0, name.lastIndexOf('/') + 1) || './' : '';
  const interim = `${base}.backup-ninja-${randomBytes(9).toString('hex')}`;
  // /proc/self would be the command itself.
  const place = toDisplay(pathAt(dir, interim)).replace('/proc/self/', `/proc/${process.pid}/`);
  const perm = (mode & 0o7777 & ~process.umask()).toString(8);
  const device = letter === 'p' ? [] : [String(major), String(minor)];
  const made = processes().spawnSync('mknod', ['-m', perm, place, letter, ...device], { stdio: 'ignore' });
  if (made.status !== 0) return errnoOf(made.error ? 'ENOSYS' : letter === 'p' ? 'EACCES' : 'EPERM');
  const linked = attempt(() => {
    fs.linkSync(nodePath(dir, interim), nodePath(dir, name));
    return 0;
  });
  attempt(() => {
    fs.unlinkSync(nodePath(dir, interim));
    return 0;
  });
  return linked;
}
