import type { ByteString } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import { Aspect, aspectsOf } from '../aspects.js';
import type { Db } from '../database.js';
import { decodeRow, encodeRow } from '../entry-row.js';
import { type FromsRow, positionsBetween } from '../froms.js';
import { ALL_KEYS, atOrBelow, compareKeys, type KeyRange, type KeyText, keyOf, keyText } from '../keys.js';
import { withSegments } from '../segment-rows.js';
import type { SnapshotRow, SourceId } from '../snapshots.js';
import { type Change, readStep } from '../steps.js';
import { openCursor } from './entries.js';
import { endedVersions } from './history.js';

/** A path that differs between two snapshots: added without `before`, removed without `after`. */
export interface Difference {
  key: ByteString;
  before?: Entry;
  after?: Entry;
}

/** A version at one of the two ends that the other end does not have. */
interface End {
  key: ByteString;
  entry(): Entry;
}

/** An ended version as it is stored. */
interface StoredEnd {
  key: KeyText;
  entry: Uint8Array;
}

/** So many versions are sorted in memory; with more, the history is read in key order. */
const SORTED_IN_MEMORY = 50_000;

/** Up to so many entries of a segment, each for itself is read faster than all columns. */
const FEW = 10;

/** The stretch of snapshots between the two that are compared. */
interface Stretch {
  source: SourceId;
  low: number;
  high: number;
  range: KeyRange;
  sortedInMemory: number;
}

/**
 * What differs between two snapshots, in key order. Within one lineage only versions that begin or end between the two
 * are looked at; snapshots of different ones are walked side by side.
 * @param under only this path and what lies below it
 */
export function* differences(
  db: Db,
  a: SnapshotRow,
  b: SnapshotRow,
  under?: ByteString,
  sortedInMemory = SORTED_IN_MEMORY,
): Generator<Difference> {
  const range = under === undefined ? ALL_KEYS : atOrBelow(under);
  if (a.source !== b.source) {
    yield* sideBySide(db, a, b, range);
    return;
  }
  const [low, high] = a.seq <= b.seq ? [a, b] : [b, a];
  const stretch = { source: a.source, low: low.seq, high: high.seq, range, sortedInMemory };
  const ended = endedBetween(db, stretch);
  const begun = merge(begunAndEnded(db, stretch), begunAndActive(db, stretch));
  for (const [key, older, newer] of join(ended, begun)) {
    const [before, after] = low === a ? [older, newer] : [newer, older];
    yield* difference(key, before?.entry(), after?.entry());
  }
}

/**
 * Which paths differ between two snapshots, and in which respects, in key order; what differs in nothing that a user
 * would name is left out. Neighbours are answered from the step between them, if it is noted.
 * @param under only this path and what lies below it
 */
export function changes(db: Db, a: SnapshotRow, b: SnapshotRow, under?: ByteString): Iterable<Change> {
  const range = under === undefined ? ALL_KEYS : atOrBelow(under);
  return (
    readStep(db, a.name, b.name, range) ?? reversed(readStep(db, b.name, a.name, range)) ?? compared(db, a, b, under)
  );
}

/** A step the other way. */
function reversed(step: Change[] | undefined): Change[] | undefined {
  const other: Record<number, number> = { [Aspect.added]: Aspect.removed, [Aspect.removed]: Aspect.added };
  return step?.map(({ key, aspects }) => ({ key, aspects: other[aspects] ?? aspects }));
}

function* compared(db: Db, a: SnapshotRow, b: SnapshotRow, under?: ByteString): Generator<Change> {
  for (const { key, before, after } of differences(db, a, b, under)) {
    if (before === undefined) yield { key, aspects: Aspect.added };
    else if (after === undefined) yield { key, aspects: Aspect.removed };
    else {
      const aspects = aspectsOf(before, after);
      if (aspects !== 0) yield { key, aspects };
    }
  }
}

/** Versions that `low` has and `high` does not. */
function endedBetween(db: Db, stretch: Stretch): Iterable<End> {
  const { source, low, high, range, sortedInMemory } = stretch;
  const rows = db.all<StoredEnd>(
    `SELECT key, entry FROM history INDEXED BY history_by_to
     WHERE source = ? AND to_seq >= ? AND to_seq < ? AND from_seq <= ? LIMIT ?`,
    source,
    low,
    high,
    low,
    sortedInMemory,
  );
  if (rows.length === sortedInMemory)
    return inKeyOrder(db, source, range, (from, to) => from <= low && to >= low && to < high);
  return sorted(rows, range);
}

