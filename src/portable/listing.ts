import { display, fromChars, hex } from './bytes.js';
import { asBytes, asCount, asText, asTime, decodeMap, type Fields } from './cbor.js';
import { Column, readColumn, readKeys } from './columns.js';
import { damaged } from './errors.js';

export type EntryType = 'dir' | 'file' | 'symlink' | 'fifo' | 'socket' | 'chardev' | 'blockdev';

const TYPES: readonly EntryType[] = ['dir', 'file', 'symlink', 'fifo', 'socket', 'chardev', 'blockdev'];
const ID = 24;
const DEEPEST = 32;

/** What a file's content is made of. */
export interface PortableContent {
  chunkClass: number;
  depth: number;
  ids: Uint8Array;
}

/** One path of a snapshot. Times are nanoseconds since 1970. */
export interface PortableEntry {
  /** Components joined by byte 0, one char per byte; '' is the root directory. */
  key: string;
  /** For people: with slashes, and as text; what is not UTF-8 in it shows as U+FFFD. */
  path: string;
  type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  user?: string;
  group?: string;
  size: number;
  mtime: bigint;
  ctime: bigint;
  ino: number;
  content: PortableContent;
  target?: Uint8Array;
  rdev?: { major: number; minor: number };
  /** Names with the same group were one file. */
  link?: string;
  xattrs?: { name: Uint8Array; value: Uint8Array }[];
  replaced?: PortableContent & { size: number };
  /** In kept snapshots: when this version was first and last seen. */
  kept?: { first: bigint; last: bigint };
}

/** The path of a key, for people. */
export function displayPath(key: string): string {
  const text = display(fromChars(key)).replaceAll('\0', '/');
  return /^[A-Za-z]:(\/|$)/.test(text) ? text : `/${text}`;
}

/** The entries of a segment. */
export function readSegment(bytes: Uint8Array): PortableEntry[] {
  const fields = decodeMap(bytes, 'a segment');
  const types = fields.bytes('type');
  const n = fields.count('n');
  if (types.length !== n) throw damaged('a segment with a column of the wrong length');
  const keys = readKeys(fields.bytes('key'), n);
  const unsigned = (name: string) => readColumn(fields.bytes(name), n, (column) => column.unsigned());
  const mode = unsigned('mode');
  const uid = unsigned('uid');
  const gid = unsigned('gid');
  const size = unsigned('size');
  const mtime = readTimes(fields.bytes('mtime'), n);
  const ctime = readTimes(fields.bytes('ctime'), n);
  let last = 0;
  const ino = readColumn(fields.bytes('ino'), n, (column) => {
    last += column.signed();
    return last;
  });
  const contents = readContents(fields, types);
  const users = readNames(fields, 'users');
  const groups = readNames(fields, 'groups');
  const entries = keys.map((key, i): PortableEntry => {
    if (types[i] >= TYPES.length) throw damaged('an entry of an unknown type');
    const entry: PortableEntry = {
      key,
      path: displayPath(key),
      type: TYPES[types[i]],
      mode: mode[i],
      uid: uid[i],
      gid: gid[i],
      size: size[i],
      mtime: mtime[i],
      ctime: ctime[i],
      ino: ino[i],
      content: contents[i],
    };
    const user = users.get(uid[i]);
    const group = groups.get(gid[i]);
    if (user !== undefined) entry.user = user;
    if (group !== undefined) entry.group = group;
    return entry;
  });
  addRare(fields, entries);
  return entries;
}

function readTimes(bytes: Uint8Array, n: number): bigint[] {
  let seconds = 0;
  return readColumn(bytes, n, (column) => {
    seconds += column.signed();
    return BigInt(seconds) * 1_000_000_000n + BigInt(column.unsigned());
  });
}

function readContents(fields: Fields, types: Uint8Array): PortableContent[] {
  const cut = new Column(fields.bytes('cut'));
  const ids = new Column(fields.bytes('ids'));
  const contents = Array.from(types, (type): PortableContent => {
    if (TYPES[type] !== 'file') return { chunkClass: 0, depth: 0, ids: new Uint8Array(0) };
    const byte = cut.byte();
    const depth = byte >> 1;
    if (depth > DEEPEST) throw damaged('a chunk list of an impossible depth');
    return { chunkClass: byte & 1, depth, ids: ids.take((depth === 0 ? cut.unsigned() : 1) * ID) };
  });
  cut.end();
  ids.end();
  return contents;
}

