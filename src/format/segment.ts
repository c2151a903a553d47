import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';
import { decode } from './cbor.js';
import { columnEncoder } from './column-map.js';
import { clampSeconds, type Entry, EntryType, ID_LENGTH } from './entry.js';
import { writeKey } from './path-keys.js';
import { type RareColumns, writeRareFields } from './rare-fields.js';
import { Segment, type SegmentColumns } from './segment-columns.js';
import { type ColumnEnds, SegmentWalk } from './segment-walk.js';
import { readTrusted } from './trusted-cbor.js';
import { ByteWriter } from './varint.js';

export { CutReader, Segment } from './segment-columns.js';
export { SegmentWalk } from './segment-walk.js';

/** What the regular files of a segment come to. */
export interface SegmentTotals {
  files: number;
  bytes: number;
  /** Seconds, as they are stored; undefined: it has no files. */
  newestMtime: number | undefined;
  newestCtime: number | undefined;
}

const BYTE_COLUMNS = ['key', 'type', 'mode', 'uid', 'gid', 'size', 'mtime', 'ctime', 'ino', 'cut', 'ids'] as const;
const RARE_COLUMNS = ['users', 'groups', 'target', 'rdev', 'link', 'xattr', 'replaced', 'kept'] as const;
const encodeColumns = columnEncoder<SegmentColumns>(['n', ...BYTE_COLUMNS, ...RARE_COLUMNS]);

type Facts = Pick<Entry, 'key' | 'type' | 'mode' | 'uid' | 'gid' | 'size' | 'ino'> &
  Pick<Entry, 'mtimeSec' | 'mtimeNsec' | 'ctimeSec' | 'ctimeNsec'>;

class ColumnWriters {
  readonly key = new ByteWriter(8192);
  readonly type = new ByteWriter();
  readonly mode = new ByteWriter();
  readonly uid = new ByteWriter();
  readonly gid = new ByteWriter();
  readonly size = new ByteWriter();
  readonly mtime = new ByteWriter(1024);
  readonly ctime = new ByteWriter(1024);
  readonly ino = new ByteWriter();
  readonly cut = new ByteWriter();
  readonly ids = new ByteWriter(4096);

  reset(): void {
    for (const writer of Object.values(this) as ByteWriter[]) writer.reset();
  }
}

/**
 * Makes segments from entries that come sorted by key without duplicates: new ones, and such as other segments have.
 * All entries of one owner get one name, the last one given.
 */
export class SegmentWriter {
  /** Key of the first entry; empty while there is none. */
  firstKey: ByteString = '';
  /** Of the entries so far. */
  totals: SegmentTotals = noTotals();
  private readonly columns = new ColumnWriters();
  private count = 0;
  private previousKey: ByteString = '';
  private mtime = 0;
  private ctime = 0;
  private ino = 0;
  private walk: SegmentWalk | undefined;
  private rare: RareColumns = {};
  private users = new Map<number, string>();
  private groups = new Map<number, string>();
  /** Whose owners' names were given last: most entries have the same. */
  private named: { segment: Segment | undefined; uid: number; gid: number } = { segment: undefined, uid: 0, gid: 0 };

  /** Forgets what was added. */
  reset(): void {
    this.columns.reset();
    this.firstKey = '';
    this.totals = noTotals();
    this.count = 0;
    this.previousKey = '';
    this.mtime = 0;
    this.ctime = 0;
    this.ino = 0;
    this.walk = undefined;
    this.rare = {};
    this.users = new Map();
    this.groups = new Map();
    this.named = { segment: undefined, uid: 0, gid: 0 };
  }

