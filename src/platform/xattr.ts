import type { ByteString } from '../bytes.js';
import { AT_SYMLINK_NOFOLLOW, CWD, isDarwin, syscallNumber } from './constants.js';
import { failureAt, failureFd, pathAt } from './descriptors.js';
import { errnoOf } from './error.js';
import {
  checkName,
  cString,
  cString2,
  libc,
  type Memory,
  memory,
  nativeAvailable,
  outcome,
  scratch,
  syscall,
} from './ffi.js';

/**
 * Extended attributes, POSIX ACLs among them (`system.posix_acl_access`, `system.posix_acl_default`, whose values are
 * the kernel's own format: take and give them as they are). Symlinks are never followed.
 *
 * Errors that callers meet:
 * - ENOTSUP: the file system has no attributes, or none of this namespace. Lists are empty then; setting throws it.
 * - EPERM, EACCES: not for this user (`trusted.*`, `security.*`), or `user.*` on what is neither a file nor a directory.
 *   The kernel leaves `trusted.*` out of the lists of those who are not root.
 * - ENODATA: gone meanwhile: `get…` gives null.
 * - ENOSPC, EDQUOT, E2BIG, ERANGE when setting: too large for this file system.
 * Without libc lists are empty and setting throws ENOTSUP.
 */
const SIZE_LIMIT = 64 * 1024; // XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux
const NONE: readonly ByteString[] = [];

const P = 'uintptr_t';
// The files of Linux: by descriptor, by path without following, and by directory and name (since Linux 6.13).
const flist = libc('flistxattr', 'long', ['int', P, 'size_t']);
const fget = libc('fgetxattr', 'long', ['int', P, P, 'size_t']);
const fset = libc('fsetxattr', 'int', ['int', P, P, 'size_t', 'int']);
const fremove = libc('fremovexattr', 'int', ['int', P]);
const llist = libc('llistxattr', 'long', [P, P, 'size_t']);
const lget = libc('lgetxattr', 'long', [P, P, P, 'size_t']);
const lset = libc('lsetxattr', 'int', [P, P, P, 'size_t', 'int']);
const followSet = libc('setxattr', 'int', [P, P, P, 'size_t', 'int']);
const lremove = libc('lremovexattr', 'int', [P, P]);
const followRemove = libc('removexattr', 'int', [P, P]);
const listAt = syscall(['int', P, 'uint', P, 'size_t']);
const valueAt = syscall(['int', P, 'uint', P, P, 'size_t']);
const removeAt = syscall(['int', P, 'uint', P]);
// macOS has a position (of resource forks) and options in each.
const appleFList = libc('flistxattr', 'long', ['int', P, 'size_t', 'int']);
const appleFGet = libc('fgetxattr', 'long', ['int', P, P, 'size_t', 'uint32', 'int']);
const appleFSet = libc('fsetxattr', 'int', ['int', P, P, 'size_t', 'uint32', 'int']);
const appleFRemove = libc('fremovexattr', 'int', ['int', P, 'int']);
const appleList = libc('listxattr', 'long', [P, P, 'size_t', 'int']);
const appleGet = libc('getxattr', 'long', [P, P, P, 'size_t', 'uint32', 'int']);
const appleSet = libc('setxattr', 'int', [P, P, P, 'size_t', 'uint32', 'int']);
const appleRemove = libc('removexattr', 'int', [P, P, 'int']);
const XATTR_NOFOLLOW = 1;

/** The calls for one place, all giving a length or a negative error number. */
interface Calls {
  list(address: number, size: number): number;
  get(attribute: ByteString, address: number, size: number): number;
  set(attribute: ByteString, address: number, size: number): number;
  remove(attribute: ByteString): number;
}

let args: { memory: Memory; words: Uint32Array<ArrayBuffer> } | undefined;

// struct xattr_args of the …xattrat calls: u64 address, u32 size, u32 flags.
function xattrArgs(address: number, size: number): number {
  if (args === undefined) {
    const block = memory(16);
    args = { memory: block, words: new Uint32Array(block.bytes.buffer) };
  }
  args.words[0] = address;
  args.words[1] = address / 0x1_0000_0000;
  args.words[2] = size;
  args.words[3] = 0;
  return args.memory.address;
}

let atCalls: boolean | undefined;

