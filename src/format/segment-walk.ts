import type { ByteString } from '../bytes.js';
import type { Entry, EntryType } from './entry.js';
import { KeyReader } from './path-keys.js';
import { CutReader, type EntryColumns, type Segment } from './segment-columns.js';
import { ByteReader } from './varint.js';

/** How far a segment has been read: entries, and the bytes of each column. */
export interface ColumnEnds {
  entries: number;
  key: number;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  ctime: number;
  ino: number;
  cut: number;
  ids: number;
}

/**
 * Goes over the entries of a segment, from the first on, without making arrays, strings or objects of them: the way to
 * compare many entries of which nearly all are equal, or to copy stretches of them. A malformed column is a FormatError
 * when it is met.
 */
export class SegmentWalk implements EntryColumns {
  readonly segment: Segment;
  /** The entry it stands on; -1 before the first. What is said below is said of that entry. */
  position = -1;
  type: EntryType = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  size = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  ino = 0;
  /** How its content was cut, as in `Segment.cuts`. */
  cut = 0;
  /** Where its ids begin and end in `Segment.ids`. */
  idsFrom = 0;
  idsTo = 0;
  private readonly keys: KeyReader;
  private readonly keyBytes: ByteReader;
  private readonly modes: ByteReader;
  private readonly uids: ByteReader;
  private readonly gids: ByteReader;
  private readonly sizes: ByteReader;
  private readonly mtimes: ByteReader;
  private readonly ctimes: ByteReader;
  private readonly inos: ByteReader;
  private readonly cuts: CutReader;
  private keyText: ByteString | undefined;

  constructor(segment: Segment) {
    const { stored } = segment;
    this.segment = segment;
    this.keyBytes = new ByteReader(stored.key);
    this.keys = new KeyReader(this.keyBytes);
    this.modes = new ByteReader(stored.mode);
    this.uids = new ByteReader(stored.uid);
    this.gids = new ByteReader(stored.gid);
    this.sizes = new ByteReader(stored.size);
    this.mtimes = new ByteReader(stored.mtime);
    this.ctimes = new ByteReader(stored.ctime);
    this.inos = new ByteReader(stored.ino);
    this.cuts = new CutReader(stored.cut, segment.types);
  }

  /** Goes to the next entry, of which there must be one. */
  next(): void {
    const i = ++this.position;
    this.keyText = undefined;
    this.keys.skip();
    this.type = this.segment.types[i] as EntryType;
    this.mode = this.modes.varint();
    this.uid = this.uids.varint();
    this.gid = this.gids.varint();
    this.size = this.sizes.varint();
    this.mtimeSec += this.mtimes.signed();
    this.mtimeNsec = this.mtimes.varint();
    this.ctimeSec += this.ctimes.signed();
    this.ctimeNsec = this.ctimes.varint();
    this.ino += this.inos.signed();
    this.cut = this.cuts.next(i);
    this.idsFrom = this.idsTo;
    this.idsTo += this.cuts.length;
  }

  /** Goes on to an entry; never back. */
  to(position: number): void {
    while (this.position < position) this.next();
  }

  /** The key of the entry. */
  get key(): ByteString {
    this.keyText ??= this.keys.text();
    return this.keyText;
  }

  /** Whether its key is these bytes of an array. */
  hasKey(bytes: Uint8Array, from: number, to: number): boolean {
    return this.keys.equals(bytes, from, to);
  }

  /** The entry as an object; its bytes are views into the segment. */
  entry(): Entry {
    return this.segment.assemble(this.position, this.key, this);
  }

  /** How far the columns have been read: up to the end of this entry. */
  ends(): ColumnEnds {
    return {
      entries: this.position + 1,
      key: this.keyBytes.at,
      mode: this.modes.at,
      uid: this.uids.at,
      gid: this.gids.at,
      size: this.sizes.at,
      mtime: this.mtimes.at,
      ctime: this.ctimes.at,
      ino: this.inos.at,
      cut: this.cuts.at,
      ids: this.idsTo,
    };
  }
}
