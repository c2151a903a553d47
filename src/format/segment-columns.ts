import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';
import { type ChunkClass, type Entry, EntryType, ID_LENGTH, MAX_DEPTH } from './entry.js';
import { KeyWalk, readKeyAt, readKeys } from './path-keys.js';
import { type RareColumns, type RareFields, readRareFields } from './rare-fields.js';
import { ByteReader, expectEnd } from './varint.js';

/**
 * A segment is a leaf of a listing: some entries, sorted by path key, stored column by column.
 *
 * Columns of one kind of value compress far better than rows, and a reader that only compares times does not touch
 * the rest. What few entries have (link targets, attributes, …) is a list of [position, value] pairs.
 */
export interface SegmentColumns extends RareColumns {
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

/**
 * A segment as its columns, each decoded when it is first asked for, and whole entries on demand. A malformed column is
 * a FormatError then; `check` looks at all of them.
 */
export class Segment {
  readonly length: number;
  readonly types: Uint8Array;
  readonly ids: Uint8Array;
  /** The columns as they are stored: equal columns of two segments hold equal values. */
  readonly stored: SegmentColumns;
  private keyColumn?: ByteString[];
  private keyWalk?: KeyWalk;
  private modeColumn?: number[];
  private uidColumn?: number[];
  private gidColumn?: number[];
  private sizeColumn?: number[];
  private mtimeColumns?: Times;
  private ctimeColumns?: Times;
  private inoColumn?: number[];
  private cutColumns?: Cuts;
  private rareFields?: RareFields;

  constructor(columns: SegmentColumns) {
    this.stored = columns;
    this.length = columns.n;
    this.types = columns.type;
    this.ids = columns.ids;
    // First of all: nothing may reserve memory for more entries than there are bytes.
    if (this.types.length !== columns.n) throw new FormatError('a segment has a column of the wrong length');
  }

  get keys(): ByteString[] {
    this.keyColumn ??= readKeys(this.stored.key, this.length);
    return this.keyColumn;
  }

  /** One key; the way to a few of them when the others are not needed. */
  keyAt(i: number): ByteString {
    return this.keyColumn === undefined ? readKeyAt(this.stored.key, i) : this.keyColumn[i];
  }

  /** One key, of some that are asked for in ascending order: the others are not made. */
  ascendingKeyAt(i: number): ByteString {
    if (this.keyColumn !== undefined) return this.keyColumn[i];
    this.keyWalk ??= new KeyWalk(this.stored.key);
    return this.keyWalk.at(i);
  }

  get modes(): number[] {
    this.modeColumn ??= readVarints(this.stored.mode, this.length);
    return this.modeColumn;
  }

  get uids(): number[] {
    this.uidColumn ??= readVarints(this.stored.uid, this.length);
    return this.uidColumn;
  }

  get gids(): number[] {
    this.gidColumn ??= readVarints(this.stored.gid, this.length);
    return this.gidColumn;
  }

  get sizes(): number[] {
    this.sizeColumn ??= readVarints(this.stored.size, this.length);
    return this.sizeColumn;
  }

  get mtimeSecs(): number[] {
    return this.mtimes.seconds;
  }

  get mtimeNsecs(): number[] {
    return this.mtimes.nanoseconds;
  }

  get ctimeSecs(): number[] {
    return this.ctimes.seconds;
  }

  get ctimeNsecs(): number[] {
    return this.ctimes.nanoseconds;
  }

  get inos(): number[] {
    this.inoColumn ??= readDeltas(this.stored.ino, this.length);
    return this.inoColumn;
  }

  /** Per entry depth << 1 | class; 0 for what is not a file. */
  get cuts(): Uint8Array {
    return this.content.cuts;
  }

  /** Where an entry's ids begin and end in `ids`: offsets[i] to offsets[i + 1]. */
  get offsets(): Uint32Array {
    return this.content.offsets;
  }

  /** The ids of one entry's content, as a view. */
  idsOf(i: number): Uint8Array {
    const { offsets } = this.content;
    return this.ids.subarray(offsets[i], offsets[i + 1]);
  }