// Twice as fast as going through /proc/self/fd. A kernel that has them says EBADF here, any other answer means no.
function hasAtCalls(): boolean {
  if (atCalls === undefined) {
    const call = listAt();
    atCalls =
      call !== null &&
      outcome(call(syscallNumber('listxattrat'), -1, cString('x'), AT_SYMLINK_NOFOLLOW, 0, 0)) === errnoOf('EBADF');
  }
  return atCalls;
}

function callsFd(fd: number): Calls {
  if (isDarwin) {
    return {
      list: (address, size) => outcome(appleFList()!(fd, address, size, 0)),
      get: (attribute, address, size) => outcome(appleFGet()!(fd, cString2(attribute), address, size, 0, 0)),
      set: (attribute, address, size) => outcome(appleFSet()!(fd, cString2(attribute), address, size, 0, 0)),
      remove: (attribute) => outcome(appleFRemove()!(fd, cString2(attribute), 0)),
    };
  }
  return {
    list: (address, size) => outcome(flist()!(fd, address, size)),
    get: (attribute, address, size) => outcome(fget()!(fd, cString2(attribute), address, size)),
    set: (attribute, address, size) => outcome(fset()!(fd, cString2(attribute), address, size, 0)),
    remove: (attribute) => outcome(fremove()!(fd, cString2(attribute))),
  };
}

function callsAt(dir: number, name: ByteString): Calls {
  if (dir !== CWD && hasAtCalls()) {
    const number = syscallNumber;
    const flag = AT_SYMLINK_NOFOLLOW;
    const attr = cString2;
    return {
      list: (address, size) => outcome(listAt()!(number('listxattrat'), dir, cString(name), flag, address, size)),
      get: (attribute, address, size) => {
        const block = xattrArgs(address, size);
        return outcome(valueAt()!(number('getxattrat'), dir, cString(name), flag, attr(attribute), block, 16));
      },
      set: (attribute, address, size) => {
        const block = xattrArgs(address, size);
        return outcome(valueAt()!(number('setxattrat'), dir, cString(name), flag, attr(attribute), block, 16));
      },
      remove: (attribute) => outcome(removeAt()!(number('removexattrat'), dir, cString(name), flag, attr(attribute))),
    };
  }
  checkName(name);
  const path = pathAt(dir, name);
  if (isDarwin) {
    const option = XATTR_NOFOLLOW;
    return {
      list: (address, size) => outcome(appleList()!(cString(path), address, size, option)),
      get: (attribute, address, size) =>
        outcome(appleGet()!(cString(path), cString2(attribute), address, size, 0, option)),
      set: (attribute, address, size) =>
        outcome(appleSet()!(cString(path), cString2(attribute), address, size, 0, option)),
      remove: (attribute) => outcome(appleRemove()!(cString(path), cString2(attribute), option)),
    };
  }
  return {
    list: (address, size) => outcome(llist()!(cString(path), address, size)),
    get: (attribute, address, size) => outcome(lget()!(cString(path), cString2(attribute), address, size)),
    set: (attribute, address, size) => outcome(lset()!(cString(path), cString2(attribute), address, size, 0)),
    remove: (attribute) => outcome(lremove()!(cString(path), cString2(attribute))),
  };
}

function unsupported(errno: number): boolean {
  return errno === errnoOf('ENOTSUP') || errno === errnoOf('ENOSYS');
}

// 0 is the common answer, and costs this one call: the buffer holds the longest list there is.
function list(calls: Calls): readonly ByteString[] | number {
  const { address, bytes } = scratch(SIZE_LIMIT);
  const length = calls.list(address, SIZE_LIMIT);
  if (length === 0 || unsupported(length)) return NONE;
  if (length < 0) return length;
  return bytes
    .toString('latin1', 0, bytes[length - 1] === 0 ? length - 1 : length)
    .split('\0')
    .sort();
}

function get(calls: Calls, attribute: ByteString): Buffer | null | number {
  let { address, bytes } = scratch(SIZE_LIMIT);
  let length = calls.get(attribute, address, bytes.length);
  if (length === errnoOf('ERANGE')) {
    // Only macOS has values that long (resource forks).
    const size = calls.get(attribute, 0, 0);
    if (size < 0) return size;
    ({ address, bytes } = scratch(size));
    length = calls.get(attribute, address, bytes.length);
  }
  if (length === NO_DATA || unsupported(length)) return null;
  return length < 0 ? length : Buffer.from(bytes.subarray(0, length));
}

