import type { Keyring } from '../../crypto/keyring.js';
import { FormatError } from '../../errors.js';
import { type ObjectCipher, ObjectKind, openSeal } from '../../format/object.js';
import { PACK_HEADER_LENGTH } from '../../format/pack.js';
import { Decompressor } from '../../format/zstd.js';
import { noteGarbage } from '../../platform/index.js';
import { type ObjectStore, objectPath, StoreError } from '../../store/index.js';
import { Scratch } from '../scratch.js';
import { type ExtractTask, FRAME_FIELDS, Frame } from './messages.js';

/** Frames of one pack that are read together: at most so many bytes, over gaps of at most so many. */
const EXTENT = 2 * 1024 * 1024;
const GAP = 128 * 1024;
/** So many of a task's extents are being read, or wait to be opened, at a time. */
const AHEAD = 2;
/** What is shorter than this is small memory, which is used again without our doing. */
const USED_AGAIN = 128 * 1024;
/** Memory that is kept for what is read and opened next: of so many pieces, and so many bytes for frames. */
const FREE_EXTENTS = 4;
const FREE_BYTES = 5 * 1024 * 1024;

/** Bytes of opened frames that are kept, since other units of the same or the next tasks may need them too. */
export const CACHE_BYTES = 6 * 1024 * 1024;
const CIPHERS = 256;

/** A frame that cannot be had. */
export class BadFrame extends Error {
  override readonly name = 'BadFrame';
}

/** A frame that was at hand when the task came, but had to make room since: it must be read again. */
export class FrameGone extends Error {
  override readonly name = 'FrameGone';
  readonly frame: number;

  constructor(frame: number) {
    super('a frame is not at hand any more');
    this.frame = frame;
  }
}

/** What a task needs of the store: its frames, sealed, as they arrive. */
export interface SealedFrames {
  /** Resolves when the frame has arrived, in whatever state; undefined when it is there already. */
  arrival(frame: number): Promise<void> | undefined;
  /** The frame's plain bytes, once it has arrived. Good until the next call. Throws BadFrame, FrameGone. */
  plain(frame: number): Uint8Array;
  /** Reads a frame that is gone; it stays until the task is done. */
  again(frame: number): Promise<void>;
  /** To be called when the task is done: what was read makes room for what others need. */
  release(): void;
}

/** Frames of a pack that are read at once. */
interface Extent {
  pack: string;
  offset: number;
  length: number;
  frames: number[];
  /** While it is being read. */
  arrival?: Promise<void>;
  /** What it was read to, if that is to be used again. */
  memory?: Uint8Array<ArrayBuffer>;
  /** Those of its frames that have not been opened yet. */
  closed: Set<number>;
}

/** What a task wants, and what of it is at hand. */
class Wanted {
  readonly task: ExtractTask;
  readonly sealed: (Uint8Array | BadFrame | undefined)[];
  readonly ciphers: (ObjectCipher | undefined)[];
  /** By frame; undefined for those that were open when the task came. */
  readonly extentOf: (Extent | undefined)[];
  /** Those that are not being read yet, in the order in which they will be needed. */
  readonly waiting: Set<Extent>;
  /** How many are being read, or are there and not all opened. */
  atHand = 0;
  /** All reads so far. */
  readonly all: Promise<void>[] = [];

  constructor(task: ExtractTask, extents: Extent[]) {
    const count = task.frames.length / FRAME_FIELDS;
    this.task = task;
    this.sealed = new Array<Uint8Array | BadFrame | undefined>(count);
    this.ciphers = new Array<ObjectCipher | undefined>(count);
    this.extentOf = new Array<Extent | undefined>(count);
    for (const extent of extents) for (const frame of extent.frames) this.extentOf[frame] = extent;
    this.waiting = new Set(extents);
  }

  /** Lets go of what was read, but not of what is known to be bad. */
  forget(extent: Extent): void {
    // Another task may have opened all of it before this one began to read it.
    if (!this.waiting.delete(extent)) this.atHand--;
    for (const frame of extent.frames) if (!(this.sealed[frame] instanceof BadFrame)) this.sealed[frame] = undefined;
  }
}

interface Plain {
  bytes: Uint8Array;
  /** Memory to be used again, at whose beginning they are. */
  memory: Uint8Array;
}

/** One worker's way to opened frames: reads them in few pieces, opens and decompresses each once if it can. */
export class FrameSource {
  private readonly store: ObjectStore;
  private readonly keyring: Keyring;
  private readonly decompressor = new Decompressor();
  private readonly ciphers = new Map<string, Promise<ObjectCipher>>();
  private readonly cache = new Map<string, Plain>();
  private readonly cacheBytes: number;
  private cachedBytes = 0;
  private readonly free: Uint8Array[] = [];
  private freeBytes = 0;
  /** Memory for sealed frames. */
  private readonly freeExtents: Uint8Array<ArrayBuffer>[] = [];
  /** What was opened last and is to be decompressed. */
  private readonly opened = new Scratch();

