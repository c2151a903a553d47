import type { Segment } from '../format/segment.js';
import { changedEntries, haveSameKeys } from './changed-entries.js';
import type { Db } from './database.js';
import { decodeFroms, encodeFroms, type FromsRow } from './froms.js';
import { sameEntry } from './same-entry.js';
import {
  deleteBytes,
  deleteSegment,
  type FileTotals,
  fileTotals,
  insertHistory,
  insertSegment,
  loadBytes,
  type PutRow,
  updateSegment,
} from './segment-rows.js';
import type { SourceId } from './snapshots.js';

/** How the active entries changed. */
export interface Changes {
  added: number;
  changed: number;
  removed: number;
}

/** What the merge is about. */
export interface Merge {
  run: number;
  source: SourceId;
  /** Sequence of the snapshot whose listing becomes the active one. */
  seq: number;
  /** Sequence of the snapshot whose state the segments hold; undefined: there is none. */
  previous: number | undefined;
  /** Whether ended versions are recorded. */
  history: boolean;
}

/** An active segment that the new listing does not have. */
interface DroppedRow extends FromsRow, FileTotals {
  id: number;
  bytes_id: number;
  first_key: string;
  entries: number;
}

/**
 * Makes the listing that a run has staged the active one: a merge-join, in key order, of the segments that went with
 * those that came. Equal entries keep the sequence in which they began; the others begin now, and what they replace, or
 * what is gone, becomes history that ended with the previous snapshot. Segments in both listings are not looked at.
 * Most segments change in a few entries and not in their paths: those are compared column by column.
 * Call it in a transaction.
 */
export function mergeStaged(db: Db, merge: Merge): Changes {
  return new Merger(db, merge).run();
}

class Merger {
  private readonly changes: Changes = { added: 0, changed: 0, removed: 0 };
  private readonly db: Db;
  private readonly merge: Merge;
  private readonly old: OldEntries;

  constructor(db: Db, merge: Merge) {
    this.db = db;
    this.merge = merge;
    this.old = new OldEntries(
      db,
      db.all<DroppedRow>(
        `SELECT s.id, s.bytes_id, s.first_key, s.entries, s.files, s.file_bytes, s.newest_mtime, s.newest_ctime,
           s.min_from, s.max_from, s.froms
         FROM staged_drops d CROSS JOIN segments s ON s.id = d.id WHERE d.run = ? AND s.source = ? ORDER BY s.first_key`,
        merge.run,
        merge.source,
      ),
    );
  }

  run(): Changes {
    const { db, old, changes, merge } = this;
    const puts = db.all<PutRow>(
      'SELECT id, first_key, blob_id FROM staged_puts WHERE run = ? ORDER BY first_key',
      merge.run,
    );
    for (const put of puts) {
      const segment = loadBytes(db, put.id);
      const row = old.upcoming();
      if (row?.first_key === put.first_key && this.replace(row, put, segment)) old.skip();
      else this.insert(put, segment.check());
    }
    for (; old.segment !== undefined; old.next()) {
      this.end(old.segment, old.index, old.from);
      changes.removed++;
    }
    return changes;
  }

  /** Puts a segment in the place of the one with the same paths; false if it has others. */
  private replace(row: DroppedRow, put: PutRow, segment: Segment): boolean {
    const { db, merge, changes } = this;
    const before = loadBytes(db, row.bytes_id);
    if (!haveSameKeys(before, segment)) return false;
    const froms = decodeFroms(row, row.entries);
    const changed = changedEntries(before, segment);
    for (const i of changed) {
      this.end(before, i, froms[i]);
      froms[i] = merge.seq;
    }
    changes.changed += changed.length;
    updateSegment(db, row.id, put, fileTotals(segment), encodeFroms(froms, merge.seq));
    deleteBytes(db, row.bytes_id);
    return true;
  }

  /** Adds a segment, comparing it entry by entry with the old ones. */
  private insert(put: PutRow, segment: Segment): void {
    const { db, merge, changes, old } = this;
    const froms: number[] = new Array(segment.length);
    const { keys } = segment;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      for (; old.segment !== undefined && old.key < key; old.next()) {
        this.end(old.segment, old.index, old.from);
        changes.removed++;
      }
      froms[i] = merge.seq;
      if (old.segment === undefined || old.key !== key) {
        changes.added++;
        continue;
      }
      if (sameEntry(old.segment, old.index, segment, i)) {
        froms[i] = old.from;
      } else {
        this.end(old.segment, old.index, old.from);
        changes.changed++;
      }
      old.next();
    }
    // First keys are unique: an old segment with this one has been met above, and its row is gone.
    old.meet(put.first_key);
    insertSegment(db, merge.source, put, segment, froms, merge.seq);
  }

  private end(segment: Segment, i: number, from: number): void {
    const { history, previous, source } = this.merge;
    if (history && previous !== undefined) insertHistory(this.db, source, segment, i, from, previous);
  }
}

/**
 * The entries of the segments that went, one after the other. Only one segment is held at a time, and its row goes when
 * it is.
 */
class OldEntries {
  private readonly db: Db;
  private readonly rows: readonly DroppedRow[];
  /** The next row to load. */
  private row = 0;
  private loaded: Segment | undefined;
  private froms: number[] = [];
  private position = 0;

  constructor(db: Db, rows: readonly DroppedRow[]) {
    this.db = db;
    this.rows = rows;
  }

  /** The row whose first entry comes next, if nothing of it has been looked at. */
  upcoming(): DroppedRow | undefined {
    return this.loaded === undefined ? this.rows[this.row] : undefined;
  }

  /** Passes over the upcoming row, which stays. */
  skip(): void {
    this.row++;
  }

  /** Sees to it that the row with this first key, if it is the upcoming one, is gone. */
  meet(firstKey: string): void {
    if (this.upcoming()?.first_key === firstKey) this.load();
  }

  /** The segment of the current entry; undefined past the last one. */
  get segment(): Segment | undefined {
    while (this.loaded === undefined && this.row < this.rows.length) this.load();
    return this.loaded;
  }

  get index(): number {
    return this.position;
  }

  get key(): string {
    return this.loaded!.keys[this.position];
  }

  /** In which snapshot the current entry began. */
  get from(): number {
    return this.froms[this.position];
  }

  next(): void {
    if (++this.position === this.froms.length) this.loaded = undefined;
  }

  private load(): void {
    const row = this.rows[this.row++];
    const segment = loadBytes(this.db, row.bytes_id);
    deleteSegment(this.db, row.id);
    deleteBytes(this.db, row.bytes_id);
    this.froms = decodeFroms(row, row.entries);
    this.position = 0;
    // An empty segment has no entry to stand on.
    this.loaded = segment.length === 0 ? undefined : segment;
  }
}
