import type { Db } from './database.js';
import type { SourceId } from './snapshots.js';

/** Neighbouring snapshots of a lineage that go, by their sequences, and those that stay beside them. */
export interface ForgottenRun {
  first: number;
  last: number;
  /** The one before `first`; undefined: there is none. */
  before: number | undefined;
  /** The one after `last`; undefined: there is none. */
  after: number | undefined;
}

/** The sequences of the snapshots in a lineage's intervals, ascending. */
export function appliedSequences(db: Db, source: SourceId): number[] {
  return db
    .all<{ seq: number }>(
      `SELECT seq FROM snapshots WHERE source = ? AND applied = 1 AND kind = 'taken' ORDER BY seq`,
      source,
    )
    .map(({ seq }) => seq);
}

/** Groups what goes by what stays. */
export function forgottenRuns(sequences: readonly number[], gone: ReadonlySet<number>): ForgottenRun[] {
  const runs: ForgottenRun[] = [];
  let before: number | undefined;
  let run: ForgottenRun | undefined;
  for (const seq of sequences) {
    if (gone.has(seq)) {
      if (run !== undefined) run.last = seq;
      else {
        run = { first: seq, last: seq, before, after: undefined };
        runs.push(run);
      }
    } else {
      if (run !== undefined) run.after = seq;
      run = undefined;
      before = seq;
    }
  }
  return runs;
}