  /** Whether any entry has such fields as `hasRareFields` asks for. */
  hasAnyRareFields(): boolean {
    const { target, rdev, link, xattr, replaced, kept } = this.stored;
    return (target ?? rdev ?? link ?? xattr ?? replaced ?? kept) !== undefined;
  }

  /** Whether an entry has fields beside the columns above (a link target, attributes, …) and its owners' names. */
  hasRareFields(i: number): boolean {
    return this.rare.byPosition.has(i);
  }

  /** Those fields of an entry; undefined when it has none. */
  rareFieldsOf(i: number): Partial<Entry> | undefined {
    return this.rare.byPosition.get(i);
  }

  /** Name of an owner, as the segment has it. */
  userName(uid: number): string | undefined {
    return this.rare.users.get(uid);
  }

  /** Name of a group, as the segment has it. */
  groupName(gid: number): string | undefined {
    return this.rare.groups.get(gid);
  }

  /** One entry, whole. Its bytes are views into the segment. @param key its key, if that is at hand */
  entry(i: number, key: ByteString = this.keys[i]): Entry {
    const { mtimes, ctimes, content } = this;
    return this.assemble(i, key, {
      mode: this.modes[i],
      uid: this.uids[i],
      gid: this.gids[i],
      size: this.sizes[i],
      mtimeSec: mtimes.seconds[i],
      mtimeNsec: mtimes.nanoseconds[i],
      ctimeSec: ctimes.seconds[i],
      ctimeNsec: ctimes.nanoseconds[i],
      ino: this.inos[i],
      cut: content.cuts[i],
      idsFrom: content.offsets[i],
      idsTo: content.offsets[i + 1],
    });
  }

  /** The same; the way to a few entries of a segment: no column is decoded for it. */
  loneEntry(i: number, key: ByteString = this.keyAt(i)): Entry {
    const { stored } = this;
    const mtime = readTimeAt(stored.mtime, i);
    const ctime = readTimeAt(stored.ctime, i);
    const content = readCutAt(stored.cut, this.types, i);
    return this.assemble(i, key, {
      mode: readVarintAt(stored.mode, i),
      uid: readVarintAt(stored.uid, i),
      gid: readVarintAt(stored.gid, i),
      size: readVarintAt(stored.size, i),
      mtimeSec: mtime.seconds,
      mtimeNsec: mtime.nanoseconds,
      ctimeSec: ctime.seconds,
      ctimeNsec: ctime.nanoseconds,
      ino: readDeltaAt(stored.ino, i),
      cut: content.cut,
      idsFrom: content.from,
      idsTo: content.to,
    });
  }

  /** An entry, of which what the columns say has been read. */
  assemble(i: number, key: ByteString, of: EntryColumns): Entry {
    const { rare } = this;
    const entry: Entry = {
      key,
      type: this.types[i] as EntryType,
      mode: of.mode,
      uid: of.uid,
      gid: of.gid,
      size: of.size,
      mtimeSec: of.mtimeSec,
      mtimeNsec: of.mtimeNsec,
      ctimeSec: of.ctimeSec,
      ctimeNsec: of.ctimeNsec,
      ino: of.ino,
      chunkClass: (of.cut & 1) as ChunkClass,
      depth: of.cut >> 1,
      ids: this.ids.subarray(of.idsFrom, of.idsTo),
    };
    const user = rare.users.get(entry.uid);
    const group = rare.groups.get(entry.gid);
    if (user !== undefined) entry.user = user;
    if (group !== undefined) entry.group = group;
    const fields = rare.byPosition.get(i);
    return fields === undefined ? entry : Object.assign(entry, fields);
  }

  /** Decodes every column but the rare ones, so that a malformed one shows. */
  check(): this {
    void [this.keys, this.modes, this.uids, this.gids, this.sizes, this.mtimes, this.ctimes, this.inos, this.content];
    return this;
  }

