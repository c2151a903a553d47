import type { Active } from './active.js';
import { type ListingSegments, stageListing } from './apply-listing.js';
import type { Db } from './database.js';
import { appliedSequences, forgottenRuns } from './forgotten-runs.js';
import { createDeferredIndexes } from './migrate.js';
import { lostVersions } from './queries/lost.js';
import type { Version } from './queries/version.js';
import { type Rewrite, rewriteSnapshots } from './rewrite.js';
import { rollBack } from './roll-back.js';
import type { Runs, Stage } from './runs.js';
import { shrinkIntervals } from './shrink.js';
import type { SnapshotRow, Snapshots, SourceId } from './snapshots.js';

/** What forgetting took away. */
export interface Forgotten {
  snapshots: number;
  /** Versions that no remaining snapshot holds. */
  versions: number;
}

/** Gives the listing of a snapshot that becomes its lineage's newest. */
export type HeadListing = (snapshot: SnapshotRow) => ListingSegments | Promise<ListingSegments>;

/** Takes snapshots out of the catalog, after or before they leave the store. */
export class Forget {
  private readonly db: Db;
  private readonly snapshots: Snapshots;
  private readonly active: Active;
  private readonly runs: Runs;

  constructor(db: Db, snapshots: Snapshots, active: Active, runs: Runs) {
    this.db = db;
    this.snapshots = snapshots;
    this.active = active;
    this.runs = runs;
  }

  /**
   * Drops snapshots, kept ones too, and what only they hold; notes that they went on purpose. The result equals what
   * the remaining snapshots would make. Each lineage is one transaction. Unknown names are noted, too.
   * @param newHead needed if the newest snapshot of a lineage goes while others stay: the active state becomes that
   *   of the newest one that stays
   */
  async snapshotsNamed(names: readonly string[], newHead?: HeadListing): Promise<Forgotten> {
    createDeferredIndexes(this.db);
    const result: Forgotten = { snapshots: 0, versions: 0 };
    for (const [source, rows] of this.bySource(names)) {
      const { versions } = await this.forgetIn(source, rows, newHead);
      result.snapshots += rows.length;
      result.versions += versions;
    }
    this.snapshots.noteForgotten(names);
    return result;
  }

  /** The versions that would be in no snapshot any more if these went; by lineage, in no order. */
  *lostBy(names: readonly string[]): Generator<Version> {
    for (const [source, rows] of this.bySource(names)) yield* lostVersions(this.db, source, appliedOf(rows));
  }

  /**
   * Replaces snapshots of a lineage by copies that lack some paths, in one transaction.
   * See Rewrite for what is needed.
   */
  async rewrite(rewrite: Rewrite): Promise<Forgotten> {
    createDeferredIndexes(this.db);
    return rewriteSnapshots(this.db, this.snapshots, this.active, this.runs, rewrite);
  }

  /** Takes a lineage's state and history out; its snapshots stay known, not applied, to be applied anew. */
  resetSource(source: SourceId): void {
    this.db.transaction(() => {
      this.db.run('DELETE FROM segment_bytes WHERE id IN (SELECT bytes_id FROM segments WHERE source = ?)', source);
      this.db.run('DELETE FROM segment_names WHERE id IN (SELECT id FROM segments WHERE source = ?)', source);
      for (const table of ['segments', 'history', 'unsettled'])
        this.db.run(`DELETE FROM ${table} WHERE source = ?`, source);
      this.db.run(`UPDATE snapshots SET applied = 0 WHERE source = ? AND kind = 'taken'`, source);
      this.db.run('UPDATE sources SET head_seq = NULL WHERE id = ?', source);
    });
  }

  private async forgetIn(source: SourceId, rows: SnapshotRow[], newHead?: HeadListing): Promise<{ versions: number }> {
    const gone = appliedOf(rows);
    const sequences = appliedSequences(this.db, source);
    const remaining = sequences.filter((seq) => !gone.has(seq));
    const head = sequences[sequences.length - 1];
    const next = remaining[remaining.length - 1];
    let back: { to: SnapshotRow; stage: Stage } | undefined;
    if (next !== undefined && next !== head) {
      const to = this.snapshots.applied(source, next)!;
      if (newHead === undefined) throw new Error(`the listing of snapshot ${to.name} is needed: it becomes the newest`);
      back = { to, stage: await stageListing(this.active, this.runs, source, await newHead(to)) };
    }
    return this.db.transaction(() => {
      let versions = 0;
      if (next === undefined && sequences.length > 0) {
        versions = countAll(this.db, source);
        this.resetSource(source);
      } else if (back !== undefined) {
        versions = rollBack(this.db, back.stage.run, back.to, head);
      }
      if (next !== undefined) {
        const runs = forgottenRuns(sequences, gone).filter((run) => run.after !== undefined);
        if (runs.length > 0) versions += shrinkIntervals(this.db, source, runs);
      }
      for (const row of rows) this.db.run('DELETE FROM snapshots WHERE id = ?', row.id);
      return { versions };
    });
  }

  private bySource(names: readonly string[]): Map<SourceId, SnapshotRow[]> {
    const groups = new Map<SourceId, SnapshotRow[]>();
    for (const name of new Set(names)) {
      const row = this.snapshots.get(name);
      if (row === undefined) continue;
      const group = groups.get(row.source);
      if (group === undefined) groups.set(row.source, [row]);
      else group.push(row);
    }
    return groups;
  }
}

function appliedOf(rows: readonly SnapshotRow[]): Set<number> {
  return new Set(rows.filter((row) => row.applied && row.kind === 'taken').map((row) => row.seq));
}

function countAll(db: Db, source: SourceId): number {
  return db.one<{ n: number }>(
    `SELECT (SELECT count(*) FROM history WHERE source = ?) +
       (SELECT ifnull(sum(entries), 0) FROM segments WHERE source = ?) AS n`,
    source,
    source,
  )!.n;
}
