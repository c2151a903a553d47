/** The least that is taken: most frames fit. */
const LEAST = 2 * 1024 * 1024;

/**
 * Memory for one thing at a time, such as a frame, that the next one uses again: new memory costs the kernel clearing its
 * pages, which for large buffers takes longer than filling them.
 */
export class Scratch {
  private memory = new Uint8Array(0);

  /** Room for so many bytes, with whatever is in it; what was given out before is overwritten. */
  room(length: number): Uint8Array<ArrayBuffer> {
    if (this.memory.length < length) this.memory = new Uint8Array(Math.max(length, LEAST));
    return this.memory.subarray(0, length);
  }
}
