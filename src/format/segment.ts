import { FormatError } from '../errors.js';
import { decode } from './cbor.js';
import { encodeColumns } from './column-map.js';
import { clampSeconds, type Entry, EntryType, ID_LENGTH } from './entry.js';
import { writeKey } from './path-keys.js';
import { type RareColumns, writeRareFields } from './rare-fields.js';
import { Segment, type SegmentColumns } from './segment-columns.js';
import { readTrusted } from './trusted-cbor.js';
import { ByteWriter } from './varint.js';

export { CutReader, Segment } from './segment-columns.js';

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
  return encodeColumns<SegmentColumns>({
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
  });
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

const BYTE_COLUMNS = ['key', 'type', 'mode', 'uid', 'gid', 'size', 'mtime', 'ctime', 'ino', 'cut', 'ids'] as const;
