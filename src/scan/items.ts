import type { ByteString } from '../bytes.js';
import { clampSeconds, EntryType } from '../format/entry.js';
import { FileType, type StatBuffer } from '../platform/index.js';
import { pathOf } from './keys.js';
import type { Rule } from './rules.js';

const TWO_32 = 0x1_0000_0000;

/** How many numbers there are of an entry. */
export const FACTS = 15;

/** Places of some of them. */
export const Fact = {
  type: 0,
  mode: 1,
  uid: 2,
  gid: 3,
  size: 4,
  mtimeSec: 5,
  mtimeNsec: 6,
  ctimeSec: 7,
  ctimeNsec: 8,
  ino: 9,
  nlink: 11,
} as const;

const scratch = new Float64Array(FACTS);

const ENTRY_TYPE: (EntryType | undefined)[] = [];
ENTRY_TYPE[FileType.directory] = EntryType.dir;
ENTRY_TYPE[FileType.file] = EntryType.file;
ENTRY_TYPE[FileType.symlink] = EntryType.symlink;
ENTRY_TYPE[FileType.fifo] = EntryType.fifo;
ENTRY_TYPE[FileType.socket] = EntryType.socket;
ENTRY_TYPE[FileType.charDevice] = EntryType.chardev;
ENTRY_TYPE[FileType.blockDevice] = EntryType.blockdev;

/** One path as it is on disk now. Plain numbers, and always the same shape: there are millions of them. */
export class ScanEntry {
  readonly kind = 'entry';
  readonly key: ByteString;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file; 0 for anything else. */
  readonly size: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  /** Inode number modulo 2^53. */
  readonly ino: number;
  /** The device, as one number; may be another after each boot. */
  readonly dev: number;
  readonly nlink: number;
  /** Units of 512 bytes that it takes on disk. */
  readonly blocks: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /**
   * Key of the directory in which its file system (or btrfs subvolume) begins. Unlike the device number it is the same
   * after a boot; together with the inode number it tells which names are one file.
   */
  readonly mountKey: ByteString;
  /** Target of a symlink. */
  readonly target: ByteString | undefined;

  /**
   * @param facts numbers as `writeFacts` puts them
   * @param at where they begin
   */
  constructor(key: ByteString, facts: Float64Array, at: number, mountKey: ByteString, target: ByteString | undefined) {
    // What has 32 bits at most is made an integer: V8 keeps any other number in memory of its own.
    this.key = key;
    this.type = (facts[at] >>> 0) as EntryType;
    this.mode = facts[at + 1] >>> 0;
    this.uid = facts[at + 2] >>> 0;
    this.gid = facts[at + 3] >>> 0;
    this.size = facts[at + 4];
    this.mtimeSec = facts[at + 5];
    this.mtimeNsec = facts[at + 6] >>> 0;
    this.ctimeSec = facts[at + 7];
    this.ctimeNsec = facts[at + 8] >>> 0;
    this.ino = facts[at + 9];
    this.dev = facts[at + 10];
    this.nlink = facts[at + 11] >>> 0;
    this.blocks = facts[at + 12];
    this.rdevMajor = facts[at + 13] >>> 0;
    this.rdevMinor = facts[at + 14] >>> 0;
    this.mountKey = mountKey;
    this.target = target;
  }

  /** What the file system says of a path. */
  static of(key: ByteString, stat: StatBuffer, mountKey: ByteString, target: ByteString | undefined): ScanEntry {
    const type = stat.type;
    const facts = scratch;
    facts[0] = ENTRY_TYPE[type] ?? EntryType.fifo;
    facts[1] = stat.perm;
    facts[2] = stat.uid;
    facts[3] = stat.gid;
    facts[4] = type === FileType.file ? stat.size : 0;
    facts[5] = clampSeconds(stat.mtimeSec);
    facts[6] = stat.mtimeNsec;
    facts[7] = clampSeconds(stat.ctimeSec);
    facts[8] = stat.ctimeNsec;
    facts[9] = inodeOf(stat);
    facts[10] = deviceOf(stat);
    facts[11] = stat.nlink;
    facts[12] = stat.blocks;
    facts[13] = stat.rdevMajor;
    facts[14] = stat.rdevMinor;
    return new ScanEntry(key, facts, 0, mountKey, target);
  }

  /** Writes what the constructor takes again. */
  writeFacts(facts: Float64Array, at: number): void {
    facts[at] = this.type;
    facts[at + 1] = this.mode;
    facts[at + 2] = this.uid;
    facts[at + 3] = this.gid;
    facts[at + 4] = this.size;
    facts[at + 5] = this.mtimeSec;
    facts[at + 6] = this.mtimeNsec;
    facts[at + 7] = this.ctimeSec;
    facts[at + 8] = this.ctimeNsec;
    facts[at + 9] = this.ino;
    facts[at + 10] = this.dev;
    facts[at + 11] = this.nlink;
    facts[at + 12] = this.blocks;
    facts[at + 13] = this.rdevMajor;
    facts[at + 14] = this.rdevMinor;
  }

  /** The absolute path. */
  get path(): ByteString {
    return pathOf(this.key);
  }
}

/** Inode number modulo 2^53. */
export function inodeOf(stat: StatBuffer): number {
  return (stat.inoHigh & 0x1f_ffff) * TWO_32 + stat.inoLow;
}

/** Device as one number: 20 bits for the minor one, as the kernel has them. */
export function deviceOf(stat: StatBuffer): number {
  return stat.devMajor * 0x10_0000 + stat.devMinor;
}

/**
 * The disk could not be asked: active versions with `key` <= k < `end` stay as they are, but for entries that follow.
 * An entry with the same key may have come just before (a directory that can be seen but not read).
 */
export interface KeepItem {
  readonly kind: 'keep';
  readonly key: ByteString;
  readonly end: ByteString;
  /** For people. */
  readonly reason: string;
  /** To be reported, and to end in exit 3. */
  readonly error: boolean;
  /** It is about a whole root. */
  readonly root: boolean;
}

/** Something to be reported that does not concern what is active. Exit 3. */
export interface FailedItem {
  readonly kind: 'failed';
  readonly key: ByteString;
  readonly reason: string;
}

/** A directory (which has its entry) whose content is not looked at: another file system. To be named; no error. */
export interface SkippedItem {
  readonly kind: 'skipped';
  readonly key: ByteString;
  readonly reason: string;
}

/** Left out by a rule or an option. Only when asked for. */
export interface ExcludedItem {
  readonly kind: 'excluded';
  readonly key: ByteString;
  readonly reason: string;
  readonly rule: Rule | undefined;
}

/** The place of standard input's entry in the order. */
export interface StdinItem {
  readonly kind: 'stdin';
  readonly key: ByteString;
}

export type ScanItem = ScanEntry | KeepItem | FailedItem | SkippedItem | ExcludedItem | StdinItem;
