import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';
import { decode, encode } from './cbor.js';
import { type ChunkClass, clampSeconds, type Entry, EntryType, ID_LENGTH, MAX_DEPTH } from './entry.js';
import { readKeys, writeKey } from './path-keys.js';
import { type RareColumns, type RareFields, readRareFields, writeRareFields } from './rare-fields.js';
import { ByteReader, ByteWriter, expectEnd } from './varint.js';

/**
 * A segment is a leaf of a listing: some entries, sorted by path key, stored column by column.
 *
 * Columns of one kind of value compress far better than rows, and a reader that only compares times does not touch
 * the rest. What few entries have (link targets, attributes, …) is a list of [position, value] pairs.
 */
interface SegmentColumns extends RareColumns {
  n: number;
  key: Uint8Array;
  type: Uint8Array;
  mode: Uint8Array;
  uid: Uint8Array;
  gid: Uint8Array;
  size: Uint8Array;
  mtime: Uint8Array;
  ctime: Uint8Array;
  ino: Uint8Array;
  cut: Uint8Array;
  ids: Uint8Array;
}

class ColumnWriters {
  readonly key = new ByteWriter(8192);
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

const writers = new ColumnWriters();

/**
 * The bytes of a segment with these entries, which must be sorted by key without duplicates. All entries of one owner
 * get one name, the last one given. RangeError for a number that a listing cannot hold (a size of 2^53 or more).
 */
export function encodeSegment(entries: readonly Entry[]): Uint8Array {
  const w = writers;
  w.reset();
  const rare: RareColumns = {};
  const types = new Uint8Array(entries.length);
  const users = new Map<number, string>();
  const groups = new Map<number, string>();
  let previousKey = '';
  let mtime = 0;
  let ctime = 0;
  let ino = 0;
  for (let i = 0; i < entries.length; i++) {
    const e = entries[i];
    types[i] = e.type;
    writeKey(w.key, previousKey, e.key);
    previousKey = e.key;
    w.mode.varint(e.mode);
    w.uid.varint(e.uid);
    w.gid.varint(e.gid);
    w.size.varint(e.size);
    mtime = writeTime(w.mtime, mtime, e.mtimeSec, e.mtimeNsec);
    ctime = writeTime(w.ctime, ctime, e.ctimeSec, e.ctimeNsec);
    w.ino.signed(e.ino - ino);
    ino = e.ino;
    if (e.type === EntryType.file) {
      w.cut.byte((e.depth << 1) | e.chunkClass);
      if (e.depth === 0) w.cut.varint(e.ids.length / ID_LENGTH);
      w.ids.bytes(e.ids);
    }
    if (e.user !== undefined) users.set(e.uid, e.user);
    if (e.group !== undefined) groups.set(e.gid, e.group);
    writeRareFields(rare, i, e);
  }
  if (users.size > 0) rare.users = [...users].sort((a, b) => a[0] - b[0]);
  if (groups.size > 0) rare.groups = [...groups].sort((a, b) => a[0] - b[0]);
  return encode({
    ...rare,
    n: entries.length,
    key: w.key.take(),
    type: types,
    mode: w.mode.take(),
    uid: w.uid.take(),
    gid: w.gid.take(),
    size: w.size.take(),
    mtime: w.mtime.take(),
    ctime: w.ctime.take(),
    ino: w.ino.take(),
    cut: w.cut.take(),
    ids: w.ids.take(),
  } satisfies SegmentColumns);
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

/** A decoded segment: the columns that comparisons need as arrays, and whole entries on demand. */
export class Segment {
  readonly length: number;
  readonly keys: ByteString[];
  readonly types: Uint8Array;
  readonly modes: number[];
  readonly uids: number[];
  readonly gids: number[];
  readonly sizes: number[];
  readonly mtimeSecs: number[];
  readonly mtimeNsecs: number[];
  readonly ctimeSecs: number[];
  readonly ctimeNsecs: number[];
  readonly inos: number[];
  /** Per entry depth << 1 | class; 0 for what is not a file. */
  readonly cuts: Uint8Array;
  /** Where an entry's ids begin and end in `ids`: offsets[i] to offsets[i + 1]. */
  readonly offsets: Uint32Array;
  readonly ids: Uint8Array;
  private readonly columns: SegmentColumns;
  private rare?: RareFields;

  constructor(columns: SegmentColumns) {
    const n = columns.n;
    this.columns = columns;
    this.length = n;
    this.types = columns.type;
    // First of all: nothing below may reserve memory for more entries than there are bytes.
    if (this.types.length !== n) throw new FormatError('a segment has a column of the wrong length');
    this.keys = readKeys(columns.key, n);
    this.modes = readVarints(columns.mode, n);
    this.uids = readVarints(columns.uid, n);
    this.gids = readVarints(columns.gid, n);
    this.sizes = readVarints(columns.size, n);
    [this.mtimeSecs, this.mtimeNsecs] = readTimes(columns.mtime, n);
    [this.ctimeSecs, this.ctimeNsecs] = readTimes(columns.ctime, n);
    this.inos = readDeltas(columns.ino, n);
    this.cuts = new Uint8Array(n);
    this.offsets = new Uint32Array(n + 1);
    this.ids = columns.ids;
    const cut = new ByteReader(columns.cut);
    let offset = 0;
    for (let i = 0; i < n; i++) {
      if (this.types[i] === EntryType.file) {
        const byte = cut.byte();
        if (byte >> 1 > MAX_DEPTH) throw new FormatError('an entry has a chunk list of an impossible depth');
        this.cuts[i] = byte;
        offset += (byte < 2 ? cut.varint() : 1) * ID_LENGTH;
      } else if (this.types[i] > EntryType.blockdev) throw new FormatError('an entry has an unknown type');
      this.offsets[i + 1] = offset;
    }
    expectEnd(cut);
    if (offset !== this.ids.length) throw new FormatError('a segment has the wrong number of chunk ids');
  }

  /** The ids of one entry's content, as a view. */
  idsOf(i: number): Uint8Array {
    return this.ids.subarray(this.offsets[i], this.offsets[i + 1]);
  }

  /** Whether an entry has fields beside the columns above (a link target, attributes, …) and its owners' names. */
  hasRareFields(i: number): boolean {
    this.rare ??= readRareFields(this.columns, this.length);
    return this.rare.byPosition.has(i);
  }

  /** Name of an owner, as the segment has it. */
  userName(uid: number): string | undefined {
    this.rare ??= readRareFields(this.columns, this.length);
    return this.rare.users.get(uid);
  }

  /** Name of a group, as the segment has it. */
  groupName(gid: number): string | undefined {
    this.rare ??= readRareFields(this.columns, this.length);
    return this.rare.groups.get(gid);
  }

  /** One entry, whole. Its bytes are views into the segment. */
  entry(i: number): Entry {
    this.rare ??= readRareFields(this.columns, this.length);
    const cut = this.cuts[i];
    const entry: Entry = {
      key: this.keys[i],
      type: this.types[i] as EntryType,
      mode: this.modes[i],
      uid: this.uids[i],
      gid: this.gids[i],
      size: this.sizes[i],
      mtimeSec: this.mtimeSecs[i],
      mtimeNsec: this.mtimeNsecs[i],
      ctimeSec: this.ctimeSecs[i],
      ctimeNsec: this.ctimeNsecs[i],
      ino: this.inos[i],
      chunkClass: (cut & 1) as ChunkClass,
      depth: cut >> 1,
      ids: this.idsOf(i),
    };
    const user = this.rare.users.get(entry.uid);
    const group = this.rare.groups.get(entry.gid);
    if (user !== undefined) entry.user = user;
    if (group !== undefined) entry.group = group;
    const fields = this.rare.byPosition.get(i);
    return fields === undefined ? entry : Object.assign(entry, fields);
  }
}

/** Reads a segment; bytes that are not one are a FormatError. */
export function decodeSegment(bytes: Uint8Array): Segment {
  const columns = decode(bytes) as SegmentColumns;
  if (typeof columns !== 'object' || columns === null || !Number.isSafeInteger(columns.n))
    throw new FormatError('not a segment');
  for (const name of BYTE_COLUMNS)
    if (!(columns[name] instanceof Uint8Array)) throw new FormatError(`a segment lacks its column "${name}"`);
  return new Segment(columns);
}

const BYTE_COLUMNS = ['key', 'type', 'mode', 'uid', 'gid', 'size', 'mtime', 'ctime', 'ino', 'cut', 'ids'] as const;

function readVarints(column: Uint8Array, count: number): number[] {
  const reader = new ByteReader(column);
  const values: number[] = new Array(count);
  for (let i = 0; i < count; i++) values[i] = reader.varint();
  expectEnd(reader);
  return values;
}

function readDeltas(column: Uint8Array, count: number): number[] {
  const reader = new ByteReader(column);
  const values: number[] = new Array(count);
  let value = 0;
  for (let i = 0; i < count; i++) {
    value += reader.signed();
    values[i] = value;
  }
  expectEnd(reader);
  return values;
}

function readTimes(column: Uint8Array, count: number): [seconds: number[], nanoseconds: number[]] {
  const reader = new ByteReader(column);
  const seconds: number[] = new Array(count);
  const nanoseconds: number[] = new Array(count);
  let second = 0;
  for (let i = 0; i < count; i++) {
    second += reader.signed();
    seconds[i] = second;
    nanoseconds[i] = reader.varint();
  }
  expectEnd(reader);
  return [seconds, nanoseconds];
}
