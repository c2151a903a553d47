import { Active } from './active.js';
import { applyListing, type ListingToApply } from './apply-listing.js';
import { openConnection } from './connection.js';
import type { Db } from './database.js';
import { dump } from './dump.js';
import { Forget } from './forget.js';
import { Kept } from './kept.js';
import { Meta, readMeta, writeMeta } from './meta.js';
import { Objects } from './objects.js';
import { Packs } from './packs.js';
import { Queries } from './queries/queries.js';
import { type RunResult, Runs } from './runs.js';
import { Snapshots } from './snapshots.js';

/** An open catalog: what a machine knows of its store, without asking it. */
export class Catalog {
  /** Who made a snapshot: 16 random bytes, hex. */
  readonly id: string;
  /** Changes when numbers of packs from before mean nothing any more; hex. */
  readonly generation: string;
  /** Path of the database. */
  readonly path: string;
  readonly snapshots: Snapshots;
  readonly packs: Packs;
  readonly objects: Objects;
  readonly active: Active;
  readonly runs: Runs;
  readonly kept: Kept;
  readonly forget: Forget;
  readonly query: Queries;
  /** To whoever writes, when the last writer before gave it back: see `lastUse`. */
  readonly usedBefore: bigint | undefined;
  private readonly db: Db;
  private readonly onClose: () => void;

  /** @param onClose called once, after the database is closed */
  constructor(db: Db, path: string, onClose: () => void, usedBefore?: bigint) {
    this.db = db;
    this.path = path;
    this.onClose = onClose;
    this.usedBefore = usedBefore;
    this.id = readMeta(db, Meta.catalogId)!;
    this.generation = readMeta(db, Meta.generation)!;
    this.snapshots = new Snapshots(db);
    this.packs = new Packs(db);
    this.objects = new Objects(db);
    this.active = new Active(db);
    this.runs = new Runs(db, this.snapshots, () => this.countRun());
    this.kept = new Kept(db, this.snapshots);
    this.query = new Queries(db, this.kept);
    this.forget = new Forget(db, this.snapshots, this.active, this.runs);
  }

  /** Backups that this catalog has completed: 0 in the first run of a new or rebuilt one. */
  get runsCompleted(): number {
    return Number(readMeta(this.db, Meta.runsCompleted) ?? 0);
  }

  /** Merges a listing of the store into the catalog, as its source's newest snapshot. */
  applyListing(listing: ListingToApply): Promise<RunResult> {
    return applyListing(this.db, this.active, this.runs, this.snapshots, listing);
  }

  /** Runs several writes as one; an error undoes them all. */
  transaction<T>(work: () => T): T {
    return this.db.transaction(work);
  }

  /** A fact that a caller noted. */
  getMeta(key: string): string | undefined {
    return readMeta(this.db, `x-${key}`);
  }

  /** Notes a fact; undefined removes it. */
  setMeta(key: string, value: string | undefined): void {
    writeMeta(this.db, `x-${key}`, value);
  }

  /** The content as lines of JSON that are equal for equal catalogs, whatever machine or order made them. */
  dump(): Generator<string> {
    return dump(this.db, this.snapshots, this.packs, this.kept);
  }

  /**
   * A copy at `path`, where no file may be, for trying things out: it is open for writing, without a lock, and neither
   * log nor sync make its changes last. Changes of either are not seen by the other.
   * @param onClose called once, after the copy is closed
   */
  copyTo(path: string, onClose = () => {}): Catalog {
    const { raw } = this.db;
    // To SQLite, a copy is written by whoever reads the original.
    const readsOnly = raw.pragma('query_only', { simple: true });
    raw.pragma('query_only = OFF');
    raw.prepare('VACUUM INTO ?').run(path);
    raw.pragma(`query_only = ${readsOnly}`);
    const db = openConnection(path, 'write');
    db.raw.pragma('journal_mode = MEMORY');
    db.raw.pragma('synchronous = OFF');
    return new Catalog(db, path, onClose);
  }

  /** Closes the database, and for a writer frees the lock. */
  close(): void {
    if (!this.db.raw.open) return;
    this.db.raw.close();
    this.onClose();
  }

  private countRun(): void {
    writeMeta(this.db, Meta.runsCompleted, String(this.runsCompleted + 1));
  }
}
