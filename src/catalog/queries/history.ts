import type { ByteString } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import type { Db } from '../database.js';
import { decodeRow } from '../entry-row.js';
import type { Kept } from '../kept.js';
import { ALL_KEYS, justAbove, type KeyRange, keyOf, keyText } from '../keys.js';
import type { SourceId } from '../snapshots.js';
import { ActiveWalk } from './state-cursor.js';
import { SnapshotTimes, type Version } from './version.js';

const PAGE = 256;
const ANY_SEQ = Number.MAX_SAFE_INTEGER;

interface StoredVersion {
  key: string;
  from_seq: number;
  to_seq: number;
  entry: Uint8Array;
}

/** The active version of a path, with the sequence in which it began. */
export function activeVersion(db: Db, source: SourceId, key: ByteString): { from: number; entry: Entry } | undefined {
  const walk = new ActiveWalk(db, source, ANY_SEQ, { from: key, to: justAbove(key) });
  return walk.key === key ? { from: walk.from, entry: walk.entry() } : undefined;
}

/** All versions of a path in one lineage, oldest first, kept ones included. */
export function versionsOf(db: Db, kept: Kept, times: SnapshotTimes, source: SourceId, key: ByteString): Version[] {
  const rows = db.all<StoredVersion>(
    `SELECT key, from_seq, to_seq, entry FROM history INDEXED BY history_by_key WHERE source = ? AND key = ?
     ORDER BY from_seq`,
    source,
    keyText(key),
  );
  const versions = rows.map((row) => times.version(key, source, row.from_seq, row.to_seq, decodeRow(key, row.entry)));
  const active = activeVersion(db, source, key);
  if (active !== undefined) versions.push(times.version(key, source, active.from, undefined, active.entry));
  versions.push(...kept.of(source, key));
  return versions.sort(byTime);
}

/** What to look at in the history: all of it, or what one snapshot holds. */
export interface HistoryFilter {
  range: KeyRange;
  /** SQLite GLOB on the key text. */
  glob?: string;
  /** Only what snapshot `seq` holds. */
  seq?: number;
}

/** An ended version whose entry is not read yet. */
export interface EndedVersion {
  key: ByteString;
  from: number;
  to: number;
  row: Uint8Array;
}

/** Ended versions of a source by key and beginning. Paged. */
export function* endedVersions(db: Db, source: SourceId, filter: HistoryFilter): Generator<EndedVersion> {
  const end = keyText(filter.range.to);
  let key = keyText(filter.range.from);
  let from = -1;
  // Terms are looked at from the left: the glob, which few keys pass, first.
  const glob = filter.glob === undefined ? { term: '', values: [] } : { term: 'key GLOB ? AND', values: [filter.glob] };
  for (;;) {
    const page = db.all<StoredVersion>(
      `SELECT key, from_seq, to_seq, entry FROM history INDEXED BY history_by_key
       WHERE source = ? AND ${glob.term} (key, from_seq) > (?, ?) AND key < ? AND from_seq <= ? AND to_seq >= ?
       ORDER BY key, from_seq LIMIT ${PAGE}`,
      source,
      ...glob.values,
      key,
      from,
      end,
      filter.seq ?? ANY_SEQ,
      filter.seq ?? 0,
    );
    for (const row of page) yield { key: keyOf(row.key), from: row.from_seq, to: row.to_seq, row: row.entry };
    if (page.length < PAGE) return;
    const last = page[page.length - 1];
    key = last.key;
    from = last.from_seq;
  }
}

/** Every path with ended or kept versions, in key order, with all its versions, oldest first. */
export function* keysWithHistory(
  db: Db,
  kept: Kept,
  source: SourceId,
): Generator<{ key: ByteString; versions: Version[] }> {
  const times = new SnapshotTimes(db, source);
  const active = new ActiveWalk(db, source, ANY_SEQ, ALL_KEYS);
  for (const { key, items } of groupByKey([
    mapped(endedVersions(db, source, { range: ALL_KEYS }), ({ key, from, to, row }) =>
      times.version(key, source, from, to, decodeRow(key, row)),
    ),
    kept.all(source),
  ])) {
    active.seek(key);
    if (active.key === key) items.push(times.version(key, source, active.from, undefined, active.entry()));
    yield { key, versions: items.sort(byTime) };
  }
}

/** Oldest first. */
export function byTime(a: Version, b: Version): number {
  return a.fromTime < b.fromTime ? -1 : a.fromTime > b.fromTime ? 1 : a.from - b.from;
}

function* mapped<T, U>(items: Iterable<T>, change: (item: T) => U): Generator<U> {
  for (const item of items) yield change(item);
}

/** Merges streams that are each in key order; items with the same key come together, in the order of the streams. */
export function* groupByKey<T extends { key: ByteString }>(
  streams: readonly Iterable<T>[],
): Generator<{ key: ByteString; items: T[] }> {
  const heads = streams.map((stream) => {
    const iterator = stream[Symbol.iterator]();
    return { iterator, current: iterator.next() };
  });
  for (;;) {
    let key: ByteString | undefined;
    for (const { current } of heads)
      if (current.done !== true && (key === undefined || current.value.key < key)) key = current.value.key;
    if (key === undefined) return;
    const items: T[] = [];
    for (const head of heads) {
      while (head.current.done !== true && head.current.value.key === key) {
        items.push(head.current.value);
        head.current = head.iterator.next();
      }
    }
    yield { key, items };
  }
}