  /** @param cacheBytes how many bytes of opened frames to keep */
  constructor(store: ObjectStore, keyring: Keyring, cacheBytes: number) {
    this.store = store;
    this.keyring = keyring;
    this.cacheBytes = cacheBytes;
  }

  /** Begins to read the frames of a task. Rejects arrivals only when the store as a whole cannot be read. */
  request(task: ExtractTask): SealedFrames {
    const wanted = new Wanted(task, this.extents(task));
    const next = (): void => {
      while (wanted.atHand < AHEAD && wanted.waiting.size > 0) start(first(wanted.waiting));
    };
    const start = (extent: Extent): void => {
      wanted.waiting.delete(extent);
      wanted.atHand++;
      const memory = extent.length < USED_AGAIN ? undefined : this.extentMemory(extent.length);
      const arrival = this.fetch(extent, wanted, memory).finally(() => {
        extent.arrival = undefined;
        extent.memory = memory;
      });
      // Whoever needs the frame sees the failure; nobody may.
      arrival.catch(() => undefined);
      extent.arrival = arrival;
      wanted.all.push(arrival);
    };
    const done = (extent: Extent): void => {
      wanted.forget(extent);
      this.giveBack(extent);
      next();
    };
    next();
    return {
      arrival: (frame) => {
        const extent = wanted.extentOf[frame];
        if (extent !== undefined && wanted.waiting.has(extent)) start(extent);
        return extent?.arrival;
      },
      plain: (frame) => {
        const plain = this.plain(frame, wanted);
        const extent = wanted.extentOf[frame];
        // What was opened once is at hand as it is, for a while.
        if (extent?.closed.delete(frame) && extent.closed.size === 0) done(extent);
        return plain;
      },
      again: (frame) => this.fetch(extentOf(task, frame), wanted),
      release: () => {
        // A task that ends early still has reads under way.
        void Promise.allSettled(wanted.all).then(() => {
          for (const extent of wanted.extentOf) if (extent !== undefined) this.giveBack(extent);
        });
      },
    };
  }

  private plain(frame: number, { task, sealed, ciphers }: Wanted): Uint8Array {
    const key = keyOf(task, frame);
    const known = this.cache.get(key);
    if (known !== undefined) {
      this.cache.delete(key);
      this.cache.set(key, known);
      return known.bytes;
    }
    const bytes = sealed[frame];
    if (bytes instanceof BadFrame) throw bytes;
    const cipher = ciphers[frame];
    if (bytes === undefined || cipher === undefined) throw new FrameGone(frame);
    try {
      const plain = this.open(task, frame, cipher, bytes);
      this.remember(key, plain);
      return plain.bytes;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const bad = new BadFrame(`damaged in the store, ${describe(task, frame)}: ${error.message}`);
      sealed[frame] = bad;
      throw bad;
    }
  }

  private giveBack(extent: Extent): void {
    if (extent.memory !== undefined && this.freeExtents.length < FREE_EXTENTS) this.freeExtents.push(extent.memory);
    extent.memory = undefined;
  }

  private open(task: ExtractTask, frame: number, cipher: ObjectCipher, sealed: Uint8Array): Plain {
    const at = frame * FRAME_FIELDS;
    const number = task.frames[at + Frame.number];
    const length = task.frames[at + Frame.plainLength];
    const memory = this.memoryFor(length);
    const plain = memory.subarray(0, length);
    noteGarbage(sealed.length);
    if (task.frames[at + Frame.raw] === 1) {
      if (cipher.open(number, sealed, plain).length !== length)
        throw new FormatError('it has another length than its directory says');
    } else {
      const opened = cipher.open(number, sealed, this.opened.room(sealed.length));
      this.decompressor.decompressTo(plain, opened);
    }
    return { bytes: plain, memory };
  }

  private extentMemory(length: number): Uint8Array<ArrayBuffer> {
    const fitting = this.freeExtents.findIndex((memory) => memory.length >= length);
    return fitting < 0 ? new Uint8Array(Math.max(EXTENT, length)) : this.freeExtents.splice(fitting, 1)[0];
  }

  private memoryFor(length: number): Uint8Array {
    const fitting = this.free.findIndex((memory) => memory.length >= length);
    if (fitting >= 0) {
      const [memory] = this.free.splice(fitting, 1);
      this.freeBytes -= memory.length;
      return memory;
    }
    let size = LEAST_MEMORY;
    while (size < length) size *= 2;
    return new Uint8Array(size);
  }

  private remember(key: string, plain: Plain): void {
    this.cache.set(key, plain);
    this.cachedBytes += plain.bytes.length;
    for (const [oldest, old] of this.cache) {
      if (this.cachedBytes <= this.cacheBytes || old === plain) break;
      this.cache.delete(oldest);
      this.cachedBytes -= old.bytes.length;
      if (this.freeBytes + old.memory.length > FREE_BYTES) continue;
      this.free.push(old.memory);
      this.freeBytes += old.memory.length;
    }
  }

