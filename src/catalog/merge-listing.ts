import type { Entry } from '../format/entry.js';
import { openSegment, type Segment, type SegmentTotals } from '../format/segment.js';
import { Aspect, aspectsOf } from './aspects.js';
import { changedEntries, haveSameKeys, haveSameOwners } from './changed-entries.js';
import type { Db } from './database.js';
import { decodeFroms, encodeFroms, type FromsRow } from './froms.js';
import type { KeyText } from './keys.js';
import { sameEntry } from './same-entry.js';
import {
  deleteBytes,
  deleteSegment,
  fileTotals,
  insertBytes,
  insertHistory,
  insertSegment,
  loadBytes,
  type PutRow,
  updateBytes,
  updateSegment,
} from './segment-rows.js';
import type { SourceId } from './snapshots.js';
import { StepWriter } from './steps.js';

/** How the active entries changed. */
export interface Changes {
  added: number;
  changed: number;
  removed: number;
}

/** What a merge is about. */
export interface Merge {
  source: SourceId;
  /** Sequence and name of the snapshot whose listing becomes the active one. */
  seq: number;
  name: string;
  /** The snapshot whose state the segments hold. Without one nothing becomes history. */
  previous: { seq: number; name: string } | undefined;
  /** What is known of new segments, by the rows of their bytes. */
  known?: ReadonlyMap<number, KnownSegment> | undefined;
}

/** What whoever made a new segment knows of it. */
export interface KnownSegment {
  totals: SegmentTotals;
  /** Entries that are those of an active segment, ascending; there may be more of them. */
  carried: readonly CarriedStretch[];
  /** Its bytes, if they are still at hand. */
  bytes?: Uint8Array | undefined;
}

/** Entries of a new segment that an active one has, with the same paths and in all but the names of their owners. */
export interface CarriedStretch {
  /** Position of the first in the new segment. */
  at: number;
  /** The row of the active one, and the position there. */
  segment: number;
  position: number;
  count: number;
}

/** An active segment that the new listing does not have. */
export interface Drop {
  /** Its row in `segments`. */
  id: number;
  first_key: KeyText;
}

/** A segment that is not among the active ones yet. */
export interface NewSegment {
  first_key: KeyText;
  blob_id: Uint8Array;
  bytes: Uint8Array;
}

/** The row of a dropped segment, with its bytes. */
interface DroppedRow extends FromsRow {
  bytes_id: number;
  entries: number;
  bytes: Uint8Array;
}

/** Makes the listing that a run has staged the active one. Call it in a transaction. */
export function mergeStaged(db: Db, run: number, merge: Merge): Changes {
  const drops = db.all<Drop>(
    `SELECT s.id, s.first_key FROM staged_drops d CROSS JOIN segments s ON s.id = d.id
     WHERE d.run = ? AND s.source = ? ORDER BY s.first_key`,
    run,
    merge.source,
  );
  const merger = new Merger(db, merge, drops);
  const puts = db.all<PutRow>('SELECT id, first_key, blob_id FROM staged_puts WHERE run = ? ORDER BY first_key', run);
  for (const put of puts) merger.addStaged(put);
  return merger.finish();
}

/**
 * Makes another listing the active one: a merge-join, in key order, of the segments that went with those that came.
 * Equal entries keep the sequence in which they began; the others begin now, and what they replace, or what is gone,
 * becomes history that ended with the previous snapshot. Segments in both listings are not looked at.
 * Most segments change in a few entries and not in their paths: those are compared column by column.
 * Use it in a transaction.
 */
export class Merger {
  private readonly changes: Changes = { added: 0, changed: 0, removed: 0 };
  private readonly db: Db;
  private readonly merge: Merge;
  private readonly old: OldEntries;
  private readonly step: StepWriter | undefined;

  /** @param drops in key order */
  constructor(db: Db, merge: Merge, drops: readonly Drop[]) {
    this.db = db;
    this.merge = merge;
    this.old = new OldEntries(db, drops);
    this.step = merge.previous && new StepWriter(db, merge.previous.name, merge.name);
  }

