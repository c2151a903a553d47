import type { ByteString } from '../../bytes.js';
import type { ActiveSegment, CarriedStretch, Stage } from '../../catalog/index.js';
import type { Entry } from '../../format/entry.js';
import { type ListingChild, type ListingCutter, type ListingRoot, ListingTreeBuilder } from '../../format/listing.js';
import { type Segment, SegmentWriter } from '../../format/segment.js';

/** Where new metadata blobs go. */
export interface MetaSink {
  put(kind: 'listing', bytes: Uint8Array): Uint8Array;
  /** Whether a segment of the old listing is still in the store; undefined when nothing is missing there. */
  has?: (id: Uint8Array) => boolean;
}

/** Where the old listing has an entry. */
export interface OldPlace {
  row: ActiveSegment;
  segment: Segment;
  position: number;
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

  /** Entries in the segment under construction. */
  private count = 0;
  /** The old segment with whose first paths it begins: it is cut where that was. */
  private along: { row: ActiveSegment; segment: Segment } | undefined;
  /** Whether its entries, too, are those of that segment: then only their number is noted. */
  private repeats = false;
  private readonly writer = new SegmentWriter();
  private carried: CarriedStretch[] = [];

  /** @param stage undefined in dry runs: nothing is kept */
  constructor(cutter: ListingCutter, stage: Stage | undefined, sink: MetaSink) {
    this.cutter = cutter;
    this.stage = stage;
    this.sink = sink;
  }

  /** Adds entries as they stand in a segment of the old listing, from `from` to `to`. */
  carry(row: ActiveSegment, segment: Segment, from: number, to: number): void {
    this.entries += to - from;
    let at = from;
    while (at < to) {
      const end = this.isAlong(segment, at) ? to : this.begin(row, segment, at, to);
      if (!this.repeats) this.copy(row, segment, at, end, this.count);
      this.count += end - at;
      at = end;
    }
  }

  /**
   * Adds a new entry.
   * @param place where the old listing has one with this key
   */
  add(entry: Entry, place: OldPlace | undefined): void {
    if (place === undefined || !this.isAlong(place.segment, place.position)) {
      this.cutBefore(entry.key);
      const isFirst = this.count === 0 && place?.position === 0;
      this.leave();
      if (isFirst) this.along = place;
    }
    this.unfold();
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

  /** Whether an entry is the next one of the old segment that the new one runs along: no cut is due, there was none. */
  private isAlong(segment: Segment, position: number): boolean {
    return position > 0 && this.count === position && this.along?.segment === segment;
  }

  /**
   * Cuts before an old entry if need be.
   * @returns up to which entry there is no other cut
   */
  private begin(row: ActiveSegment, segment: Segment, at: number, to: number): number {
    this.cutBefore(at === 0 ? row.firstKey : segment.keys[at]);
    if (this.count === 0 && at === 0) {
      this.along = { row, segment };
      this.repeats = true;
      return to;
    }
    this.leave();
    let end = at + 1;
    while (end < to && !this.cutter.cutsBefore(segment.keys[end], this.count + end - at)) end++;
    return end;
  }

  private cutBefore(key: ByteString): void {
    if (this.cutter.cutsBefore(key, this.count)) this.close();
  }

  private close(): void {
    const { along } = this;
    if (along !== undefined && this.repeats && along.segment.length === this.count) {
      this.reused.add(along.row.rowid);
      this.heal(along.row);
      this.children.push({ firstKey: along.row.firstKey, id: along.row.id, entries: this.count });
    } else {
      this.unfold();
      const { firstKey, totals } = this.writer;
      const bytes = this.writer.take();
      const id = this.sink.put('listing', bytes);
      this.stage?.put(firstKey, id, bytes, { totals, carried: this.carried });
      this.children.push({ firstKey, id, entries: this.count });
      this.changed = true;
    }
    this.along = undefined;
    this.repeats = false;
    this.carried = [];
    this.count = 0;
  }

  /** Copies old entries, which are the new segment's from `at` on. */
  private copy({ rowid }: ActiveSegment, segment: Segment, from: number, to: number, at: number): void {
    this.writer.copy(segment, from, to);
    const last = this.carried.at(-1);
    const goesOn = last?.segment === rowid && last.position + last.count === from && last.at + last.count === at;
    if (goesOn) last.count += to - from;
    else this.carried.push({ at, segment: rowid, position: from, count: to - from });
  }

  /** What the store has lost of the old listing is put there again: the catalog has its bytes. */
  private heal(row: ActiveSegment): void {
    if (this.sink.has === undefined) return;
    // Nodes above may be lost too. Those that are not cost nothing to put again.
    this.changed = true;
    if (!this.sink.has(row.id)) this.sink.put('listing', row.bytes);
  }

  /** The paths turned out not to be those of the old segment. */
  private leave(): void {
    this.unfold();
    this.along = undefined;
  }

  /** The entries turned out not to repeat the old segment: takes over what was only noted. */
  private unfold(): void {
    if (!this.repeats || this.along === undefined) return;
    const { row, segment } = this.along;
    this.copy(row, segment, 0, this.count, 0);
    this.repeats = false;
  }
}
