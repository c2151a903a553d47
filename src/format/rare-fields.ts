import { fromBytes, toBytes } from '../bytes.js';
import { FormatError } from '../errors.js';
import { type ChunkClass, type Entry, ID_LENGTH, MAX_DEPTH, type ReplacedContent } from './entry.js';

/** What few entries of a segment have, as lists of [position, value, …], and the names of owners by number. */
export interface RareColumns {
  users?: [number, string][];
  groups?: [number, string][];
  target?: [number, Uint8Array][];
  rdev?: [number, number, number][];
  link?: [number, Uint8Array][];
  xattr?: [number, [Uint8Array, Uint8Array][]][];
  replaced?: [number, number, number, number, Uint8Array][];
  kept?: [number, number | bigint, number | bigint][];
}

/** Adds what is rare of the entry at position `i` to the lists. */
export function writeRareFields(columns: RareColumns, i: number, e: Partial<Entry>): void {
  if (e.target !== undefined) push(columns, 'target', [i, toBytes(e.target)]);
  if (e.rdev !== undefined) push(columns, 'rdev', [i, e.rdev.major, e.rdev.minor]);
  if (e.link !== undefined) push(columns, 'link', [i, e.link]);
  if (e.xattrs !== undefined && e.xattrs.length > 0)
    push(columns, 'xattr', [i, e.xattrs.map(([name, value]) => [toBytes(name), value])]);
  if (e.replaced !== undefined) {
    const r = e.replaced;
    push(columns, 'replaced', [i, r.chunkClass, r.depth, r.size, r.ids]);
  }
  if (e.kept !== undefined) push(columns, 'kept', [i, e.kept.first, e.kept.last]);
}

type RareColumn = 'target' | 'rdev' | 'link' | 'xattr' | 'replaced' | 'kept';

function push<K extends RareColumn>(columns: RareColumns, name: K, row: NonNullable<RareColumns[K]>[number]): void {
  const rows = (columns[name] ?? []) as (typeof row)[];
  rows.push(row);
  columns[name] = rows as RareColumns[K];
}

/** The rare values of a segment, by position of their entry. */
export interface RareFields {
  users: Map<number, string>;
  groups: Map<number, string>;
  byPosition: Map<number, Partial<Entry>>;
}

/** Reads the lists of a segment of `count` entries; anything malformed is a FormatError. */
export function readRareFields(columns: RareColumns, count: number): RareFields {
  const byPosition = new Map<number, Partial<Entry>>();
  const at = (i: unknown): Partial<Entry> => {
    if (!isCount(i) || i >= count) throw malformed('names an entry that it does not have');
    const known = byPosition.get(i);
    if (known !== undefined) return known;
    const fresh: Partial<Entry> = {};
    byPosition.set(i, fresh);
    return fresh;
  };
  for (const [i, target] of rows(columns.target, 2)) at(i).target = fromBytes(asBytes(target));
  for (const [i, major, minor] of rows(columns.rdev, 3)) at(i).rdev = { major: asCount(major), minor: asCount(minor) };
  for (const [i, link] of rows(columns.link, 2)) at(i).link = asBytes(link, 16);
  for (const [i, pairs] of rows(columns.xattr, 2))
    at(i).xattrs = rows(pairs, 2).map(([name, value]) => [fromBytes(asBytes(name)), asBytes(value)]);
  for (const [i, ...old] of rows(columns.replaced, 5)) at(i).replaced = readReplaced(old);
  for (const [i, first, last] of rows(columns.kept, 3)) at(i).kept = { first: asTime(first), last: asTime(last) };
  return { users: readNames(columns.users), groups: readNames(columns.groups), byPosition };
}

function readReplaced([chunkClass, depth, size, ids]: unknown[]): ReplacedContent {
  if (chunkClass !== 0 && chunkClass !== 1) throw malformed('has a content of an unknown class');
  const old = { chunkClass: chunkClass as ChunkClass, depth: asCount(depth), size: asCount(size), ids: asBytes(ids) };
  const wellFormed = old.depth === 0 ? old.ids.length % ID_LENGTH === 0 : old.ids.length === ID_LENGTH;
  if (!wellFormed || old.depth > MAX_DEPTH) throw malformed('has a content with the wrong number of ids');
  return old;
}

function readNames(column: unknown): Map<number, string> {
  const names = new Map<number, string>();
  for (const [id, name] of rows(column, 2)) {
    if (typeof name !== 'string') throw malformed('has an owner whose name is none');
    names.set(asCount(id), name);
  }
  return names;
}

/** The rows of a list of rare values, each of `width` items; none when the list is absent. */
function rows(list: unknown, width: number): unknown[][] {
  if (list === undefined) return [];
  if (!Array.isArray(list) || !list.every((row) => Array.isArray(row) && row.length === width))
    throw malformed('has a list that is not one of rows');
  return list;
}

function asBytes(value: unknown, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw malformed('has a rare value that is not bytes, or too few or many');
  return value;
}

function asCount(value: unknown): number {
  if (!isCount(value)) throw malformed('has a rare value that is no number');
  return value;
}

function asTime(value: unknown): bigint {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) throw malformed('has a time that is none');
  const time = BigInt(value as number | bigint);
  if (BigInt.asIntN(64, time) !== time) throw malformed('has a time of more than 64 bits');
  return time;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function malformed(what: string): FormatError {
  return new FormatError(`a segment ${what}`);
}
