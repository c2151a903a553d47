import fs from 'node:fs';
import type { ByteString } from '../bytes.js';
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, FileType, isLinux, syscallNumber } from './constants.js';
import { failureAt, failureFd, nodePath } from './descriptors.js';
import { attempt, errnoOf } from './error.js';
import { cString, libc, type Memory, memory, type NativeFunction, outcome, syscall } from './ffi.js';

const TWO_32 = 0x1_0000_0000;
// STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID
const WANTED = 0x7ff | 0x800 | 0x1000;
const MOUNT_ID = 0x1000;
const MOUNT_ROOT = 0x2000;

// Places in `struct statx` (statx(2)), in words of 32 bits.
const MASK = 0;
const BLKSIZE = 1;
const ATTRIBUTES = 2;
const NLINK = 4;
const UID = 5;
const GID = 6;
const MODE = 7;
const INO = 8;
const SIZE = 10;
const BLOCKS = 12;
const ATIME = 16;
const BTIME = 20;
const CTIME = 24;
const MTIME = 28;
const RDEV = 32;
const DEV = 34;
const MNT = 36;

/**
 * What the file system says of one file. Made to be reused: each call that is given one overwrites it. The fields are
 * read straight out of the kernel's `struct statx`, without BigInt, except where the name says so.
 */
export class StatBuffer {
  readonly #memory: Memory;
  readonly #words: Uint32Array<ArrayBuffer>;
  /** Where the kernel is to write; for this module only. */
  readonly address: number;

  constructor() {
    this.#memory = memory(256);
    this.#words = new Uint32Array(this.#memory.bytes.buffer);
    this.address = this.#memory.address;
  }

  /** Takes over all fields of another. */
  copyFrom(other: StatBuffer): void {
    this.#words.set(other.#words);
  }

