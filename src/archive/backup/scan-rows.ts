import type { ByteString } from '../../bytes.js';
import { FACTS, ScanEntry, type ScanItem } from '../../scan/index.js';

// A row has an entry's facts, and beside them: where its key ends and its target ends (0: it has none), and its mount
// key's number.
export const KEY_END = FACTS;
export const TARGET_END = FACTS + 1;
export const MOUNT = FACTS + 2;
export const COLUMNS = FACTS + 3;

/** Items of a scan, to be taken one after the other. */
export interface ScanItems {
  readonly done: boolean;
  next(): ScanItem;
}

/** An array of items. */
export class ListedItems implements ScanItems {
  private readonly items: readonly ScanItem[];
  private taken = 0;

  constructor(items: readonly ScanItem[]) {
    this.items = items;
  }

  get done(): boolean {
    return this.taken === this.items.length;
  }

  next(): ScanItem {
    return this.items[this.taken++];
  }
}

/** Items of which entries are rows of numbers, which can be looked at without making objects of them. */
export class ScanRows implements ScanItems {
  readonly facts: Float64Array;
  /** Keys and targets, one after the other. */
  readonly text: Buffer;
  /** Where the facts of the next row begin, and the bytes of its key. */
  at = 0;
  keyFrom = 0;
  private readonly count: number;
  private readonly mounts: readonly ByteString[];
  private readonly others: readonly { before: number; item: ScanItem }[];
  private row = 0;
  private other = 0;

  /** @param parts `others` are items that are no rows, each with how many rows come before it */
  constructor(parts: {
    facts: Float64Array;
    text: Buffer;
    count: number;
    mounts: readonly ByteString[];
    others: readonly { before: number; item: ScanItem }[];
  }) {
    this.facts = parts.facts;
    this.text = parts.text;
    this.count = parts.count;
    this.mounts = parts.mounts;
    this.others = parts.others;
  }

  get done(): boolean {
    return this.row === this.count && this.other === this.others.length;
  }

  /** How many rows come before the next item that is none. */
  get rowsAhead(): number {
    const { other, others } = this;
    return (other < others.length ? others[other].before : this.count) - this.row;
  }

  get keyEnd(): number {
    return this.facts[this.at + KEY_END];
  }

  next(): ScanItem {
    if (this.rowsAhead === 0) return this.others[this.other++].item;
    const { facts, at, keyFrom, keyEnd, text } = this;
    const key = text.latin1Slice(keyFrom, keyEnd);
    const targetEnd = facts[at + TARGET_END];
    const target = targetEnd === 0 ? undefined : text.latin1Slice(keyEnd, targetEnd);
    const mountKey = this.mounts[facts[at + MOUNT]];
    this.pass();
    return new ScanEntry(key, facts, at, mountKey, target);
  }

  /** Passes over the next row, which there must be. */
  pass(): void {
    const { facts, at } = this;
    this.keyFrom = facts[at + TARGET_END] || facts[at + KEY_END];
    this.at += COLUMNS;
    this.row++;
  }
}
