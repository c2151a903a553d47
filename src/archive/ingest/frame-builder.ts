import { ID_LENGTH } from '../../format/entry.js';
import type { Compressor } from '../../format/zstd.js';
import type { FramePayload } from './pack-writer.js';

/** Blobs are gathered until their plain bytes reach this; it is what one damaged bit can cost. */
export const FRAME_TARGET = 1024 * 1024;

/** Compressing must save at least 1/32 to be worth decompressing. */
const WORTH = 31 / 32;

/** Gathers blobs into frames and hands each full frame, compressed where that helps, to `emit`. */
export class FrameBuilder {
  private buffer: Uint8Array;
  private used = 0;
  private ids = new Uint8Array(64 * ID_LENGTH);
  private lengths: number[] = [];
  private readonly compressor: Compressor | undefined;
  private readonly emit: (frame: FramePayload) => void;

  /**
   * @param compressor undefined: everything is stored raw
   * @param emit must have used `frame.data` up when it returns; the memory is used again
   */
  constructor(compressor: Compressor | undefined, emit: (frame: FramePayload) => void) {
    this.compressor = compressor;
    this.emit = emit;
    this.buffer = new Uint8Array(FRAME_TARGET + 256 * 1024);
  }

  /** Adds the blob in source[start, end) with the id in ids[at, at + 24). */
  add(source: Uint8Array, start: number, end: number, ids: Uint8Array, at: number): void {
    const length = end - start;
    if (this.used > 0 && this.used + length > this.buffer.length) this.flush();
    this.pushId(ids, at);
    this.lengths.push(length);
    if (length >= FRAME_TARGET && this.used === 0) {
      this.emitFrame(source.subarray(start, end));
      return;
    }
    if (length > this.buffer.length) this.buffer = new Uint8Array(length);
    this.buffer.set(source.subarray(start, end), this.used);
    this.used += length;
    if (this.used >= FRAME_TARGET) this.flush();
  }

  /** Emits what has been gathered, if anything. */
  flush(): void {
    if (this.lengths.length > 0) this.emitFrame(this.buffer.subarray(0, this.used));
  }

  private emitFrame(plain: Uint8Array): void {
    const count = this.lengths.length;
    const compressed = this.compressor?.compress(plain, count);
    const raw = compressed === undefined || compressed.length > plain.length * WORTH;
    this.emit({
      data: raw ? plain : compressed,
      raw,
      ids: this.ids.slice(0, count * ID_LENGTH),
      lengths: Uint32Array.from(this.lengths),
    });
    this.used = 0;
    this.lengths = [];
  }

  private pushId(ids: Uint8Array, at: number): void {
    const to = this.lengths.length * ID_LENGTH;
    if (to + ID_LENGTH > this.ids.length) {
      const larger = new Uint8Array(this.ids.length * 2);
      larger.set(this.ids);
      this.ids = larger;
    }
    for (let i = 0; i < ID_LENGTH; i++) this.ids[to + i] = ids[at + i];
  }
}