  /** Type and permission bits, as in `st_mode`. */
  get mode(): number {
    return this.#words[MODE] & 0xffff;
  }
  get type(): FileType {
    return ((this.#words[MODE] >>> 12) & 0xf) as FileType;
  }
  /** Permission bits with setuid, setgid and sticky: `mode & 0o7777`. */
  get perm(): number {
    return this.#words[MODE] & 0o7777;
  }
  get isFile(): boolean {
    return this.type === FileType.file;
  }
  get isDirectory(): boolean {
    return this.type === FileType.directory;
  }
  get isSymlink(): boolean {
    return this.type === FileType.symlink;
  }
  get uid(): number {
    return this.#words[UID];
  }
  get gid(): number {
    return this.#words[GID];
  }
  get nlink(): number {
    return this.#words[NLINK];
  }
  /** Bytes; exact up to 2^53. */
  get size(): number {
    return this.#words[SIZE + 1] * TWO_32 + this.#words[SIZE];
  }
  /** Space taken, in units of 512 bytes; less than the size in a sparse or compressed file. */
  get blocks(): number {
    return this.#words[BLOCKS + 1] * TWO_32 + this.#words[BLOCKS];
  }
  /** Preferred size of reads, in bytes. */
  get blksize(): number {
    return this.#words[BLKSIZE];
  }
  /** Inode number; exact below 2^53, rounded above: then use `inoLow` and `inoHigh`, or `inoBig`. */
  get ino(): number {
    return this.#words[INO + 1] * TWO_32 + this.#words[INO];
  }
  get inoLow(): number {
    return this.#words[INO];
  }
  get inoHigh(): number {
    return this.#words[INO + 1];
  }
  get inoBig(): bigint {
    return (BigInt(this.#words[INO + 1]) << 32n) | BigInt(this.#words[INO]);
  }
  /** Whole seconds since 1970, rounded down: negative before. The nanoseconds are added to them. */
  get mtimeSec(): number {
    return this.#seconds(MTIME);
  }
  get mtimeNsec(): number {
    return this.#words[MTIME + 2];
  }
  get ctimeSec(): number {
    return this.#seconds(CTIME);
  }
  get ctimeNsec(): number {
    return this.#words[CTIME + 2];
  }
  get atimeSec(): number {
    return this.#seconds(ATIME);
  }
  get atimeNsec(): number {
    return this.#words[ATIME + 2];
  }
  /** Time of birth; 0 where the file system has none. */
  get btimeSec(): number {
    return this.#seconds(BTIME);
  }
  get btimeNsec(): number {
    return this.#words[BTIME + 2];
  }
  /** Nanoseconds since 1970. */
  get mtimeNs(): bigint {
    return BigInt(this.mtimeSec) * 1_000_000_000n + BigInt(this.mtimeNsec);
  }
  get ctimeNs(): bigint {
    return BigInt(this.ctimeSec) * 1_000_000_000n + BigInt(this.ctimeNsec);
  }
  /** The device that holds the file; may differ after each boot. */
  get devMajor(): number {
    return this.#words[DEV];
  }
  get devMinor(): number {
    return this.#words[DEV + 1];
  }
  /** The device that a device file stands for. */
  get rdevMajor(): number {
    return this.#words[RDEV];
  }
  get rdevMinor(): number {
    return this.#words[RDEV + 1];
  }
  /** The mount, as `Mount.id` has it; 0 where the kernel does not tell (before Linux 5.8, or no Linux). */
  get mntId(): number {
    return (this.#words[MASK] & MOUNT_ID) === 0 ? 0 : this.#words[MNT + 1] * TWO_32 + this.#words[MNT];
  }
  /** Whether this is the top of a mount; false where the kernel does not tell. */
  get isMountRoot(): boolean {
    return (this.#words[ATTRIBUTES] & MOUNT_ROOT) !== 0;
  }

  #seconds(at: number): number {
    return (this.#words[at + 1] | 0) * TWO_32 + this.#words[at];
  }

  /** Takes over what Node's own stat gave. */
  fill(stats: fs.BigIntStats): void {
    const w = this.#words.fill(0);
    w[BLKSIZE] = Number(stats.blksize);
    w[NLINK] = Number(stats.nlink);
    w[UID] = Number(stats.uid);
    w[GID] = Number(stats.gid);
    w[MODE] = Number(stats.mode);
    put64(w, INO, stats.ino);
    put64(w, SIZE, stats.size);
    put64(w, BLOCKS, stats.blocks ?? 0n);
    putTime(w, ATIME, stats.atimeNs);
    putTime(w, BTIME, stats.birthtimeNs);
    putTime(w, CTIME, stats.ctimeNs);
    putTime(w, MTIME, stats.mtimeNs);
    [w[DEV], w[DEV + 1]] = splitDevice(stats.dev);
    [w[RDEV], w[RDEV + 1]] = splitDevice(stats.rdev);
  }
}

function put64(words: Uint32Array, at: number, value: bigint): void {
  words[at] = Number(value & 0xffff_ffffn);
  words[at + 1] = Number((value >> 32n) & 0xffff_ffffn);
}

function putTime(words: Uint32Array, at: number, ns: bigint): void {
  const below = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  put64(words, at, (ns - below) / 1_000_000_000n);
  words[at + 2] = Number(below);
}

// A dev_t is packed by libc: glibc and musl in one way (sys/sysmacros.h), the BSDs in another.
function splitDevice(dev: bigint): [number, number] {
  if (!isLinux) return [Number((dev >> 24n) & 0xffn), Number(dev & 0xff_ffffn)];
  return [
    Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xffff_f000n)),
    Number((dev & 0xffn) | ((dev >> 12n) & 0xffff_ff00n)),
  ];
}

const statxOfLibc = isLinux ? libc('statx', 'int', ['int', 'uintptr_t', 'int', 'uint', 'uintptr_t']) : () => null;
const statxOfKernel = syscall(['int', 'uintptr_t', 'int', 'uint', 'uintptr_t']);

let statx: NativeFunction | null | undefined;

// musl has it since 1.2.5, Linux since 4.11, and some sandboxes refuse it: then Node's lstat does it.
function bindStatx(): NativeFunction | null {
  const number = syscallNumber('statx');
  const kernel = statxOfKernel();
  const candidate =
    statxOfLibc() ?? (kernel && ((dir, name, flags, mask, out) => kernel(number, dir, name, flags, mask, out)));
  if (candidate === null) return null;
  const probe = memory(256);
  return candidate(-100, cString('/'), 0, WANTED, probe.address) === 0 ? candidate : null;
}

function stat(dir: number, name: ByteString, flags: number, out: StatBuffer): number {
  if (statx === undefined) statx = bindStatx();
  if (statx !== null) {
    return statx(dir, cString(name), flags | AT_NO_AUTOMOUNT, WANTED, out.address) === 0 ? 0 : outcome(-1);
  }
  return attempt(() => {
    const path = nodePath(dir, name);
    const options = { bigint: true } as const;
    out.fill((flags & AT_SYMLINK_NOFOLLOW) !== 0 ? fs.lstatSync(path, options) : fs.statSync(path, options));
    return 0;
  });
}

/** What is at `name` in `dir`, a symlink itself; never mounts anything. Throws SystemError. */
export function statAt(dir: number, name: ByteString, out: StatBuffer): void {
  const result = stat(dir, name, AT_SYMLINK_NOFOLLOW, out);
  if (result < 0) throw failureAt(result, 'lstat', dir, name);
}

/** As `statAt`, of what a symlink leads to: for backup roots only. */
export function statFollowAt(dir: number, name: ByteString, out: StatBuffer): void {
  const result = stat(dir, name, 0, out);
  if (result < 0) throw failureAt(result, 'stat', dir, name);
}

/** As `statAt`; false when nothing is there (ENOENT, ENOTDIR). Any other error still throws. */
export function tryStatAt(dir: number, name: ByteString, out: StatBuffer): boolean {
  const result = stat(dir, name, AT_SYMLINK_NOFOLLOW, out);
  if (result === 0) return true;
  if (result === errnoOf('ENOENT') || result === errnoOf('ENOTDIR')) return false;
  throw failureAt(result, 'lstat', dir, name);
}

/** What an open file is now. */
export function statFd(fd: number, out: StatBuffer): void {
  if (statx === undefined) statx = bindStatx();
  const result =
    statx !== null
      ? outcome(statx(fd, cString(''), AT_EMPTY_PATH, WANTED, out.address))
      : attempt(() => {
          out.fill(fs.fstatSync(fd, { bigint: true }));
          return 0;
        });
  if (result < 0) throw failureFd(result, 'fstat', fd);
}
