import type { ByteString } from '../bytes.js';
import type { Db } from './database.js';
import { keyText } from './keys.js';
import { type Changes, type KnownSegment, mergeStaged } from './merge-listing.js';
import { insertBytes } from './segment-rows.js';
import { parseSnapshot, snapshotText } from './snapshot-text.js';
import type { SnapshotInput, SnapshotRow, Snapshots, SourceId } from './snapshots.js';

/** What completing a run changed. */
export interface RunResult extends Changes {
  snapshot: SnapshotRow;
}

/** A run whose snapshot may or may not be in the store. */
export interface SealedRun {
  run: number;
  source: SourceId;
  snapshot: SnapshotInput;
}

/** Bytes of segments held back until they are written together. */
const FLUSH_BYTES = 4 * 1024 * 1024;
/** Bytes of segments that need not be read again when the run is completed. */
const KEPT_BYTES = 8 * 1024 * 1024;

/** A listing on its way to become the active one. Nothing of it shows before `complete`. */
export class Stage {
  readonly run: number;
  private readonly db: Db;
  private readonly runs: Runs;
  private puts: { firstKey: string; id: Uint8Array; bytes: Uint8Array; known: KnownSegment | undefined }[] = [];
  /** By their rows in the database. */
  private readonly known = new Map<number, KnownSegment>();
  private drops: number[] = [];
  private notes: string[] = [];
  private held = 0;
  private kept = 0;

  constructor(db: Db, runs: Runs, run: number) {
    this.db = db;
    this.runs = runs;
    this.run = run;
  }

  /** An active segment is not in the new listing. @param rowid ActiveSegment.rowid */
  drop(rowid: number): void {
    this.drops.push(rowid);
    this.hold(16);
  }

  /**
   * A segment of the new listing that is not among the active ones. In any order.
   * @param known what need not be found out when the run is completed, unless that is after a crash
   */
  put(firstKey: ByteString, id: Uint8Array, bytes: Uint8Array, known?: KnownSegment): void {
    this.puts.push({ firstKey: keyText(firstKey), id, bytes, known });
    this.hold(bytes.length + 128);
  }

  /** The next run must read this file. What is noted in a run takes the place of all notes of the source before it. */
  unsettled(key: ByteString): void {
    this.notes.push(keyText(key));
    this.hold(key.length);
  }

  /**
   * Writes down, durably, which snapshot this run is about to put in the store. After that only `complete`, or after
   * a restart `Runs.sealed`, follows.
   */
  seal(snapshot: SnapshotInput): void {
    this.flush();
    this.db.durably(() => this.db.run('UPDATE runs SET snapshot = ? WHERE id = ?', snapshotText(snapshot), this.run));
  }

  /** Makes the sealed run's listing the active one; see Runs.complete. */
  complete(): RunResult {
    return this.runs.complete(this.run, this.known);
  }

  /** Takes everything back. */
  discard(): void {
    this.runs.discard(this.run);
  }

  private hold(bytes: number): void {
    this.held += bytes;
    if (this.held >= FLUSH_BYTES) this.flush();
  }

  private keptWith(known: KnownSegment, bytes: Uint8Array): KnownSegment {
    if (this.kept + bytes.length > KEPT_BYTES) return known;
    this.kept += bytes.length;
    return { ...known, bytes };
  }

  /** Writes down what is held back. */
  flush(): void {
    this.db.transaction(() => {
      for (const { firstKey, id, bytes, known } of this.puts) {
        const row = insertBytes(this.db, bytes);
        if (known !== undefined) this.known.set(row, this.keptWith(known, bytes));
        this.db.run(
          'INSERT INTO staged_puts (id, run, first_key, blob_id) VALUES (?, ?, ?, ?)',
          row,
          this.run,
          firstKey,
          id,
        );
      }
      for (const rowid of this.drops)
        this.db.run('INSERT INTO staged_drops (id, run) VALUES (?, ?) ON CONFLICT DO NOTHING', rowid, this.run);
      for (const key of this.notes)
        this.db.run('INSERT INTO staged_unsettled (run, key) VALUES (?, ?) ON CONFLICT DO NOTHING', this.run, key);
    });
    this.puts = [];
    this.drops = [];
    this.notes = [];
    this.held = 0;
  }
}

