import { ID_LENGTH } from '../../format/entry.js';

/**
 * Which blobs are known: a hash table in shared memory that the main thread fills and every worker reads and extends.
 *
 * A slot is two 32-bit words: the blob's number + 1 (0: free, -1: being written) and bytes 4 to 7 of its id, whose bytes
 * 0 to 3 say where its slot is looked for. Others may have the same, so a hit is confirmed against the whole id: ids of
 * blobs that were known when the table was made are read from a flat file, ids claimed since then lie in shared memory. A
 * slot's number is published last, by an atomic store, after its id is in place; so whoever sees a number sees the id.
 *
 * The table grows by levels, each twice as large as the one before. Workers insert into the newest level they know of.
 * Two workers with different newest levels may both claim one id; it is then stored twice, which costs space only.
 */
export interface SharedClaims {
  levels: SharedArrayBuffer[];
  /** [next new number, ids inserted into the newest level] as 32-bit integers. */
  control: SharedArrayBuffer;
  /** Ids of blobs numbered from `known` on. Grows in place. */
  newIds: SharedArrayBuffer;
  /** Blobs numbered below this have their ids in the flat file. */
  known: number;
}

const SLOT_WORDS = 2;
const BUSY = -1;
const NEXT = 0;
const MAX_NEW_IDS_BYTES = 2 ** 31;
const GROW_STEP = 1 << 20;
/** So many threads may claim a blob at once, and find room for its id. */
const AT_ONCE = 64;

/** The result of a claim: the blob's number, and whether this call was the one that claimed it. */
export interface Claim {
  number: number;
  isNew: boolean;
}

/** Gives the id of a known blob by its number, into `out`. */
export type KnownIdReader = (number: number, out: Uint8Array) => void;

/**
 * Room for `blobs` known blobs and about `more` further ones.
 * @param maxNewIds bytes of ids that can be claimed; blobs beyond (some 89 million) are stored without being findable
 */
export function createClaims(blobs: number, more: number, maxNewIds = MAX_NEW_IDS_BYTES): SharedClaims {
  const claims: SharedClaims = {
    levels: [createLevel(blobs + more)],
    control: new SharedArrayBuffer(8),
    newIds: new SharedArrayBuffer(Math.min(GROW_STEP, maxNewIds), { maxByteLength: maxNewIds }),
    known: blobs,
  };
  new Int32Array(claims.control)[NEXT] = blobs;
  return claims;
}

function createLevel(entries: number): SharedArrayBuffer {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1024, entries * 1.6)));
  return new SharedArrayBuffer(slots * SLOT_WORDS * 4);
}

/** One thread's view of the shared table. */
export class ClaimTable {
  readonly shared: SharedClaims;
  private readonly levels: Int32Array[] = [];
  private readonly control: Int32Array;
  /** What there was of `newIds` when this thread last looked: a view that follows its length is asked for it each time. */
  private newIds: Uint8Array;
  private readonly readKnown: KnownIdReader;
  private readonly scratch = new Uint8Array(ID_LENGTH);

  constructor(shared: SharedClaims, readKnown: KnownIdReader) {
    this.shared = shared;
    this.control = new Int32Array(shared.control);
    this.newIds = viewOf(shared.newIds);
    this.readKnown = readKnown;
    this.adopt(shared.levels);
  }

  /** Takes over levels that another thread has added. */
  adopt(levels: SharedArrayBuffer[]): void {
    for (let i = this.levels.length; i < levels.length; i++) this.levels.push(new Int32Array(levels[i]));
  }

  /** Number of the next blob to be claimed: known blobs plus those claimed so far. */
  get next(): number {
    return Atomics.load(this.control, NEXT);
  }

  /** Adds a level when the newest one fills up. Called by the main thread between batches. */
  growIfNeeded(): void {
    const newest = this.levels[this.levels.length - 1].length / SLOT_WORDS;
    const inserted = Atomics.load(this.control, 1);
    if (inserted < newest * 0.4) return;
    const level = new SharedArrayBuffer(newest * 2 * SLOT_WORDS * 4);
    this.shared.levels.push(level);
    this.levels.push(new Int32Array(level));
    Atomics.store(this.control, 1, 0);
  }

  /**
   * Puts known blobs into the table while no other thread uses it. The first of equal ids stays.
   * @param ids one after the other
   * @param first number of the first of them
   */
  load(ids: Uint8Array, first: number): void {
    const [level] = this.levels;
    const mask = level.length / SLOT_WORDS - 1;
    const count = ids.length / ID_LENGTH;
    // After the loop it would have it optimised anew for each pack: V8 does not optimise what has not run yet.
    this.control[1] += count;
    for (let i = 0; i < count; i++) {
      const low = word(ids, i * ID_LENGTH);
      let slot = low & mask;
      while (level[slot * SLOT_WORDS] !== 0) slot = (slot + 1) & mask;
      level[slot * SLOT_WORDS] = first + i + 1;
      level[slot * SLOT_WORDS + 1] = word(ids, i * ID_LENGTH + 4);
    }
  }

  /** Number of the blob with the id at this place, or -1. */
  find(ids: Uint8Array, at: number): number {
    const low = word(ids, at);
    const high = word(ids, at + 4);
    for (let l = this.levels.length - 1; l >= 0; l--) {
      const number = this.findIn(this.levels[l], low, high, ids, at);
      if (number >= 0) return number;
    }
    return -1;
  }