  private get mtimes(): Times {
    this.mtimeColumns ??= readTimes(this.stored.mtime, this.length);
    return this.mtimeColumns;
  }

  private get ctimes(): Times {
    this.ctimeColumns ??= readTimes(this.stored.ctime, this.length);
    return this.ctimeColumns;
  }

  private get content(): Cuts {
    this.cutColumns ??= readCuts(this.stored.cut, this.types, this.ids.length);
    return this.cutColumns;
  }

  private get rare(): RareFields {
    this.rareFields ??= readRareFields(this.stored, this.length);
    return this.rareFields;
  }
}

/** What the columns that all entries have say of one. */
export interface EntryColumns {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  ino: number;
  /** How its content was cut, as in `Segment.cuts`. */
  cut: number;
  /** Where its ids begin and end in `Segment.ids`. */
  idsFrom: number;
  idsTo: number;
}

interface Time {
  seconds: number;
  nanoseconds: number;
}

/** How a content was cut, and where its ids are. */
interface Content {
  cut: number;
  from: number;
  to: number;
}

/** Reads how contents were cut, one entry after the other, from the first on. */
export class CutReader {
  /** Bytes of ids of the entry that was read last. */
  length = 0;
  private readonly reader: ByteReader;
  private readonly types: Uint8Array;

  constructor(column: Uint8Array, types: Uint8Array) {
    this.reader = new ByteReader(column);
    this.types = types;
  }

  /** Of entry `i`, the next one: depth << 1 | class; 0 for what is not a file. */
  next(i: number): number {
    this.length = 0;
    if (this.types[i] !== EntryType.file) {
      if (this.types[i] > EntryType.blockdev) throw new FormatError('an entry has an unknown type');
      return 0;
    }
    const cut = this.reader.byte();
    if (cut >> 1 > MAX_DEPTH) throw new FormatError('an entry has a chunk list of an impossible depth');
    this.length = (cut < 2 ? this.reader.varint() : 1) * ID_LENGTH;
    return cut;
  }

  /** How many bytes of the column have been read. */
  get at(): number {
    return this.reader.at;
  }

  /** Fails unless the column was read to its end. */
  expectEnd(): void {
    expectEnd(this.reader);
  }
}

interface Times {
  seconds: number[];
  nanoseconds: number[];
}

interface Cuts {
  cuts: Uint8Array;
  offsets: Uint32Array;
}

function readCuts(column: Uint8Array, types: Uint8Array, idBytes: number): Cuts {
  const cuts = new Uint8Array(types.length);
  const offsets = new Uint32Array(types.length + 1);
  const reader = new CutReader(column, types);
  let offset = 0;
  for (let i = 0; i < types.length; i++) {
    cuts[i] = reader.next(i);
    offset += reader.length;
    offsets[i + 1] = offset;
  }
  reader.expectEnd();
  if (offset !== idBytes) throw new FormatError('a segment has the wrong number of chunk ids');
  return { cuts, offsets };
}

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

function readTimes(column: Uint8Array, count: number): Times {
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
  return { seconds, nanoseconds };
}

function readVarintAt(column: Uint8Array, position: number): number {
  const reader = new ByteReader(column);
  reader.skip(position);
  return reader.varint();
}

function readDeltaAt(column: Uint8Array, position: number): number {
  const reader = new ByteReader(column);
  let value = 0;
  for (let i = 0; i <= position; i++) value += reader.signed();
  return value;
}

function readTimeAt(column: Uint8Array, position: number): Time {
  const reader = new ByteReader(column);
  let seconds = reader.signed();
  for (let i = 0; i < position; i++) {
    reader.skip(1);
    seconds += reader.signed();
  }
  return { seconds, nanoseconds: reader.varint() };
}

function readCutAt(column: Uint8Array, types: Uint8Array, position: number): Content {
  const reader = new CutReader(column, types);
  const content = { cut: 0, from: 0, to: 0 };
  for (let i = 0; i <= position; i++) {
    content.cut = reader.next(i);
    content.from = content.to;
    content.to += reader.length;
  }
  return content;
}