/** The run in flight, and those that a crash left. */
export class Runs {
  private readonly db: Db;
  private readonly snapshots: Snapshots;
  private readonly onComplete: () => void;

  constructor(db: Db, snapshots: Snapshots, onComplete: () => void) {
    this.db = db;
    this.snapshots = snapshots;
    this.onComplete = onComplete;
  }

  /** Begins a run over a source. There is one run at a time: one that was not sealed is discarded. */
  begin(source: SourceId): Stage {
    this.clear();
    const { id } = this.db.run('INSERT INTO runs (source) VALUES (?)', source);
    return new Stage(this.db, this, id);
  }

  /** Discards a run that was not sealed. @throws Error for a sealed one, which goes first */
  clear(): void {
    this.discardUnsealed();
    if (this.db.one('SELECT 1 FROM runs') !== undefined)
      throw new Error('a sealed run must be completed or discarded before another begins');
  }

  /** Runs that were sealed and neither completed nor discarded: look for their snapshots in the store. */
  sealed(): SealedRun[] {
    return this.db
      .all<{ id: number; source: number; snapshot: string }>(
        'SELECT id, source, snapshot FROM runs WHERE snapshot IS NOT NULL ORDER BY id',
      )
      .map((row) => ({ run: row.id, source: row.source, snapshot: parseSnapshot(row.snapshot) }));
  }

  /**
   * Makes a sealed run's listing the active one, in one transaction: its snapshot is applied, ended versions become
   * history, unsettled notes are replaced. In a shared store only once all that the snapshot needs is known to be there.
   */
  complete(run: number, known?: ReadonlyMap<number, KnownSegment>): RunResult {
    return this.db.transaction(() => {
      const row = this.db.one<{ source: number; snapshot: string | null }>(
        'SELECT source, snapshot FROM runs WHERE id = ?',
        run,
      );
      if (row?.snapshot == null) throw new Error('only a sealed run can be completed');
      const snapshot = parseSnapshot(row.snapshot);
      const previous = headOf(this.snapshots, row.source, snapshot);
      const changes = mergeStaged(this.db, run, {
        source: row.source,
        seq: snapshot.seq,
        name: snapshot.name,
        previous,
        known,
      });
      this.db.run('DELETE FROM unsettled WHERE source = ?', row.source);
      this.db.run(
        'INSERT INTO unsettled (source, key) SELECT ?, key FROM staged_unsettled WHERE run = ?',
        row.source,
        run,
      );
      const applied = advanceHead(this.db, this.snapshots, row.source, snapshot);
      this.db.run('DELETE FROM runs WHERE id = ?', run);
      this.onComplete();
      return { snapshot: applied, ...changes };
    });
  }

  /** Drops what a run has staged. */
  discard(run: number): void {
    this.db.transaction(() => {
      this.db.run('DELETE FROM segment_bytes WHERE id IN (SELECT id FROM staged_puts WHERE run = ?)', run);
      this.db.run('DELETE FROM runs WHERE id = ?', run);
    });
  }

  /** Drops what killed runs have staged without sealing it. */
  discardUnsealed(): void {
    const runs = this.db.all<{ id: number }>('SELECT id FROM runs WHERE snapshot IS NULL');
    for (const { id } of runs) this.discard(id);
  }
}

/** A source's newest applied snapshot, above whose sequence that of the next one must be; undefined: none. */
export function headOf(
  snapshots: Snapshots,
  source: SourceId,
  next: SnapshotInput,
): { seq: number; name: string } | undefined {
  const head = snapshots.head(source);
  if (head !== undefined && next.seq <= head.seq)
    throw new Error(`snapshot ${next.seq} comes after ${head.seq} but is not above it`);
  return head;
}

/** Notes the snapshot whose listing has become the active one. */
export function advanceHead(db: Db, snapshots: Snapshots, source: SourceId, snapshot: SnapshotInput): SnapshotRow {
  db.run('UPDATE sources SET head_seq = ? WHERE id = ?', snapshot.seq, source);
  return snapshots.insert(source, snapshot, 'live', true);
}
