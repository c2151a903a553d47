import type { Db } from './database.js';
import { encodeRow } from './entry-row.js';
import type { ForgottenRun } from './forgotten-runs.js';
import { decodeFroms, encodeFroms, type FromsRow } from './froms.js';
import { keyText } from './keys.js';
import { loadSegment } from './segment-rows.js';
import type { SourceId } from './snapshots.js';

interface SegmentRow extends FromsRow {
  id: number;
  entries: number;
}

/**
 * Takes runs of snapshots out of the intervals of a lineage, so that they are what a rebuild from the remaining ones
 * would make: an interval ends at snapshots that stay, one that spans none goes, and two equal versions of a path with
 * no remaining snapshot between them become one. Each run has one that stays after it. Call it in a transaction.
 * @returns how many versions went
 */
export function shrinkIntervals(db: Db, source: SourceId, runs: readonly ForgottenRun[]): number {
  let gone = 0;
  for (const { first, last, before, after } of runs) {
    gone += db.run(
      'DELETE FROM history INDEXED BY history_by_from WHERE source = ? AND from_seq BETWEEN ? AND ? AND to_seq <= ?',
      source,
      first,
      last,
      last,
    ).changes;
    if (before !== undefined) {
      db.run(
        'UPDATE history INDEXED BY history_by_to SET to_seq = ? WHERE source = ? AND to_seq BETWEEN ? AND ?',
        before,
        source,
        first,
        last,
      );
    }
    db.run(
      'UPDATE history INDEXED BY history_by_from SET from_seq = ? WHERE source = ? AND from_seq BETWEEN ? AND ?',
      after!,
      source,
      first,
      last,
    );
  }
  moveActiveBeginnings(db, source, runs);
  for (const run of runs) {
    if (run.before === undefined) continue;
    joinEnded(db, source, run.before, run.after!);
    joinActive(db, source, run.before, run.after!);
  }
  return gone;
}

/** Lets active versions that began in a run begin after it. */
function moveActiveBeginnings(db: Db, source: SourceId, runs: readonly ForgottenRun[]): void {
  const moved = new Map<number, number>();
  for (const { first, last, after } of runs) for (let seq = first; seq <= last; seq++) moved.set(seq, after!);
  updateFroms(db, source, 0, (_row, froms) => froms.map((from) => moved.get(from) ?? from));
}

/** Joins equal versions that ended in `before` with those that begin in `after`. */
function joinEnded(db: Db, source: SourceId, before: number, after: number): void {
  const pairs = db.all<{ old: number; from_seq: number; new: number }>(
    `SELECT l.id AS old, l.from_seq, r.id AS new
     FROM history l INDEXED BY history_by_to CROSS JOIN history r INDEXED BY history_by_key
       ON r.source = l.source AND r.key = l.key AND r.from_seq = ?
     WHERE l.source = ? AND l.to_seq = ? AND r.entry = l.entry`,
    after,
    source,
    before,
  );
  for (const pair of pairs) {
    db.run('DELETE FROM history WHERE id = ?', pair.old);
    db.run('UPDATE history SET from_seq = ? WHERE id = ?', pair.from_seq, pair.new);
  }
}

/** Joins equal versions that ended in `before` with the active ones that begin in `after`. */
function joinActive(db: Db, source: SourceId, before: number, after: number): void {
  updateFroms(db, source, after, (row, froms) => {
    if (!froms.includes(after)) return froms;
    const segment = loadSegment(db, row.id);
    return froms.map((from, i) => {
      if (from !== after) return from;
      const old = db.one<{ id: number; from_seq: number; entry: Uint8Array }>(
        'SELECT id, from_seq, entry FROM history INDEXED BY history_by_key WHERE source = ? AND key = ? AND to_seq = ?',
        source,
        keyText(segment.keys[i]),
        before,
      );
      if (old === undefined || Buffer.compare(old.entry, encodeRow(segment.loneEntry(i, ''))) !== 0) return from;
      db.run('DELETE FROM history WHERE id = ?', old.id);
      return old.from_seq;
    });
  });
}

/** Changes the beginnings of active versions, segment by segment; of those with one in `least` or later. */
export function updateFroms(
  db: Db,
  source: SourceId,
  least: number,
  change: (row: SegmentRow, froms: number[]) => number[],
): void {
  const rows = db.all<SegmentRow>(
    'SELECT id, entries, min_from, max_from, froms FROM segments WHERE source = ? AND max_from >= ?',
    source,
    least,
  );
  for (const row of rows) {
    const froms = decodeFroms(row, row.entries);
    const changed = change(row, froms);
    if (froms.every((from, i) => from === changed[i])) continue;
    const columns = encodeFroms(changed, row.min_from);
    db.run(
      'UPDATE segments SET min_from = ?, max_from = ?, froms = ? WHERE id = ?',
      columns.min_from,
      columns.max_from,
      columns.froms,
      row.id,
    );
  }
}
