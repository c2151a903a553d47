import type { Db } from './database.js';
import { decodeFroms, type FromsRow } from './froms.js';
import { ALL_KEYS } from './keys.js';
import { StateCursor } from './queries/state-cursor.js';
import { deleteSegment, insertSegment, loadBytes, loadSegment } from './segment-rows.js';
import { updateFroms } from './shrink.js';
import type { SnapshotRow, SourceId } from './snapshots.js';
import { deriveUnsettled } from './unsettled.js';
import { noteUntested } from './untested.js';

/**
 * Makes an older snapshot's state the active one: its segments are staged in `run` (those that are not active now, with
 * the active ones that it lacks as drops). The versions that it holds become active, with their beginnings; what came
 * after it is gone. What that snapshot had unsettled is so again. Call it in a transaction.
 * @returns how many versions went
 */
export function rollBack(db: Db, run: number, { source, seq, started }: SnapshotRow, head: number): number {
  // Ask for the old state before anything of it changes.
  const puts = db.all<{ id: number; first_key: string; blob_id: Uint8Array }>(
    'SELECT id, first_key, blob_id FROM staged_puts WHERE run = ? ORDER BY first_key',
    run,
  );
  const beginnings = new Beginnings(db, source, seq, head);
  const fresh = puts.map((put) => {
    const { keys } = loadBytes(db, put.id).check();
    return { put, froms: keys.map((key) => beginnings.of(key)) };
  });
  const dropped = new Set(db.all<{ id: number }>('SELECT id FROM staged_drops WHERE run = ?', run).map(({ id }) => id));
  // A segment of both may hold versions that went away and came back in between.
  const stay = new Beginnings(db, source, seq, head);
  const again = new Map<number, number[]>();
  const recent = db.all<{ id: number }>(
    'SELECT id FROM segments WHERE source = ? AND max_from > ? ORDER BY first_key',
    source,
    seq,
  );
  for (const { id } of recent)
    if (!dropped.has(id))
      again.set(
        id,
        loadSegment(db, id).keys.map((key) => stay.of(key)),
      );

  let gone = countActiveAfter(db, source, seq);
  updateFroms(db, source, seq + 1, (row, froms) => again.get(row.id) ?? froms);
  for (const id of dropped) {
    db.run('DELETE FROM segment_bytes WHERE id = (SELECT bytes_id FROM segments WHERE id = ?)', id);
    deleteSegment(db, id);
  }
  for (const { put, froms } of fresh) insertSegment(db, source, put, { segment: loadBytes(db, put.id), froms }, seq);
  gone += db.run('DELETE FROM history WHERE source = ? AND from_seq > ?', source, seq).changes;
  db.run('DELETE FROM history WHERE source = ? AND to_seq >= ?', source, seq);
  db.run('UPDATE sources SET head_seq = ? WHERE id = ?', seq, source);
  deriveUnsettled(db, source, started);
  noteUntested(db, [source]);
  db.run('DELETE FROM runs WHERE id = ?', run);
  return gone;
}

function countActiveAfter(db: Db, source: SourceId, seq: number): number {
  const rows = db.all<FromsRow & { entries: number }>(
    'SELECT entries, min_from, max_from, froms FROM segments WHERE source = ? AND max_from > ?',
    source,
    seq,
  );
  let count = 0;
  for (const row of rows) for (const from of decodeFroms(row, row.entries)) if (from > seq) count++;
  return count;
}

/** In which snapshots the versions of a snapshot began; asked for in key order. */
class Beginnings {
  private readonly cursor: StateCursor;

  constructor(db: Db, source: SourceId, seq: number, head: number) {
    this.cursor = new StateCursor(db, source, seq, head, ALL_KEYS);
  }

  of(key: string): number {
    this.cursor.seek(key);
    if (this.cursor.key !== key) throw new Error('a listing has an entry that its intervals lack');
    return this.cursor.from;
  }
}
