import type { ByteString } from '../bytes.js';
import type { DirEntry, StatBuffer } from '../platform/index.js';
import type { Excludes } from './excludes.js';
import { deviceOf, inodeOf } from './items.js';

/** A stretch of keys whose active versions stay, with roots inside that are looked at nevertheless. */
export interface Gap {
  from: ByteString;
  readonly end: ByteString;
  readonly reason: string;
  /** To be reported, once. */
  error: boolean;
  readonly root: boolean;
}

/** Which file system something is on, and from where. */
export interface Place {
  readonly dev: number;
  readonly mntId: number;
  readonly mountKey: ByteString;
}

/** A directory that the walk is in. */
export class Frame implements Place {
  readonly key: ByteString;
  /** What comes before a name in the keys of this directory. */
  readonly prefix: ByteString;
  /** What lies in it, sorted; null: it is not listed, only the ways to roots below it are followed. */
  readonly entries: readonly DirEntry[] | null;
  next = 0;
  /** The open directory; -1 while it is closed, or for one that is not listed. */
  fd: number;
  readonly excludes: Excludes;
  readonly dev: number;
  readonly ino: number;
  readonly mntId: number;
  readonly mountKey: ByteString;
  /** Device of the root that this is in. */
  readonly rootDev: number;
  /** Names in it that are never saved. */
  readonly ownNames: ReadonlySet<ByteString> | undefined;
  /** Whether there were roots below it when it was entered. */
  readonly hasRoots: boolean;
  /** Whether it is a cache to be left out: only its tag, and what leads to roots, is among the entries. */
  readonly isCache: boolean;
  /** Not listed: what stays of it. Closed by the frame that opened it. */
  readonly gap: Gap | null;
  readonly ownsGap: boolean;

  constructor(parts: {
    key: ByteString;
    entries: readonly DirEntry[] | null;
    fd: number;
    ino?: number;
    place: Place;
    excludes?: Excludes;
    rootDev?: number;
    ownNames?: ReadonlySet<ByteString>;
    hasRoots?: boolean;
    isCache?: boolean;
    gap?: Gap | null;
    ownsGap?: boolean;
  }) {
    this.key = parts.key;
    this.prefix = parts.key === '' ? '' : `${parts.key}\0`;
    this.entries = parts.entries;
    this.fd = parts.fd;
    this.excludes = parts.excludes ?? null;
    this.dev = parts.place.dev;
    this.ino = parts.ino ?? -1;
    this.mntId = parts.place.mntId;
    this.mountKey = parts.place.mountKey;
    this.rootDev = parts.rootDev ?? -1;
    this.ownNames = parts.ownNames;
    this.hasRoots = parts.hasRoots ?? false;
    this.isCache = parts.isCache ?? false;
    this.gap = parts.gap ?? null;
    this.ownsGap = parts.ownsGap ?? false;
  }

  /** Whether something lies on another file system than this directory. */
  isCrossing(stat: StatBuffer): boolean {
    return deviceOf(stat) !== this.dev || stat.mntId !== this.mntId;
  }

  /** Where `stat`, of the thing with `key` in this directory, lies. */
  placeOf(stat: StatBuffer, key: ByteString): Place {
    return this.isCrossing(stat)
      ? { dev: deviceOf(stat), mntId: stat.mntId, mountKey: key }
      : { dev: this.dev, mntId: this.mntId, mountKey: this.mountKey };
  }

  /** Whether this is the directory that the frame was made for. */
  isSame(stat: StatBuffer): boolean {
    return inodeOf(stat) === this.ino && deviceOf(stat) === this.dev;
  }
}

/** Where the name is in a sorted directory; -1 when it is not there. */
export function findName(entries: readonly DirEntry[], name: ByteString): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle].name < name) low = middle + 1;
    else high = middle;
  }
  return low < entries.length && entries[low].name === name ? low : -1;
}
