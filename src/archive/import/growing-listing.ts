import type { ByteString } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import { type ListingCutter, type ListingRoot, ListingTreeBuilder } from '../../format/listing.js';
import { encodeSegment } from '../../format/segment.js';

/** What becomes of paths: their new entry, or undefined where there is nothing any more. */
export type Changes = ReadonlyMap<ByteString, Entry | undefined>;

interface Cell {
  firstKey: ByteString;
  id: Uint8Array;
  entries: Entry[];
}

/**
 * A listing in memory that changes from snapshot to snapshot. It comes out as if it were built anew each time, but only
 * the segments near a change are cut and encoded again: an archive may hold the states of thousands of backups.
 */
export class GrowingListing {
  private readonly cutter: ListingCutter;
  private readonly put: (bytes: Uint8Array) => Uint8Array;
  private cells: Cell[] = [];

  /** @param put stores a segment or node and returns its id */
  constructor(cutter: ListingCutter, put: (bytes: Uint8Array) => Uint8Array) {
    this.cutter = cutter;
    this.put = put;
  }

  /** Makes all these changes. */
  apply(changes: Changes): void {
    const old = this.cells;
    const keys = [...changes.keys()].sort();
    const cells: Cell[] = [];
    let next = 0;
    for (let i = 0; i < old.length; ) {
      if (this.isTouched(old, i, keys[next], changes)) {
        const recut = new Recut(this.cutter, this.put, cells);
        ({ cell: i, change: next } = recut.run(old, i, keys, next, changes));
      } else cells.push(old[i++]);
    }
    if (next < keys.length) new Recut(this.cutter, this.put, cells).run(old, old.length, keys, next, changes);
    this.cells = cells;
  }

  /** Stores what is new of the listing as it is now, and names it. */
  finish(): { root: ListingRoot; segments: { firstKey: ByteString; id: Uint8Array }[] } {
    if (this.cells.length === 0) this.cells = [{ firstKey: '', id: this.put(encodeSegment([])), entries: [] }];
    const tree = new ListingTreeBuilder(this.cutter, this.put);
    for (const { firstKey, id, entries } of this.cells) tree.add({ firstKey, id, entries: entries.length });
    return { root: tree.finish(), segments: this.cells.map(({ firstKey, id }) => ({ firstKey, id })) };
  }

  /** Whether the next change is in this cell, or takes away the key before which it ends. */
  private isTouched(cells: readonly Cell[], i: number, key: ByteString | undefined, changes: Changes): boolean {
    if (key === undefined) return false;
    const end = cells[i + 1]?.firstKey;
    return end === undefined || key < end || (key === end && changes.get(key) === undefined);
  }
}

/** Cuts anew from the beginning of a cell on, until a cut falls where there was one before. */
class Recut {
  private readonly cutter: ListingCutter;
  private readonly put: (bytes: Uint8Array) => Uint8Array;
  private readonly cells: Cell[];
  private open: Entry[] = [];

  constructor(cutter: ListingCutter, put: (bytes: Uint8Array) => Uint8Array, cells: Cell[]) {
    this.cutter = cutter;
    this.put = put;
    this.cells = cells;
  }

  /** @returns the cell and the change that come next */
  run(
    old: readonly Cell[],
    cell: number,
    keys: readonly ByteString[],
    change: number,
    changes: Changes,
  ): { cell: number; change: number } {
    const addBefore = (end: ByteString | undefined) => {
      for (; change < keys.length && (end === undefined || keys[change] < end); change++) {
        const entry = changes.get(keys[change]);
        if (entry !== undefined) this.add(entry);
      }
    };
    for (let i = cell; i < old.length; i++) {
      for (const [at, entry] of old[i].entries.entries()) {
        addBefore(entry.key);
        const changed = keys[change] === entry.key;
        const now = changed ? changes.get(entry.key) : entry;
        if (now === undefined) {
          change++;
          continue;
        }
        if (at === 0 && i > cell && this.cutter.cutsBefore(now.key, this.open.length)) {
          this.close();
          return { cell: i, change };
        }
        if (changed) change++;
        this.add(now);
      }
    }
    addBefore(undefined);
    this.close();
    return { cell: old.length, change };
  }

  private add(entry: Entry): void {
    if (this.cutter.cutsBefore(entry.key, this.open.length)) this.close();
    this.open.push(entry);
  }

  private close(): void {
    if (this.open.length === 0) return;
    this.cells.push({ firstKey: this.open[0].key, id: this.put(encodeSegment(this.open)), entries: this.open });
    this.open = [];
  }
}