  /** Numbers of all blobs with the id at this place: the same blob may have been stored more than once. */
  findAll(ids: Uint8Array, at: number): number[] {
    const low = word(ids, at);
    const high = word(ids, at + 4);
    const numbers: number[] = [];
    for (const level of this.levels) {
      const mask = level.length / SLOT_WORDS - 1;
      for (let slot = low & mask, probes = 0; probes <= mask; slot = (slot + 1) & mask, probes++) {
        const w = slot * SLOT_WORDS;
        const value = settled(level, w);
        if (value === 0) break;
        if (level[w + 1] === high && this.hasId(value - 1, ids, at)) numbers.push(value - 1);
      }
    }
    return numbers;
  }

  /** Finds the blob with the id at this place, or claims it: then the caller must store it. */
  claim(ids: Uint8Array, at: number, result: Claim): void {
    const low = word(ids, at);
    const high = word(ids, at + 4);
    for (let l = this.levels.length - 2; l >= 0; l--) {
      const number = this.findIn(this.levels[l], low, high, ids, at);
      if (number >= 0) {
        result.number = number;
        result.isNew = false;
        return;
      }
    }
    this.claimIn(this.levels[this.levels.length - 1], low, high, ids, at, result);
  }

  private findIn(level: Int32Array, low: number, high: number, ids: Uint8Array, at: number): number {
    const mask = level.length / SLOT_WORDS - 1;
    for (let slot = low & mask, probes = 0; probes <= mask; slot = (slot + 1) & mask, probes++) {
      const w = slot * SLOT_WORDS;
      const value = settled(level, w);
      if (value === 0) return -1;
      if (level[w + 1] === high && this.hasId(value - 1, ids, at)) return value - 1;
    }
    return -1;
  }

  private claimIn(level: Int32Array, low: number, high: number, ids: Uint8Array, at: number, result: Claim): void {
    const mask = level.length / SLOT_WORDS - 1;
    for (let slot = low & mask, probes = 0; probes <= mask; slot = (slot + 1) & mask, probes++) {
      const w = slot * SLOT_WORDS;
      let value = settled(level, w);
      if (value === 0) {
        if (!this.hasRoom()) break;
        if (Atomics.compareExchange(level, w, 0, BUSY) === 0) {
          const number = this.takeNumber(ids, at);
          level[w + 1] = high;
          Atomics.store(level, w, number + 1);
          Atomics.add(this.control, 1, 1);
          result.number = number;
          result.isNew = true;
          return;
        }
        value = settled(level, w);
      }
      if (level[w + 1] === high && this.hasId(value - 1, ids, at)) {
        result.number = value - 1;
        result.isNew = false;
        return;
      }
    }
    // The level is full, or there is no room for more ids: the blob is stored without being findable.
    result.number = Atomics.add(this.control, NEXT, 1);
    result.isNew = true;
  }

  /** Whether each thread can claim one more blob. Asked before a slot is taken, for which others would wait for ever. */
  private hasRoom(): boolean {
    const claimed = Atomics.load(this.control, NEXT) - this.shared.known;
    return (claimed + AT_ONCE) * ID_LENGTH <= this.shared.newIds.maxByteLength;
  }

  private takeNumber(ids: Uint8Array, at: number): number {
    const number = Atomics.add(this.control, NEXT, 1);
    const offset = (number - this.shared.known) * ID_LENGTH;
    const known = this.idsUpTo(offset + ID_LENGTH);
    for (let i = 0; i < ID_LENGTH; i++) known[offset + i] = ids[at + i];
    return number;
  }

  /** Ids claimed since the table was made, with room for so many bytes of them. */
  private idsUpTo(size: number): Uint8Array {
    if (this.newIds.length < size) {
      growTo(this.shared.newIds, size);
      this.newIds = viewOf(this.shared.newIds);
    }
    return this.newIds;
  }

  private hasId(number: number, ids: Uint8Array, at: number): boolean {
    if (number >= this.shared.known) {
      const offset = (number - this.shared.known) * ID_LENGTH;
      const known = this.idsUpTo(offset + ID_LENGTH);
      for (let i = 0; i < ID_LENGTH; i++) if (known[offset + i] !== ids[at + i]) return false;
      return true;
    }
    this.readKnown(number, this.scratch);
    for (let i = 0; i < ID_LENGTH; i++) if (this.scratch[i] !== ids[at + i]) return false;
    return true;
  }
}

/** The slot's value once no thread is writing it. The writer needs some nanoseconds, so waiting is spinning. */
function settled(level: Int32Array, at: number): number {
  let value = Atomics.load(level, at);
  while (value === BUSY) value = Atomics.load(level, at);
  return value;
}

function viewOf(buffer: SharedArrayBuffer): Uint8Array {
  return new Uint8Array(buffer, 0, buffer.byteLength);
}

function growTo(buffer: SharedArrayBuffer, size: number): void {
  while (buffer.byteLength < size) {
    try {
      buffer.grow(Math.min(buffer.maxByteLength, buffer.byteLength + GROW_STEP));
    } catch (error) {
      // Another thread may have grown it further in between, which shows as a size to shrink to.
      if (buffer.byteLength < size && buffer.byteLength === buffer.maxByteLength) throw error;
    }
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