  /** The task's frames in pieces to be read at once; those that are open already are left out. */
  private extents(task: ExtractTask): Extent[] {
    const extents: Extent[] = [];
    let current: Extent | undefined;
    for (let frame = 0; frame * FRAME_FIELDS < task.frames.length; frame++) {
      if (this.cache.has(keyOf(task, frame))) continue;
      const at = frame * FRAME_FIELDS;
      const pack = task.packs[task.frames[at + Frame.pack]];
      const offset = task.frames[at + Frame.offset];
      const end = offset + task.frames[at + Frame.length];
      if (
        current !== undefined &&
        current.pack === pack &&
        offset - (current.offset + current.length) <= GAP &&
        offset >= current.offset + current.length &&
        end - current.offset <= EXTENT
      ) {
        current.length = end - current.offset;
        current.frames.push(frame);
        current.closed.add(frame);
      } else {
        current = { pack, offset, length: end - offset, frames: [frame], closed: new Set([frame]) };
        extents.push(current);
      }
    }
    return extents;
  }

  private async fetch(extent: Extent, wanted: Wanted, memory?: Uint8Array<ArrayBuffer>): Promise<void> {
    const { pack, offset, length, frames } = extent;
    const { task, sealed, ciphers } = wanted;
    try {
      const [opening, reading] = await Promise.allSettled([
        this.cipher(pack),
        this.store.readRange(objectPath('packs', pack), offset, length, memory),
      ]);
      // Both are over, whatever became of them: nothing writes to the memory any more when others get it.
      if (opening.status === 'rejected') throw opening.reason;
      if (reading.status === 'rejected') throw reading.reason;
      for (const frame of frames) {
        const start = task.frames[frame * FRAME_FIELDS + Frame.offset] - offset;
        sealed[frame] = reading.value.subarray(start, start + task.frames[frame * FRAME_FIELDS + Frame.length]);
        ciphers[frame] = opening.value;
      }
    } catch (error) {
      if (!this.concernsThePack(error)) throw error;
      // One bad spot must not take its neighbours along.
      if (frames.length > 1 && !(error instanceof StoreError && error.code === 'missing')) {
        for (const frame of frames) await this.fetch(extentOf(task, frame), wanted);
        return;
      }
      const why = error instanceof StoreError && error.code === 'missing' ? 'missing in' : 'cannot be read from';
      for (const frame of frames)
        sealed[frame] = new BadFrame(`${why} the store, ${describe(task, frame)}: ${(error as Error).message}`);
    }
  }

  /** Whether an error is about one pack, so that others may still be read. */
  private concernsThePack(error: unknown): boolean {
    if (error instanceof FormatError) return true;
    if (!(error instanceof StoreError)) return false;
    // A network that fails once fails for all; a disk may have a bad spot.
    const isLocal = this.store.kind === 'local';
    return error.code === 'missing' || error.code === 'short' || (isLocal && ['io', 'denied'].includes(error.code));
  }

  private cipher(pack: string): Promise<ObjectCipher> {
    const known = this.ciphers.get(pack);
    if (known !== undefined) return known;
    const opening = this.store
      .readRange(objectPath('packs', pack), 0, PACK_HEADER_LENGTH)
      .then((header) => openSeal(this.keyring, header, ObjectKind.pack, ObjectKind.metaPack));
    if (this.ciphers.size >= CIPHERS) {
      const [oldest] = this.ciphers.keys();
      this.ciphers.delete(oldest);
    }
    this.ciphers.set(pack, opening);
    opening.catch(() => this.ciphers.delete(pack));
    return opening;
  }
}

/** Memory for a frame is of this size, or twice, four times …, so that one frame's serves another. */
const LEAST_MEMORY = 1280 * 1024;

/** What has to be read for one frame. */
function extentOf(task: ExtractTask, frame: number): Extent {
  const at = frame * FRAME_FIELDS;
  return {
    pack: task.packs[task.frames[at + Frame.pack]],
    offset: task.frames[at + Frame.offset],
    length: task.frames[at + Frame.length],
    frames: [frame],
    closed: new Set([frame]),
  };
}

function first(extents: Set<Extent>): Extent {
  const [extent] = extents;
  return extent;
}

function keyOf(task: ExtractTask, frame: number): string {
  const at = frame * FRAME_FIELDS;
  return `${task.frames[at + Frame.number]} ${task.packs[task.frames[at + Frame.pack]]}`;
}

function describe(task: ExtractTask, frame: number): string {
  const at = frame * FRAME_FIELDS;
  return `frame ${task.frames[at + Frame.number]} of pack ${task.packs[task.frames[at + Frame.pack]]}`;
}