  /** Adds an entry. RangeError for a number that a listing cannot hold (a size of 2^53 or more). */
  add(e: Entry): void {
    const w = this.columns;
    this.addFacts(e);
    if (e.type === EntryType.file) {
      w.cut.byte((e.depth << 1) | e.chunkClass);
      if (e.depth === 0) w.cut.varint(e.ids.length / ID_LENGTH);
      w.ids.bytes(e.ids);
      this.countFile(e.size, this.mtime, this.ctime);
    }
    this.named.segment = undefined;
    if (e.user !== undefined) this.users.set(e.uid, e.user);
    if (e.group !== undefined) this.groups.set(e.gid, e.group);
    writeRareFields(this.rare, this.count++, e);
  }

  /**
   * Adds the entries from `from` to `to` of another segment. The first is written anew, since it is told as the difference
   * to the one before it; the columns of the others are copied as they stand.
   */
  copy(segment: Segment, from: number, to: number): void {
    const walk = this.walkTo(segment, from);
    this.addFirst(walk);
    this.noteCopied(walk);
    const begin = walk.ends();
    while (walk.position < to - 1) {
      walk.next();
      this.noteCopied(walk);
    }
    this.copyColumns(segment, begin, walk.ends());
    this.previousKey = walk.key;
    this.mtime = walk.mtimeSec;
    this.ctime = walk.ctimeSec;
    this.ino = walk.ino;
    if (segment.hasAnyRareFields()) this.copyRareFields(segment, from, to);
    this.count += to - from;
  }

  /** The bytes of the segment; the next one begins. */
  take(): Uint8Array {
    const w = this.columns;
    const { rare, users, groups } = this;
    if (users.size > 0) rare.users = [...users].sort((a, b) => a[0] - b[0]);
    if (groups.size > 0) rare.groups = [...groups].sort((a, b) => a[0] - b[0]);
    const bytes = encodeColumns({
      ...rare,
      n: this.count,
      key: w.key.take(),
      type: w.type.take(),
      mode: w.mode.take(),
      uid: w.uid.take(),
      gid: w.gid.take(),
      size: w.size.take(),
      mtime: w.mtime.take(),
      ctime: w.ctime.take(),
      ino: w.ino.take(),
      cut: w.cut.take(),
      ids: w.ids.take(),
    });
    this.reset();
    return bytes;
  }

  /** Adds what every entry has but its content. */
  private addFacts(e: Facts): void {
    const w = this.columns;
    if (this.count === 0) this.firstKey = e.key;
    writeKey(w.key, this.previousKey, e.key);
    this.previousKey = e.key;
    w.type.byte(e.type);
    w.mode.varint(e.mode);
    w.uid.varint(e.uid);
    w.gid.varint(e.gid);
    w.size.varint(e.size);
    this.mtime = writeTime(w.mtime, this.mtime, e.mtimeSec, e.mtimeNsec);
    this.ctime = writeTime(w.ctime, this.ctime, e.ctimeSec, e.ctimeNsec);
    w.ino.signed(e.ino - this.ino);
    this.ino = e.ino;
  }

  /** Stretches of a segment are mostly copied one after the other. */
  private walkTo(segment: Segment, position: number): SegmentWalk {
    let { walk } = this;
    if (walk === undefined || walk.segment !== segment || walk.position > position) {
      walk = new SegmentWalk(segment);
      this.walk = walk;
    }
    walk.to(position);
    return walk;
  }

  private addFirst(walk: SegmentWalk): void {
    const w = this.columns;
    this.addFacts(walk);
    if (walk.type !== EntryType.file) return;
    w.cut.byte(walk.cut);
    if (walk.cut >> 1 === 0) w.cut.varint((walk.idsTo - walk.idsFrom) / ID_LENGTH);
    w.ids.range(walk.segment.ids, walk.idsFrom, walk.idsTo);
  }

