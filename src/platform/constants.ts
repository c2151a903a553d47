import { constants } from 'node:fs';

/** Numbers of the system interface that Node does not name. Linux values are those shared by every 64-bit port. */
export const isLinux = process.platform === 'linux';
export const isDarwin = process.platform === 'darwin';
export const isWindows = process.platform === 'win32';

/**
 * In place of a directory descriptor: names are absolute, or relative to the working directory of the process.
 */
export const CWD: number = isDarwin ? -2 : -100;

export const AT_SYMLINK_NOFOLLOW = isDarwin ? 0x20 : 0x100;
export const AT_REMOVEDIR = isDarwin ? 0x80 : 0x200;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;

export const O_RDONLY = constants.O_RDONLY;
export const O_RDWR = constants.O_RDWR;
export const O_CREAT = constants.O_CREAT;
export const O_EXCL = constants.O_EXCL;
// What an operating system lacks does nothing there.
export const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0;
export const O_DIRECTORY = constants.O_DIRECTORY ?? 0;
export const O_NONBLOCK = constants.O_NONBLOCK ?? 0;
export const O_NOATIME = constants.O_NOATIME ?? 0;
export const O_CLOEXEC = isLinux ? 0o2000000 : isDarwin ? 0x1000000 : 0;
/** A descriptor that only names a place; needs no permission to read it. Linux only. */
export const O_PATH = isLinux ? 0o10000000 : 0;

/** Longest path that the kernel takes in one call, without the closing zero. */
export const PATH_MAX = isDarwin ? 1023 : 4095;

/** Kinds of file, numbered as in `mode >>> 12` and in the d_type of a directory entry. */
export const FileType = {
  unknown: 0,
  fifo: 1,
  charDevice: 2,
  directory: 4,
  blockDevice: 6,
  file: 8,
  symlink: 10,
  socket: 12,
} as const;

export type FileType = (typeof FileType)[keyof typeof FileType];

// Numbers of system calls: x86_64 has its own, all later ports share the generic table.
const X64 = { getdents64: 217, ioprio_set: 251, mknodat: 259, statx: 332, fchmodat2: 452 };
const GENERIC = { getdents64: 61, ioprio_set: 30, mknodat: 33, statx: 291, fchmodat2: 452 };
const SHARED = { setxattrat: 463, getxattrat: 464, listxattrat: 465, removexattrat: 466 };

const NUMBERS = { ...(process.arch === 'x64' ? X64 : GENERIC), ...SHARED };

export type SyscallName = keyof typeof X64 | keyof typeof SHARED;

/** Number of a system call of this Linux. */
export function syscallNumber(name: SyscallName): number {
  return NUMBERS[name];
}
