import type { ByteString } from '../../bytes.js';
import type { ActiveSegment, Stage } from '../../catalog/index.js';
import type { Entry } from '../../format/entry.js';
import { type ListingChild, type ListingCutter, type ListingRoot, ListingTreeBuilder } from '../../format/listing.js';
import { type Segment, SegmentWriter } from '../../format/segment.js';

/** Where new metadata blobs go. */
export interface MetaSink {
  put(kind: 'listing', bytes: Uint8Array): Uint8Array;
  /** Whether a segment of the old listing is still in the store; undefined when nothing is missing there. */
  has?: (id: Uint8Array) => boolean;
}

/**
 * Builds the new listing from entries in key order: some carried over from the listing before, some new.
 *
 * Cuts depend on the keys only, so where nothing changed the segments come out as they were: those are recognised
 * without being encoded, and merely referred to.
 */
export class ListingBuilder {
  /** Entries so far. */
  entries = 0;
  private readonly cutter: ListingCutter;
  private readonly stage: Stage | undefined;
  private readonly sink: MetaSink;
  private readonly children: ListingChild[] = [];
  private readonly reused = new Set<number>();
  private changed = false;

  // The segment under construction. While it repeats one old segment from its beginning, only that is noted.
  private repeated: { row: ActiveSegment; segment: Segment } | undefined;
  private count = 0;
  private readonly writer = new SegmentWriter();

  /** @param stage undefined in dry runs: nothing is kept */
  constructor(cutter: ListingCutter, stage: Stage | undefined, sink: MetaSink) {
    this.cutter = cutter;
    this.stage = stage;
    this.sink = sink;
  }

  /** Adds an entry as it stands in the old listing. */
  carry(row: ActiveSegment, segment: Segment, position: number): void {
    // Within a segment that repeats an old one no cut is due: there was none in that either.
    const repeats = position > 0 && this.count === position && this.repeated?.segment === segment;
    if (!repeats) {
      this.cutBefore(segment.keys[position]);
      if (this.count === 0 && position === 0) this.repeated = { row, segment };
      else if (this.repeated !== undefined) this.unfold();
      if (this.repeated === undefined) this.writer.copy(segment, position);
    }
    this.count++;
    this.entries++;
  }

  /** Adds a new entry. */
  add(entry: Entry): void {
    this.cutBefore(entry.key);
    if (this.repeated !== undefined) this.unfold();
    this.writer.add(entry);
    this.count++;
    this.entries++;
  }

  /**
   * Closes the listing.
   * @param before root of the old listing, and its segments
   */
  finish(before: { root: ListingRoot; rows: readonly { rowid: number }[] } | undefined): ListingRoot {
    if (this.count > 0 || this.children.length === 0) this.close();
    const dropped = before?.rows.filter(({ rowid }) => !this.reused.has(rowid)) ?? [];
    for (const { rowid } of dropped) this.stage?.drop(rowid);
    if (before !== undefined && !this.changed && dropped.length === 0) return before.root;
    const tree = new ListingTreeBuilder(this.cutter, (bytes) => this.sink.put('listing', bytes));
    for (const child of this.children) tree.add(child);
    return tree.finish();
  }

  private cutBefore(key: ByteString): void {
    if (this.cutter.cutsBefore(key, this.count)) this.close();
  }

  private close(): void {
    const { repeated } = this;
    if (repeated !== undefined && repeated.segment.length === this.count) {
      this.reused.add(repeated.row.rowid);
      this.heal(repeated.row);
      this.children.push({ firstKey: repeated.row.firstKey, id: repeated.row.id, entries: this.count });
    } else {
      if (repeated !== undefined) this.unfold();
      const { firstKey } = this.writer;
      const bytes = this.writer.take();
      const id = this.sink.put('listing', bytes);
      this.stage?.put(firstKey, id, bytes);
      this.children.push({ firstKey, id, entries: this.count });
      this.changed = true;
    }
    this.repeated = undefined;
    this.count = 0;
  }

  /** What the store has lost of the old listing is put there again: the catalog has its bytes. */
  private heal(row: ActiveSegment): void {
    if (this.sink.has === undefined) return;
    // Nodes above may be lost too. Those that are not cost nothing to put again.
    this.changed = true;
    if (!this.sink.has(row.id)) this.sink.put('listing', row.bytes);
  }

  /** The segment turned out not to repeat the old one: takes over what was only noted. */
  private unfold(): void {
    if (this.repeated === undefined) return;
    const { segment } = this.repeated;
    for (let i = 0; i < this.count; i++) this.writer.copy(segment, i);
    this.repeated = undefined;
  }
}