  private copyColumns({ stored, types, ids }: Segment, from: ColumnEnds, to: ColumnEnds): void {
    const w = this.columns;
    w.key.range(stored.key, from.key, to.key);
    w.type.range(types, from.entries, to.entries);
    w.mode.range(stored.mode, from.mode, to.mode);
    w.uid.range(stored.uid, from.uid, to.uid);
    w.gid.range(stored.gid, from.gid, to.gid);
    w.size.range(stored.size, from.size, to.size);
    w.mtime.range(stored.mtime, from.mtime, to.mtime);
    w.ctime.range(stored.ctime, from.ctime, to.ctime);
    w.ino.range(stored.ino, from.ino, to.ino);
    w.cut.range(stored.cut, from.cut, to.cut);
    w.ids.range(ids, from.ids, to.ids);
  }

  private copyRareFields(segment: Segment, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const fields = segment.rareFieldsOf(i);
      if (fields !== undefined) writeRareFields(this.rare, this.count + i - from, fields);
    }
  }

  private noteCopied(walk: SegmentWalk): void {
    this.nameOwners(walk);
    if (walk.type === EntryType.file) this.countFile(walk.size, walk.mtimeSec, walk.ctimeSec);
  }

  private countFile(size: number, mtime: number, ctime: number): void {
    const { totals } = this;
    totals.files++;
    totals.bytes += size;
    if (totals.newestMtime === undefined || totals.newestMtime < mtime) totals.newestMtime = mtime;
    if (totals.newestCtime === undefined || totals.newestCtime < ctime) totals.newestCtime = ctime;
  }

  private nameOwners({ segment, uid, gid }: SegmentWalk): void {
    const { named } = this;
    if (named.segment === segment && named.uid === uid && named.gid === gid) return;
    const user = segment.userName(uid);
    const group = segment.groupName(gid);
    if (user !== undefined) this.users.set(uid, user);
    if (group !== undefined) this.groups.set(gid, group);
    named.segment = segment;
    named.uid = uid;
    named.gid = gid;
  }
}

function noTotals(): SegmentTotals {
  return { files: 0, bytes: 0, newestMtime: undefined, newestCtime: undefined };
}

const writer = new SegmentWriter();

/** The bytes of a segment with these entries: see SegmentWriter. */
export function encodeSegment(entries: readonly Entry[]): Uint8Array {
  writer.reset(); // an entry that could not be added may have left some behind
  for (const entry of entries) writer.add(entry);
  return writer.take();
}

/** Appends a time, its seconds as the difference to the one before; returns these seconds. */
function writeTime(column: ByteWriter, previous: number, seconds: number, nanoseconds: number): number {
  const nearest = clampSeconds(seconds);
  column.signed(nearest - previous);
  column.varint(nanoseconds);
  return nearest;
}

/** One entry as bytes of its own (a segment of one). Two entries are equal if and only if these bytes are. */
export function encodeEntry(entry: Entry): Uint8Array {
  return encodeSegment([entry]);
}

/** The entry that encodeEntry wrote. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const segment = decodeSegment(bytes);
  if (segment.length !== 1) throw new FormatError('an entry record does not hold one entry');
  return segment.entry(0);
}

/** Reads a segment; bytes that are not one are a FormatError. */
export function decodeSegment(bytes: Uint8Array): Segment {
  const columns = decode(bytes) as SegmentColumns;
  if (typeof columns !== 'object' || columns === null || !Number.isSafeInteger(columns.n))
    throw new FormatError('not a segment');
  for (const name of BYTE_COLUMNS)
    if (!(columns[name] instanceof Uint8Array)) throw new FormatError(`a segment lacks its column "${name}"`);
  return new Segment(columns).check();
}

/**
 * Opens a segment that decodeSegment has accepted before and that was kept where nobody else writes: without the checks
 * that take most of its time, and decoding only what is asked for. Other bytes give a FormatError, now or when they are
 * asked for, or a segment that the format does not allow.
 */
export function openSegment(bytes: Uint8Array): Segment {
  const columns = readTrusted(bytes) as unknown as SegmentColumns;
  if (!(columns.type instanceof Uint8Array)) throw new FormatError('not a segment');
  return new Segment(columns);
}
