import type { ByteString } from '../bytes.js';

/** What an entry of a listing is. The numbers are part of the format. */
export const EntryType = { dir: 0, file: 1, symlink: 2, fifo: 3, socket: 4, chardev: 5, blockdev: 6 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** Length of a blob id in bytes. */
export const ID_LENGTH = 24;

/** Most levels that a chunk-list tree or a listing may have; a tree of 16 children each is past 2^53 at 14. */
export const MAX_DEPTH = 32;

/** How a file was cut: 0 small chunks (what compresses), 1 large chunks (what does not). */
export type ChunkClass = 0 | 1;

/** A file's content: the ids of its chunks, or of the root of the tree that lists them. */
export interface Content {
  chunkClass: ChunkClass;
  /** 0: `ids` are the chunks themselves; n > 0: `ids` is the one root id of a chunk-list tree of n levels. */
  depth: number;
  /** Concatenated blob ids. 16 zero bytes followed by a 64-bit little-endian length stand for a hole. */
  ids: Uint8Array;
}

/** Content that another content replaced while the metadata stayed as it was. */
export interface ReplacedContent extends Content {
  size: number;
}

/** One path of a listing with everything that is kept of it. */
export interface Entry extends Content {
  /** Path key: the components of the absolute path, joined by byte 0. */
  key: ByteString;
  type: EntryType;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of a file; 0 for anything else. */
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  /** Inode number modulo 2^53: it is only ever compared. */
  ino: number;
  user?: string;
  group?: string;
  /** Target of a symbolic link. */
  target?: ByteString;
  rdev?: { major: number; minor: number };
  /** Hard-link group, 16 bytes: names with the same group were one file if their versions are the same. */
  link?: Uint8Array;
  /** Extended attributes, sorted by name. */
  xattrs?: [name: ByteString, value: Uint8Array][];
  replaced?: ReplacedContent;
  /**
   * When the version was first and last seen, nanoseconds since 1970: in kept snapshots; and in imported ones, where the
   * older program knew it better than the snapshots' times tell.
   */
  kept?: { first: bigint; last: bigint };
}

/** Seconds that a listing can hold, after and before 1970: some 140 million years, so that differences stay exact. */
export const MAX_SECONDS = 2 ** 52 - 1;

/** The nearest time that a listing can hold: some file systems take any 64-bit number for one. */
export function clampSeconds(seconds: number): number {
  return Math.max(-MAX_SECONDS, Math.min(MAX_SECONDS, seconds));
}

/** The content of everything that has none. */
export const NO_CONTENT: Content = { chunkClass: 0, depth: 0, ids: new Uint8Array(0) };

/** Whether two contents are the same bytes cut in the same way. */
export function sameContent(a: Content, b: Content): boolean {
  return a.chunkClass === b.chunkClass && a.depth === b.depth && Buffer.compare(a.ids, b.ids) === 0;
}
