import type { ByteString } from '../../bytes.js';
import { ScanEntry, type ScanItem } from '../../scan/index.js';
import { COLUMNS, KEY_END, MOUNT, ScanRows, TARGET_END } from './scan-rows.js';

/** Entries in a batch at most. */
const ROWS = 1024;
/** Room for their keys and link targets, bytes. */
const TEXT = 256 * 1024;
/** Batches that may wait to be read. */
const SLOTS = 16;
const SLOT_BYTES = ROWS * COLUMNS * 8 + TEXT;

// Words of the ring that both sides look at.
const TAKEN = 0;
const STOPPED = 1;

/** The memory that a scanning thread and the thread that reads it share. */
export interface ScanRing {
  readonly words: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

/** What is said of a batch that has been written. */
export interface ScanBatch {
  /** Number of the batch, from 0. */
  number: number;
  rows: number;
  /** Mount keys that were not met before. */
  mounts: ByteString[];
  /** What is no entry, or too long for the slot, and how many rows come before it. */
  others: { before: number; item: ScanItem }[];
}

/** A ring for one scan. */
export function newRing(): ScanRing {
  return { words: new SharedArrayBuffer(8), slots: new SharedArrayBuffer(SLOTS * SLOT_BYTES) };
}

class Slot {
  readonly facts: Float64Array;
  readonly text: Buffer;

  constructor(ring: ScanRing, number: number) {
    const from = (number % SLOTS) * SLOT_BYTES;
    this.facts = new Float64Array(ring.slots, from, ROWS * COLUMNS);
    this.text = Buffer.from(ring.slots, from + ROWS * COLUMNS * 8, TEXT);
  }
}

/** Writes a scan's items into the ring, batch by batch. It waits, without an event loop, while the ring is full. */
export class BatchWriter {
  private readonly ring: ScanRing;
  private readonly words: Int32Array;
  private readonly post: (batch: ScanBatch) => void;
  private readonly mounts = new Map<ByteString, number>();
  private batch: ScanBatch = { number: 0, rows: 0, mounts: [], others: [] };
  private slot: Slot;
  private used = 0;

  constructor(ring: ScanRing, post: (batch: ScanBatch) => void) {
    this.ring = ring;
    this.words = new Int32Array(ring.words);
    this.post = post;
    this.slot = new Slot(ring, 0);
  }

  /** Adds an item. @returns false when nobody wants more */
  add(item: ScanItem): boolean {
    const { batch } = this;
    if (item.kind !== 'entry' || item.key.length + (item.target?.length ?? 0) > TEXT) {
      batch.others.push({ before: batch.rows, item });
      return batch.others.length < ROWS || this.flush();
    }
    const { key, target } = item;
    if (this.used + key.length + (target?.length ?? 0) > TEXT && !this.flush()) return false;
    this.write(item, key, target);
    return this.batch.rows < ROWS || this.flush();
  }

  /** Hands over what has been added. @returns false when nobody wants more */
  flush(): boolean {
    this.post(this.batch);
    const number = this.batch.number + 1;
    this.batch = { number, rows: 0, mounts: [], others: [] };
    this.slot = new Slot(this.ring, number);
    this.used = 0;
    const { words } = this;
    for (;;) {
      if (Atomics.load(words, STOPPED) !== 0) return false;
      const taken = Atomics.load(words, TAKEN);
      if (number - taken < SLOTS) return true;
      Atomics.wait(words, TAKEN, taken);
    }
  }

  private write(item: ScanEntry, key: ByteString, target: ByteString | undefined): void {
    const { batch, slot } = this;
    const at = batch.rows++ * COLUMNS;
    item.writeFacts(slot.facts, at);
    this.used += slot.text.latin1Write(key, this.used);
    slot.facts[at + KEY_END] = this.used;
    if (target !== undefined) this.used += slot.text.latin1Write(target, this.used);
    slot.facts[at + TARGET_END] = target === undefined ? 0 : this.used;
    let mount = this.mounts.get(item.mountKey);
    if (mount === undefined) {
      mount = this.mounts.size;
      this.mounts.set(item.mountKey, mount);
      batch.mounts.push(item.mountKey);
    }
    slot.facts[at + MOUNT] = mount;
  }
}

/** Reads what a `BatchWriter` has written, in its order. */
export class BatchReader {
  private readonly ring: ScanRing;
  private readonly words: Int32Array;
  private readonly mounts: ByteString[] = [];

  constructor(ring: ScanRing) {
    this.ring = ring;
    this.words = new Int32Array(ring.words);
  }

  /** The items of the next batch. They are to be taken before `free`. */
  read(batch: ScanBatch): ScanRows {
    const { facts, text } = new Slot(this.ring, batch.number);
    this.mounts.push(...batch.mounts);
    const others = batch.others.map(({ before, item }) => ({ before, item: revived(item) }));
    return new ScanRows({ facts, text, count: batch.rows, mounts: this.mounts, others });
  }

  /** Frees the slot of the batch that was read last. */
  free(): void {
    Atomics.add(this.words, TAKEN, 1);
    Atomics.notify(this.words, TAKEN);
  }

  /** Has the writer stop. */
  stop(): void {
    Atomics.store(this.words, STOPPED, 1);
    // It may wait for room: that there is none any more must not keep it.
    Atomics.add(this.words, TAKEN, 1);
    Atomics.notify(this.words, TAKEN);
  }
}

/** An entry that was copied between threads has lost its class. */
function revived(item: ScanItem): ScanItem {
  if (item.kind !== 'entry') return item;
  return Object.assign(Object.create(ScanEntry.prototype), item);
}