function readNames(fields: Fields, name: string): Map<number, string> {
  return new Map(rows(fields, name, 2).map(([id, text]) => [asCount(id, name), asText(text, name)]));
}

function addRare(fields: Fields, entries: PortableEntry[]): void {
  const each = (name: string, width: number, add: (entry: PortableEntry, values: unknown[]) => void) => {
    for (const [position, ...values] of rows(fields, name, width)) {
      const entry = entries[asCount(position, name)];
      if (entry === undefined) throw damaged(`'${name}' of an entry that is not there`);
      add(entry, values);
    }
  };
  each('target', 2, (entry, [target]) => {
    entry.target = asBytes(target, 'target');
  });
  each('rdev', 3, (entry, [major, minor]) => {
    entry.rdev = { major: asCount(major, 'rdev'), minor: asCount(minor, 'rdev') };
  });
  each('link', 2, (entry, [group]) => {
    entry.link = hex(asBytes(group, 'link', 16));
  });
  each('xattr', 2, (entry, [pairs]) => {
    entry.xattrs = asRows(pairs, 'xattr', 2).map(([name, value]) => ({
      name: asBytes(name, 'xattr'),
      value: asBytes(value, 'xattr'),
    }));
  });
  each('replaced', 5, (entry, [chunkClass, depth, size, ids]) => {
    const old = {
      chunkClass: asCount(chunkClass, 'replaced', 1),
      depth: asCount(depth, 'replaced', DEEPEST),
      size: asCount(size, 'replaced'),
      ids: asBytes(ids, 'replaced'),
    };
    if (old.depth === 0 ? old.ids.length % ID !== 0 : old.ids.length !== ID)
      throw damaged('a replaced content with the wrong number of ids');
    entry.replaced = old;
  });
  each('kept', 3, (entry, [first, latest]) => {
    entry.kept = { first: asTime(first, 'kept'), last: asTime(latest, 'kept') };
  });
}

function rows(fields: Fields, name: string, width: number): unknown[][] {
  return fields.has(name) ? asRows(fields.list(name), name, width) : [];
}

function asRows(value: unknown, name: string, width: number): unknown[][] {
  if (!Array.isArray(value) || !value.every((row) => Array.isArray(row) && row.length === width))
    throw damaged(`'${name}' of a segment is not a list of rows`);
  return value;
}

/** A listing node: where each child begins, and its id. */
export interface ListingNode {
  firstKeys: string[];
  ids: Uint8Array[];
}

/** Reads a listing node of this level. */
export function readListingNode(bytes: Uint8Array, level: number): ListingNode {
  const fields = decodeMap(bytes, 'a listing node');
  if (fields.count('level') !== level) throw damaged('a listing node of the wrong level');
  const ids = fields.bytes('ids');
  const n = fields.count('n');
  if (n === 0 || ids.length !== n * ID) throw damaged('a listing node with the wrong number of ids');
  readColumn(fields.bytes('entries'), n, (column) => column.unsigned());
  return {
    firstKeys: readKeys(fields.bytes('key'), n),
    ids: Array.from({ length: n }, (_, i) => ids.subarray(i * ID, (i + 1) * ID)),
  };
}

/** Reads a chunk-list node of this level: its ids, and what each covers of the file. */
export function readChunkListNode(bytes: Uint8Array, level: number): { ids: Uint8Array; sizes: number[] } {
  const fields = decodeMap(bytes, 'a chunk-list node');
  if (fields.count('level') !== level) throw damaged('a chunk-list node of the wrong level');
  const ids = fields.bytes('ids');
  if (ids.length === 0 || ids.length % ID !== 0) throw damaged('a chunk-list node with a cut id');
  return { ids, sizes: readColumn(fields.bytes('sizes'), ids.length / ID, (column) => column.unsigned()) };
}

/** The length of the hole that an id stands for, or undefined for a blob's id. */
export function holeOf(id: Uint8Array): number | undefined {
  if (id.subarray(0, 16).some((byte) => byte !== 0)) return undefined;
  const length = new DataView(id.buffer, id.byteOffset + 16, 8).getBigUint64(0, true);
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged('a hole of an impossible length');
  return Number(length);
}

/** A key's chars as the bytes of its path's components. */
export function components(key: string): Uint8Array[] {
  return key === '' ? [] : key.split('\0').map(fromChars);
}