  /** Adds the next segment in key order, whose bytes a run has staged. */
  addStaged(put: PutRow): void {
    const known = this.merge.known?.get(put.id);
    const segment = known?.bytes === undefined ? loadBytes(this.db, put.id) : openSegment(known.bytes);
    const old = this.old.inPlaceOf(put.first_key, segment);
    if (old === undefined) {
      this.insert(put, segment, known);
      return;
    }
    this.replace(old, put, segment, known);
    deleteBytes(this.db, old.row.bytes_id);
  }

  /** Adds the next segment in key order. */
  add(segment: NewSegment): void {
    const opened = openSegment(segment.bytes);
    const old = this.old.inPlaceOf(segment.first_key, opened);
    if (old === undefined) {
      this.insert({ ...segment, id: insertBytes(this.db, segment.bytes) }, opened);
      return;
    }
    const id = old.row.bytes_id;
    this.replace(old, { ...segment, id }, opened);
    updateBytes(this.db, id, segment.bytes);
  }

  /** Ends what comes after the last segment. */
  finish(): Changes {
    const { old } = this;
    for (; old.segment !== undefined; old.next()) this.remove(old);
    this.step?.finish();
    return this.changes;
  }

  /** Gives a row another segment with the same paths. */
  private replace(
    { id, row, segment: before }: Replaceable,
    put: PutRow,
    segment: Segment,
    known?: KnownSegment,
  ): void {
    const { db, merge, changes } = this;
    const froms = decodeFroms(row, row.entries);
    const changed = changedEntries(before, segment);
    for (const { position, aspects } of changed) {
      this.end(before.loneEntry(position, before.keyAt(position)), froms[position], aspects);
      froms[position] = merge.seq;
    }
    changes.changed += changed.length;
    updateSegment(db, id, put, known?.totals ?? fileTotals(segment), encodeFroms(froms, merge.seq));
  }

  /** Adds a segment, comparing with the old ones what is not known to be carried. */
  private insert(put: PutRow, segment: Segment, known?: KnownSegment): void {
    const { db, merge, old } = this;
    if (known === undefined) segment.check();
    const froms: number[] = new Array(segment.length).fill(merge.seq);
    let from = 0;
    for (const { at, segment: id, position, count } of known?.carried ?? []) {
      this.compare(segment, froms, from, at);
      from = at;
      if (!old.reach(id, position, () => this.remove(old)) || !haveSameOwners(old.segment!, segment)) continue;
      old.take(froms, at, count);
      from += count;
    }
    this.compare(segment, froms, from, segment.length);
    // First keys are unique: an old segment with this one has been met above, and its row is gone.
    old.meet(put.first_key);
    insertSegment(db, merge.source, put, { segment, froms, totals: known?.totals }, merge.seq);
  }

  /** Compares the entries from `from` to `to` one by one with the old ones. */
  private compare(segment: Segment, froms: number[], from: number, to: number): void {
    const { old, changes } = this;
    if (this.step === undefined && old.segment === undefined) {
      changes.added += to - from;
      return;
    }
    for (let i = from; i < to; i++) {
      const key = segment.ascendingKeyAt(i);
      for (; old.segment !== undefined && old.key < key; old.next()) this.remove(old);
      if (old.segment === undefined || old.key !== key) {
        this.step?.add(key, Aspect.added);
        changes.added++;
        continue;
      }
      if (sameEntry(old.segment, old.index, segment, i)) {
        froms[i] = old.from;
      } else {
        const ended = old.segment.loneEntry(old.index, key);
        this.end(ended, old.from, aspectsOf(ended, segment.loneEntry(i, key)));
        changes.changed++;
      }
      old.next();
    }
  }

  /** Ends the version of a path that is no longer there. */
  private remove({ segment, index, key, from }: OldEntries): void {
    this.end(segment!.loneEntry(index, key), from, Aspect.removed);
    this.changes.removed++;
  }

  /** Ends a version; what comes in its place differs from it in these aspects. */
  private end(entry: Entry, from: number, aspects: number): void {
    const { previous, source } = this.merge;
    if (previous === undefined) return;
    insertHistory(this.db, source, entry, from, previous.seq);
    this.step?.add(entry.key, aspects);
  }
}

