import type { Db } from '../database.js';
import { decodeRow } from '../entry-row.js';
import { appliedSequences, type ForgottenRun, forgottenRuns } from '../forgotten-runs.js';
import { decodeFroms, type FromsRow } from '../froms.js';
import { keyOf } from '../keys.js';
import { loadSegment } from '../segment-rows.js';
import type { SourceId } from '../snapshots.js';
import { SnapshotTimes, type Version } from './version.js';

const PAGE = 500;

/** The versions of a lineage that lie wholly in snapshots that go, by their sequences. */
export function* lostVersions(db: Db, source: SourceId, gone: ReadonlySet<number>): Generator<Version> {
  const times = new SnapshotTimes(db, source);
  for (const run of forgottenRuns(appliedSequences(db, source), gone)) {
    yield* lostEnded(db, source, run, times);
    if (run.after === undefined) yield* lostActive(db, source, run, times);
  }
}

interface StoredVersion {
  id: number;
  key: string;
  from_seq: number;
  to_seq: number;
  entry: Uint8Array;
}

function* lostEnded(db: Db, source: SourceId, run: ForgottenRun, times: SnapshotTimes): Generator<Version> {
  let from = run.first;
  let to = -1;
  let id = -1;
  for (;;) {
    const page = db.all<StoredVersion>(
      `SELECT id, key, from_seq, to_seq, entry FROM history INDEXED BY history_by_from
       WHERE source = ? AND (from_seq, to_seq, id) > (?, ?, ?) AND from_seq <= ? AND to_seq <= ?
       ORDER BY from_seq, to_seq, id LIMIT ${PAGE}`,
      source,
      from,
      to,
      id,
      run.last,
      run.last,
    );
    for (const row of page) {
      const key = keyOf(row.key);
      yield times.version(key, source, row.from_seq, row.to_seq, decodeRow(key, row.entry));
    }
    if (page.length < PAGE) return;
    const last = page[page.length - 1];
    from = last.from_seq;
    to = last.to_seq;
    id = last.id;
  }
}

/** Active versions that began in a run at the end: they go with the newest snapshot. */
function* lostActive(db: Db, source: SourceId, run: ForgottenRun, times: SnapshotTimes): Generator<Version> {
  const rows = db.all<FromsRow & { id: number; entries: number }>(
    'SELECT id, entries, min_from, max_from, froms FROM segments WHERE source = ? AND max_from >= ? ORDER BY first_key',
    source,
    run.first,
  );
  for (const row of rows) {
    const froms = decodeFroms(row, row.entries);
    const segment = loadSegment(db, row.id);
    for (let i = 0; i < froms.length; i++)
      if (froms[i] >= run.first) yield times.version(segment.keys[i], source, froms[i], undefined, segment.entry(i));
  }
}