/** Versions that began after `low`, and ended but not before `high`. */
function begunAndEnded(db: Db, stretch: Stretch): Iterable<End> {
  const { source, low, high, range, sortedInMemory } = stretch;
  const rows = db.all<StoredEnd>(
    `SELECT key, entry FROM history INDEXED BY history_by_from
     WHERE source = ? AND from_seq > ? AND from_seq <= ? AND to_seq >= ? LIMIT ?`,
    source,
    low,
    high,
    high,
    sortedInMemory,
  );
  if (rows.length === sortedInMemory)
    return inKeyOrder(db, source, range, (from, to) => from > low && from <= high && to >= high);
  return sorted(rows, range);
}

/** Active versions that began after `low` and not after `high`. */
function* begunAndActive(db: Db, { source, low, high, range }: Stretch): Generator<End> {
  const rows = db.all<FromsRow & { bytes_id: number; entries: number }>(
    `SELECT bytes_id, entries, min_from, max_from, froms FROM segments INDEXED BY segments_by_key
     WHERE source = ? AND first_key < ? AND max_from > ? AND min_from <= ? ORDER BY first_key`,
    source,
    keyText(range.to),
    low,
    high,
  );
  const wanted = rows
    .map((row) => ({ id: row.bytes_id, positions: positionsBetween(row, row.entries, low, high) }))
    .filter(({ positions }) => positions.length > 0);
  for (const [{ positions }, segment] of withSegments(db, wanted)) {
    const isFew = positions.length < FEW;
    for (const i of positions) {
      const key = isFew ? segment.keyAt(i) : segment.keys[i];
      if (key < range.from || key >= range.to) continue;
      yield { key, entry: () => (isFew ? segment.loneEntry(i, key) : segment.entry(i, key)) };
    }
  }
}

function sorted(rows: StoredEnd[], range: KeyRange): End[] {
  return rows
    .map(({ key: text, entry }) => {
      const key = keyOf(text);
      return { key, entry: () => decodeRow(key, entry) };
    })
    .filter(({ key }) => key >= range.from && key < range.to)
    .sort((x, y) => compareKeys(x.key, y.key));
}

function* inKeyOrder(
  db: Db,
  source: SourceId,
  range: KeyRange,
  wanted: (from: number, to: number) => boolean,
): Generator<End> {
  for (const { key, from, to, row } of endedVersions(db, source, { range }))
    if (wanted(from, to)) yield { key, entry: () => decodeRow(key, row) };
}

/** Two streams in key order, without a key in common, as one. */
function* merge(a: Iterable<End>, b: Iterable<End>): Generator<End> {
  for (const [, left, right] of join(a, b)) yield (left ?? right)!;
}

/** Two streams in key order, side by side: for each key what either has of it. */
function* join<T extends { key: ByteString }>(
  a: Iterable<T>,
  b: Iterable<T>,
): Generator<[ByteString, T | undefined, T | undefined]> {
  const lefts = a[Symbol.iterator]();
  const rights = b[Symbol.iterator]();
  let left = lefts.next();
  let right = rights.next();
  while (left.done !== true || right.done !== true) {
    const takeLeft = left.done !== true && (right.done === true || left.value.key <= right.value.key);
    const takeRight = right.done !== true && (left.done === true || right.value.key <= left.value.key);
    const l = takeLeft ? (left.value as T) : undefined;
    const r = takeRight ? (right.value as T) : undefined;
    yield [(l ?? r)!.key, l, r];
    if (takeLeft) left = lefts.next();
    if (takeRight) right = rights.next();
  }
}

function* sideBySide(db: Db, a: SnapshotRow, b: SnapshotRow, range: KeyRange): Generator<Difference> {
  const left = openCursor(db, a, range);
  const right = openCursor(db, b, range);
  while (left.key !== undefined || right.key !== undefined) {
    const key = right.key === undefined || (left.key !== undefined && left.key <= right.key) ? left.key! : right.key;
    const before = left.key === key ? left.entry() : undefined;
    const after = right.key === key ? right.entry() : undefined;
    yield* difference(key, before, after);
    if (before !== undefined) left.next();
    if (after !== undefined) right.next();
  }
}

/** What changed in between and was changed back is no difference. */
function* difference(key: ByteString, before: Entry | undefined, after: Entry | undefined): Generator<Difference> {
  if (before !== undefined && after !== undefined && areEqual(before, after)) return;
  yield { key, before, after };
}

/** Nearly all versions of a path differ in their times. */
function areEqual(a: Entry, b: Entry): boolean {
  if (a.mtimeNsec !== b.mtimeNsec || a.ctimeNsec !== b.ctimeNsec || a.size !== b.size) return false;
  return Buffer.compare(encodeRow(a), encodeRow(b)) === 0;
}
