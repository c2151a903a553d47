import { type Entry, EntryType } from '../format/entry.js';
import { KeyReader } from '../format/path-keys.js';
import { openSegment, type Segment, type SegmentTotals } from '../format/segment.js';
import { ByteReader } from '../format/varint.js';
import type { Db } from './database.js';
import { encodeRow } from './entry-row.js';
import { encodeFroms, type FromsRow } from './froms.js';
import { keyText } from './keys.js';
import type { SourceId } from './snapshots.js';

/** A new segment whose bytes are in the database. */
export interface PutRow {
  /** Row of its bytes. */
  id: number;
  first_key: string;
  blob_id: Uint8Array;
}

/** The segment of a row of `segments`. */
export function loadSegment(db: Db, id: number): Segment {
  return openSegment(
    db.one<{ bytes: Uint8Array }>(
      'SELECT b.bytes FROM segments s JOIN segment_bytes b ON b.id = s.bytes_id WHERE s.id = ?',
      id,
    )!.bytes,
  );
}

/** The segment of a row of `segment_bytes`. */
export function loadBytes(db: Db, bytesId: number): Segment {
  return openSegment(db.one<{ bytes: Uint8Array }>('SELECT bytes FROM segment_bytes WHERE id = ?', bytesId)!.bytes);
}

/** Segments that are loaded at a time. */
const PAGE = 64;
const IN_PAGE = `(${new Array(PAGE).fill('?').join(', ')})`;

/** Rows with the segments whose bytes have their `id`, in the order given; for many of them, in half the time. */
export function* withSegments<R extends { id: number }>(db: Db, rows: readonly R[]): Generator<[R, Segment]> {
  for (let from = 0; from < rows.length; from += PAGE) {
    const page = rows.slice(from, from + PAGE);
    const ids = Array.from({ length: PAGE }, (_, i) => page[i]?.id ?? null);
    const found = db.all<{ id: number; bytes: Uint8Array }>(
      `SELECT id, bytes FROM segment_bytes WHERE id IN ${IN_PAGE}`,
      ...ids,
    );
    const bytes = new Map(found.map((row) => [row.id, row.bytes]));
    for (const row of page) yield [row, openSegment(bytes.get(row.id)!)];
  }
}

/** Adds the row of an active segment whose bytes are staged. `seq` stands for the beginnings of an empty one. */
export function insertSegment(
  db: Db,
  source: SourceId,
  put: PutRow,
  { segment, froms, totals }: { segment: Segment; froms: number[]; totals?: SegmentTotals | undefined },
  seq: number,
): void {
  const row = encodeFroms(froms, seq);
  const { id } = db.run(
    `INSERT INTO segments (source, first_key, blob_id, bytes_id, entries, files, file_bytes, newest_mtime, newest_ctime,
       min_from, max_from, froms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    source,
    put.first_key,
    put.blob_id,
    put.id,
    segment.length,
    ...columnsOf(totals ?? fileTotals(segment)),
    row.min_from,
    row.max_from,
    row.froms,
  );
  db.run('INSERT INTO segment_names (id, names) VALUES (?, ?)', id, namesOf(segment));
}

/** Gives a row other bytes, for the same paths. */
export function updateSegment(db: Db, id: number, put: PutRow, totals: SegmentTotals, froms: FromsRow): void {
  db.run(
    `UPDATE segments SET blob_id = ?, bytes_id = ?, files = ?, file_bytes = ?, newest_mtime = ?, newest_ctime = ?,
       min_from = ?, max_from = ?, froms = ? WHERE id = ?`,
    put.blob_id,
    put.id,
    ...columnsOf(totals),
    froms.min_from,
    froms.max_from,
    froms.froms,
    id,
  );
}

/** Removes the row of an active segment; its bytes stay. */
export function deleteSegment(db: Db, id: number): void {
  db.run('DELETE FROM segments WHERE id = ?', id);
  db.run('DELETE FROM segment_names WHERE id = ?', id);
}

/** Adds the bytes of a segment; returns their row. */
export function insertBytes(db: Db, bytes: Uint8Array): number {
  return db.run('INSERT INTO segment_bytes (bytes) VALUES (?)', bytes).id;
}

/** Puts other bytes in the place of a segment's. */
export function updateBytes(db: Db, bytesId: number, bytes: Uint8Array): void {
  db.run('UPDATE segment_bytes SET bytes = ? WHERE id = ?', bytes, bytesId);
}

/** Removes the bytes of a segment. */
export function deleteBytes(db: Db, bytesId: number): void {
  db.run('DELETE FROM segment_bytes WHERE id = ?', bytesId);
}

/** Adds a row of history: an entry as it was from one snapshot to another. */
export function insertHistory(db: Db, source: SourceId, entry: Entry, from: number, to: number): void {
  db.run(
    'INSERT INTO history (source, key, from_seq, to_seq, size, entry) VALUES (?, ?, ?, ?, ?, ?)',
    source,
    keyText(entry.key),
    from,
    to,
    entry.type === EntryType.file ? entry.size : null,
    encodeRow(entry),
  );
}

function columnsOf({ files, bytes, newestMtime, newestCtime }: SegmentTotals): (number | null)[] {
  return [files, bytes, newestMtime ?? null, newestCtime ?? null];
}

/** What a segment's files come to; no column is decoded for it. */
export function fileTotals({ types, stored }: Segment): SegmentTotals {
  let files = 0;
  let bytes = 0;
  const sizes = new ByteReader(stored.size);
  for (let i = 0; i < types.length; i++) {
    const size = sizes.varint();
    if (types[i] !== EntryType.file) continue;
    files++;
    bytes += size;
  }
  return { files, bytes, newestMtime: newest(stored.mtime, types), newestCtime: newest(stored.ctime, types) };
}

function newest(times: Uint8Array, types: Uint8Array): number | undefined {
  const reader = new ByteReader(times);
  let latest: number | undefined;
  let seconds = 0;
  for (let i = 0; i < types.length; i++) {
    seconds += reader.signed();
    reader.skip(1);
    if (types[i] === EntryType.file && (latest === undefined || seconds > latest)) latest = seconds;
  }
  return latest;
}

function namesOf({ stored, length }: Segment): string {
  const keys = new KeyReader(new ByteReader(stored.key));
  let names = '/';
  for (let i = 0; i < length; i++) {
    keys.skip();
    names += `${keys.lastComponent()}/`;
  }
  return names;
}
