import type { ByteString } from '../bytes.js';
import type { Db } from './database.js';
import { decodeFroms, type FromsRow } from './froms.js';
import { justAbove, keyOf, keyText } from './keys.js';
import type { SourceId } from './snapshots.js';
import { deriveUnsettled } from './unsettled.js';
import { noteTested, untested } from './untested.js';

/** A segment of the active listing of a source. */
export interface ActiveSegment {
  /** Its number in the catalog. */
  rowid: number;
  firstKey: ByteString;
  /** Its blob id. */
  id: Uint8Array;
  /** How many entries it has. */
  entries: number;
  /** What decodeSegment reads. */
  bytes: Uint8Array;
  /** For each entry the sequence of the snapshot in which this version began. */
  froms(): number[];
}

const PAGE = 256;

/** The active versions of each source: the segments of its newest listing. */
export class Active {
  private readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  /** Up to `limit` segments in key order, those whose first key is above `after` (undefined: from the first). */
  page(source: SourceId, after: ByteString | undefined, limit = PAGE): ActiveSegment[] {
    return this.db
      .all<StoredSegment>(
        `${SELECT} WHERE s.source = ? AND s.first_key >= ? ORDER BY s.first_key LIMIT ?`,
        source,
        after === undefined ? '' : justAbove(keyText(after)),
        limit,
      )
      .map(toSegment);
  }

  /**
   * The segment in which a key lies or would lie: the last one that begins at or before it, else the first one.
   * Undefined when the source has no segments.
   */
  covering(source: SourceId, key: ByteString): ActiveSegment | undefined {
    const row =
      this.db.one<StoredSegment>(
        `${SELECT} WHERE s.source = ? AND s.first_key <= ? ORDER BY s.first_key DESC LIMIT 1`,
        source,
        keyText(key),
      ) ?? this.db.one<StoredSegment>(`${SELECT} WHERE s.source = ? ORDER BY s.first_key LIMIT 1`, source);
    return row && toSegment(row);
  }

  /** All segments of a source in key order, without their bytes. */
  list(source: SourceId): { rowid: number; firstKey: ByteString; id: Uint8Array }[] {
    return this.db
      .all<{ id: number; first_key: string; blob_id: Uint8Array }>(
        'SELECT id, first_key, blob_id FROM segments WHERE source = ? ORDER BY first_key',
        source,
      )
      .map((row) => ({ rowid: row.id, firstKey: keyOf(row.first_key), id: row.blob_id }));
  }

  /** Keys of the files that the next run must read again, sorted. */
  unsettled(source: SourceId): ByteString[] {
    return this.db
      .all<{ key: string }>('SELECT key FROM unsettled WHERE source = ? ORDER BY key', source)
      .map((row) => keyOf(row.key));
  }

  /**
   * After a rebuild: notes as unsettled every active file that may have been written while it was read, as far as its
   * times tell: modified less than 60 s, or changed less than 2 s, before the newest snapshot's run began, or later.
   * @param started when that run began, nanoseconds since 1970
   * @returns how many
   */
  deriveUnsettled(source: SourceId, started: bigint): number {
    return deriveUnsettled(this.db, source, started);
  }

  /**
   * Whether a run has made sure that all which the active state needs is in packs of the catalog, and none has gone
   * since. Otherwise that a version is active says nothing of its content.
   */
  isTested(source: SourceId): boolean {
    return !untested(this.db).has(source);
  }

  /** Notes that a run has made sure of it. */
  noteTested(source: SourceId): void {
    noteTested(this.db, source);
  }
}

const SELECT = `SELECT s.id, s.first_key, s.blob_id, s.entries, s.min_from, s.max_from, s.froms, b.bytes
  FROM segments s INDEXED BY segments_by_key JOIN segment_bytes b ON b.id = s.bytes_id`;

interface StoredSegment extends FromsRow {
  id: number;
  first_key: string;
  blob_id: Uint8Array;
  entries: number;
  bytes: Uint8Array;
}

function toSegment(row: StoredSegment): ActiveSegment {
  return {
    rowid: row.id,
    firstKey: keyOf(row.first_key),
    id: row.blob_id,
    entries: row.entries,
    bytes: row.bytes,
    froms: () => decodeFroms(row, row.entries),
  };
}