function set(calls: Calls, attribute: ByteString, value: Uint8Array): number {
  const { address, bytes } = scratch(Math.max(SIZE_LIMIT, value.length));
  bytes.set(value);
  return calls.set(attribute, address, value.length);
}

// ENOATTR of macOS has no name in Node.
const NO_DATA = isDarwin ? -93 : errnoOf('ENODATA');

/** Names of the attributes of an open file, sorted. The array may be shared: do not change it. */
export function listXattrsFd(fd: number): readonly ByteString[] {
  if (!nativeAvailable()) return NONE;
  const result = list(callsFd(fd));
  if (typeof result === 'number') throw failureFd(result, 'listxattr', fd);
  return result;
}

/** As `listXattrsFd`, of what is at `name`, of a symlink itself. */
export function listXattrsAt(dir: number, name: ByteString): readonly ByteString[] {
  if (!nativeAvailable()) return NONE;
  const result = list(callsAt(dir, name));
  if (typeof result === 'number') throw failureAt(result, 'listxattr', dir, name);
  return result;
}

/** Value of an attribute of an open file; null when there is none of this name. */
export function getXattrFd(fd: number, attribute: ByteString): Buffer | null {
  if (!nativeAvailable()) return null;
  const result = get(callsFd(fd), attribute);
  if (typeof result === 'number') throw failureFd(result, 'getxattr', fd);
  return result;
}

/** As `getXattrFd`, of what is at `name`. */
export function getXattrAt(dir: number, name: ByteString, attribute: ByteString): Buffer | null {
  if (!nativeAvailable()) return null;
  const result = get(callsAt(dir, name), attribute);
  if (typeof result === 'number') throw failureAt(result, 'getxattr', dir, name);
  return result;
}

/** Sets an attribute of an open file, made if missing. */
export function setXattrFd(fd: number, attribute: ByteString, value: Uint8Array): void {
  const result = nativeAvailable() ? set(callsFd(fd), attribute, value) : errnoOf('ENOTSUP');
  if (result < 0) throw failureFd(result, 'setxattr', fd);
}

/** As `setXattrFd`, of what is at `name`. */
export function setXattrAt(dir: number, name: ByteString, attribute: ByteString, value: Uint8Array): void {
  const result = nativeAvailable() ? set(callsAt(dir, name), attribute, value) : errnoOf('ENOTSUP');
  if (result < 0) throw failureAt(result, 'setxattr', dir, name);
}

/** As `setXattrFd`, of what `pinNodeAt` has pinned, a symlink too. */
export function setXattrPinned(pin: number, attribute: ByteString, value: Uint8Array): void {
  const { address, bytes } = scratch(Math.max(SIZE_LIMIT, value.length));
  bytes.set(value);
  const path = cString(`/proc/self/fd/${pin}`);
  const result = outcome(followSet()!(path, cString2(attribute), address, value.length, 0));
  if (result < 0) throw failureFd(result, 'setxattr', pin);
}

/** Removes an attribute of an open file; nothing happens when there is none of this name. */
export function removeXattrFd(fd: number, attribute: ByteString): void {
  const result = nativeAvailable() ? callsFd(fd).remove(attribute) : errnoOf('ENOTSUP');
  if (result < 0 && result !== NO_DATA) throw failureFd(result, 'removexattr', fd);
}

/** As `removeXattrFd`, of what is at `name`. */
export function removeXattrAt(dir: number, name: ByteString, attribute: ByteString): void {
  const result = nativeAvailable() ? callsAt(dir, name).remove(attribute) : errnoOf('ENOTSUP');
  if (result < 0 && result !== NO_DATA) throw failureAt(result, 'removexattr', dir, name);
}

/** As `removeXattrFd`, of what `pinNodeAt` has pinned. */
export function removeXattrPinned(pin: number, attribute: ByteString): void {
  const result = outcome(followRemove()!(cString(`/proc/self/fd/${pin}`), cString2(attribute)));
  if (result < 0 && result !== NO_DATA) throw failureFd(result, 'removexattr', pin);
}
