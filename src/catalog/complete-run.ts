import { EntryType } from '../format/entry.js';
import { decodeSegment, type Segment } from '../format/segment.js';
import type { Db } from './database.js';
import { encodeRow } from './entry-row.js';
import { decodeFroms, encodeFroms, type FromsRow } from './froms.js';
import { keyText, nameOf } from './keys.js';
import { sameEntry } from './same-entry.js';
import type { SourceId } from './snapshots.js';

/** How the active entries changed. */
export interface Changes {
  added: number;
  changed: number;
  removed: number;
}

/** A segment to walk over. */
interface SegmentRow extends FromsRow {
  id: number;
  entries: number;
}

interface PutRow {
  id: number;
  first_key: string;
  blob_id: Uint8Array;
}

/**
 * Makes the listing that a run has staged the active one, as snapshot `seq`: a merge-join, in key order, of the
 * segments that went with those that came. Equal entries keep the sequence in which they began; the others begin now,
 * and what they replace, or what is gone, becomes history that ended with `previous`.
 * Segments in both listings are not looked at. Call it in a transaction.
 *
 * @param previous sequence of the snapshot whose state the segments hold; undefined: there is none
 * @param history whether ended versions are recorded
 */
export function mergeStaged(
  db: Db,
  run: number,
  source: SourceId,
  seq: number,
  previous: number | undefined,
  history: boolean,
): Changes {
  const dropped = db.all<SegmentRow>(
    `SELECT s.id, s.entries, s.min_from, s.max_from, s.froms FROM staged_drops d JOIN segments s ON s.id = d.id
     WHERE d.run = ? AND s.source = ? ORDER BY s.first_key`,
    run,
    source,
  );
  const puts = db.all<PutRow>('SELECT id, first_key, blob_id FROM staged_puts WHERE run = ? ORDER BY first_key', run);
  // First keys are unique among the active segments, so the old ones leave before the new ones come.
  for (const { id } of dropped) db.run('DELETE FROM segments WHERE id = ?', id);
  const changes: Changes = { added: 0, changed: 0, removed: 0 };
  const old = new OldEntries(db, dropped);
  const end = (segment: Segment, i: number, from: number): void => {
    if (history && previous !== undefined) insertHistory(db, source, segment, i, from, previous);
  };
  for (const put of puts) {
    const segment = loadSegment(db, put.id);
    const froms: number[] = new Array(segment.length);
    for (let i = 0; i < segment.length; i++) {
      const key = segment.keys[i];
      while (old.segment !== undefined && old.key < key) {
        end(old.segment, old.index, old.from);
        changes.removed++;
        old.next();
      }
      froms[i] = seq;
      if (old.segment === undefined || old.key !== key) {
        changes.added++;
        continue;
      }
      if (sameEntry(old.segment, old.index, segment, i)) {
        froms[i] = old.from;
      } else {
        end(old.segment, old.index, old.from);
        changes.changed++;
      }
      old.next();
    }
    insertSegment(db, source, put, segment, froms, seq);
  }
  while (old.segment !== undefined) {
    end(old.segment, old.index, old.from);
    changes.removed++;
    old.next();
  }
  for (const { id } of dropped) db.run('DELETE FROM segment_bytes WHERE id = ?', id);
  return changes;
}

/** Adds a row of history: an entry of a segment as it was from one snapshot to another. */
export function insertHistory(db: Db, source: SourceId, segment: Segment, i: number, from: number, to: number): void {
  db.run(
    'INSERT INTO history (source, key, from_seq, to_seq, size, entry) VALUES (?, ?, ?, ?, ?, ?)',
    source,
    keyText(segment.keys[i]),
    from,
    to,
    segment.types[i] === EntryType.file ? segment.sizes[i] : null,
    encodeRow(segment.entry(i)),
  );
}

/** Adds the row of an active segment whose bytes are in the catalog under the same number. */
export function insertSegment(
  db: Db,
  source: SourceId,
  put: PutRow,
  segment: Segment,
  froms: number[],
  seq: number,
): void {
  let files = 0;
  let bytes = 0;
  let mtime: number | null = null;
  let ctime: number | null = null;
  let names = '/';
  for (let i = 0; i < segment.length; i++) {
    names += `${nameOf(segment.keys[i])}/`;
    if (segment.types[i] !== EntryType.file) continue;
    files++;
    bytes += segment.sizes[i];
    if (mtime === null || segment.mtimeSecs[i] > mtime) mtime = segment.mtimeSecs[i];
    if (ctime === null || segment.ctimeSecs[i] > ctime) ctime = segment.ctimeSecs[i];
  }
  const row = encodeFroms(froms, seq);
  db.run(
    `INSERT INTO segments (id, source, first_key, blob_id, entries, files, file_bytes, newest_mtime,
       newest_ctime, min_from, max_from, froms, names)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    put.id,
    source,
    put.first_key,
    put.blob_id,
    segment.length,
    files,
    bytes,
    mtime,
    ctime,
    row.min_from,
    row.max_from,
    row.froms,
    names,
  );
}

/** The decoded segment with this number. */
export function loadSegment(db: Db, id: number): Segment {
  return decodeSegment(db.one<{ bytes: Uint8Array }>('SELECT bytes FROM segment_bytes WHERE id = ?', id)!.bytes);
}

/** The entries of some segments, one after the other; only one segment is held at a time. */
class OldEntries {
  /** The segment of the current entry; undefined after the last one. */
  segment: Segment | undefined;
  index = -1;
  key = '';
  /** In which snapshot the current entry began. */
  from = 0;
  private froms: number[] = [];
  private readonly db: Db;
  private readonly rows: readonly SegmentRow[];
  private row = 0;

  constructor(db: Db, rows: readonly SegmentRow[]) {
    this.db = db;
    this.rows = rows;
    this.load();
    this.next();
  }

  next(): void {
    while (this.segment !== undefined) {
      if (++this.index < this.segment.length) {
        this.key = this.segment.keys[this.index];
        this.from = this.froms[this.index];
        return;
      }
      this.load();
    }
  }

  private load(): void {
    const row = this.rows[this.row++];
    this.index = -1;
    this.segment = row && loadSegment(this.db, row.id);
    if (row !== undefined) this.froms = decodeFroms(row, row.entries);
  }
}
