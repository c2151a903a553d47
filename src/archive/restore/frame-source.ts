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
/** Memory that is kept for what is read and opened next: of so many pieces, and so many bytes for frames. */
const FREE_EXTENTS = 2;
const FREE_BYTES = 4 * 1024 * 1024;

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

interface Extent {
  pack: string;
  offset: number;
  length: number;
  frames: number[];
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
    const count = task.frames.length / FRAME_FIELDS;
    const sealed = new Array<Uint8Array | BadFrame | undefined>(count);
    const ciphers = new Array<ObjectCipher | undefined>(count);
    const arrivals = new Array<Promise<void> | undefined>(count);
    const all: Promise<void>[] = [];
    const memories: Uint8Array<ArrayBuffer>[] = [];
    for (const extent of this.extents(task)) {
      const memory = extent.length < EXTENT / 2 ? undefined : this.extentMemory(extent.length);
      if (memory !== undefined) memories.push(memory);
      const arrival = this.fetch(extent, task, sealed, ciphers, memory).finally(() => {
        for (const frame of extent.frames) arrivals[frame] = undefined;
      });
      // Whoever needs the frame sees the failure; nobody may.
      arrival.catch(() => undefined);
      all.push(arrival);
      for (const frame of extent.frames) arrivals[frame] = arrival;
    }
    return {
      arrival: (frame) => arrivals[frame],
      plain: (frame) => this.plain(task, frame, sealed, ciphers),
      again: (frame) => this.fetch(extentOf(task, frame), task, sealed, ciphers),
      release: () => {
        // A task that ends early still has reads under way.
        void Promise.allSettled(all).then(() => {
          for (const memory of memories) if (this.freeExtents.length < FREE_EXTENTS) this.freeExtents.push(memory);
        });
      },
    };
  }

  private plain(
    task: ExtractTask,
    frame: number,
    sealed: (Uint8Array | BadFrame | undefined)[],
    ciphers: (ObjectCipher | undefined)[],
  ): Uint8Array {
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
    return this.freeExtents.pop() ?? new Uint8Array(Math.max(EXTENT, length));
  }

  private memoryFor(length: number): Uint8Array {
    const fitting = this.free.findIndex((memory) => memory.length >= length);
    if (fitting >= 0) {
      const [memory] = this.free.splice(fitting, 1);
      this.freeBytes -= memory.length;
      return memory;
    }
    return new Uint8Array(Math.max(Math.ceil(length / MEMORY_STEP), 5) * MEMORY_STEP);
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
      } else {
        current = { pack, offset, length: end - offset, frames: [frame] };
        extents.push(current);
      }
    }
    return extents;
  }

  private async fetch(
    extent: Extent,
    task: ExtractTask,
    sealed: (Uint8Array | BadFrame | undefined)[],
    ciphers: (ObjectCipher | undefined)[],
    memory?: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { pack, offset, length, frames } = extent;
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
        for (const frame of frames) await this.fetch(extentOf(task, frame), task, sealed, ciphers);
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

/** Memory comes in multiples of this, so that one frame's serves another. */
const MEMORY_STEP = 256 * 1024;

/** What has to be read for one frame. */
function extentOf(task: ExtractTask, frame: number): Extent {
  const at = frame * FRAME_FIELDS;
  return {
    pack: task.packs[task.frames[at + Frame.pack]],
    offset: task.frames[at + Frame.offset],
    length: task.frames[at + Frame.length],
    frames: [frame],
  };
}

function keyOf(task: ExtractTask, frame: number): string {
  const at = frame * FRAME_FIELDS;
  return `${task.frames[at + Frame.number]} ${task.packs[task.frames[at + Frame.pack]]}`;
}

function describe(task: ExtractTask, frame: number): string {
  const at = frame * FRAME_FIELDS;
  return `frame ${task.frames[at + Frame.number]} of pack ${task.packs[task.frames[at + Frame.pack]]}`;
}
