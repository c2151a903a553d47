import type { ByteString } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import type { Db } from '../database.js';
import { below, distinctRanges, justAbove, type KeyRange, pastSubtree, SEPARATOR } from '../keys.js';
import type { SnapshotRow } from '../snapshots.js';
import { StateCursor } from './state-cursor.js';

/** A cursor over the entries of a snapshot in a range of keys. */
export function openCursor(db: Db, snapshot: SnapshotRow, range: KeyRange): StateCursor {
  if (!snapshot.applied || snapshot.kind !== 'taken')
    throw new Error(`the catalog does not hold the entries of snapshot ${snapshot.name}`);
  const source = db.one<{ head_seq: number }>('SELECT head_seq FROM sources WHERE id = ?', snapshot.source)!;
  return new StateCursor(db, snapshot.source, snapshot.seq, source.head_seq, range);
}

/** The entry of a path in a snapshot. */
export function entryAt(db: Db, snapshot: SnapshotRow, key: ByteString): Entry | undefined {
  const cursor = openCursor(db, snapshot, { from: key, to: justAbove(key) });
  return cursor.key === key ? cursor.entry() : undefined;
}

/** What lies in a directory, or with `recursive` anywhere below it, in key order; not the directory itself. */
export function* entriesAt(db: Db, snapshot: SnapshotRow, directory: ByteString, recursive: boolean): Generator<Entry> {
  const cursor = openCursor(db, snapshot, below(directory));
  const begin = directory === '' ? 0 : directory.length + 1;
  for (let key = cursor.key; key !== undefined; key = cursor.key) {
    if (recursive) {
      yield cursor.entry();
      cursor.next();
      continue;
    }
    const end = key.indexOf(SEPARATOR, begin);
    if (end < 0) yield cursor.entry();
    // Past everything below this child.
    cursor.seek(pastSubtree(end < 0 ? key : key.slice(0, end)));
  }
}

/** All entries of a snapshot, or those at and below some keys, in key order. */
export function* entriesOf(db: Db, snapshot: SnapshotRow, under?: readonly ByteString[]): Generator<Entry> {
  for (const range of distinctRanges(under ?? [''])) {
    const cursor = openCursor(db, snapshot, range);
    for (; cursor.key !== undefined; cursor.next()) yield cursor.entry();
  }
}