/** An old segment whose row can take a new one. */
interface Replaceable {
  id: number;
  row: DroppedRow;
  segment: Segment;
}

/**
 * The entries of the segments that went, one after the other. Only one segment is held at a time, and its row goes when
 * it is.
 */
class OldEntries {
  private readonly db: Db;
  private readonly drops: readonly Drop[];
  /** Places of rows among them. */
  private readonly order: ReadonlyMap<number, number>;
  /** The next one to load. */
  private upcoming = 0;
  /** That one, if it has been looked at. */
  private seen: { row: DroppedRow; segment: Segment } | undefined;
  private loaded: Segment | undefined;
  private loadedId = 0;
  private froms: number[] = [];
  private position = 0;

  constructor(db: Db, drops: readonly Drop[]) {
    this.db = db;
    this.drops = drops;
    this.order = new Map(drops.map(({ id }, i) => [id, i]));
  }

  /**
   * The upcoming segment, if nothing of it has been looked at and it has the same paths as another one: it is passed
   * over, and its row stays.
   */
  inPlaceOf(firstKey: KeyText, segment: Segment): Replaceable | undefined {
    if (!this.isUpcoming(firstKey)) return undefined;
    const { id } = this.drops[this.upcoming];
    const seen = this.look();
    if (!haveSameKeys(seen.segment, segment)) return undefined;
    this.pass();
    return { id, ...seen };
  }

  /** Sees to it that the row with this first key, if it is the upcoming one, is gone. */
  meet(firstKey: KeyText): void {
    if (this.isUpcoming(firstKey)) this.load();
  }

  /** The segment of the current entry; undefined past the last one. */
  get segment(): Segment | undefined {
    while (this.loaded === undefined && this.upcoming < this.drops.length) this.load();
    return this.loaded;
  }

  get index(): number {
    return this.position;
  }

  get key(): string {
    return this.loaded!.ascendingKeyAt(this.position);
  }

  /** In which snapshot the current entry began. */
  get from(): number {
    return this.froms[this.position];
  }

  next(): void {
    if (++this.position === this.froms.length) this.loaded = undefined;
  }

  /**
   * Goes on to an entry that lies ahead. @param passed is called for each one before it, which is then the current one
   * @returns false when it does not lie ahead: nothing has been done
   */
  reach(id: number, position: number, passed: () => void): boolean {
    const isLoaded = this.loaded !== undefined && this.loadedId === id;
    const isAhead = isLoaded ? this.position <= position : (this.order.get(id) ?? -1) >= this.upcoming;
    if (!isAhead) return false;
    while (this.segment !== undefined && (this.loadedId !== id || this.position < position)) {
      passed();
      this.next();
    }
    return true;
  }

  /** Passes over entries of the current segment, and writes down from `at` on in which snapshots they began. */
  take(froms: number[], at: number, count: number): void {
    for (let i = 0; i < count; i++) froms[at + i] = this.froms[this.position + i];
    this.position += count;
    if (this.position === this.froms.length) this.loaded = undefined;
  }

  private isUpcoming(firstKey: KeyText): boolean {
    return this.loaded === undefined && this.drops[this.upcoming]?.first_key === firstKey;
  }

  /** The upcoming segment. */
  private look(): { row: DroppedRow; segment: Segment } {
    if (this.seen === undefined) {
      const row = this.db.one<DroppedRow>(
        `SELECT s.bytes_id, s.entries, s.min_from, s.max_from, s.froms, b.bytes
         FROM segments s JOIN segment_bytes b ON b.id = s.bytes_id WHERE s.id = ?`,
        this.drops[this.upcoming].id,
      )!;
      this.seen = { row, segment: openSegment(row.bytes) };
    }
    return this.seen;
  }

  private pass(): void {
    this.upcoming++;
    this.seen = undefined;
  }

  private load(): void {
    const { id } = this.drops[this.upcoming];
    const { row, segment } = this.look();
    this.pass();
    deleteSegment(this.db, id);
    deleteBytes(this.db, row.bytes_id);
    this.froms = decodeFroms(row, row.entries);
    this.position = 0;
    this.loadedId = id;
    // An empty segment has no entry to stand on.
    this.loaded = row.entries === 0 ? undefined : segment;
  }
}
