import { wasmBytes } from './generated/wasm-bytes.js';
import { type ChunkerParams, checkGear, checkParams, cutBits, GEAR_BYTES, WINDOW } from './params.js';

/** A stretch of the buffer to be cut. */
export interface Stretch {
  /** Where a chunk begins. */
  start: number;
  /** Where the bytes read so far end. */
  end: number;
  /** How many bytes of the first chunk an earlier call had that did not find its end; they are not searched again. */
  scanned: number;
  /** Whether the data ends at `end`. */
  eof: boolean;
}

/**
 * Cuts data in its own buffer into content-defined chunks, as referenceCuts defines. Holds no state between calls
 * but the bytes of the buffer.
 */
export interface Chunker {
  /**
   * Where data is to be read to, hashed and compressed: it is the memory in which the WebAssembly code works, so
   * nothing is copied. Stays the same array for the chunker's life; not transferable to another thread.
   */
  readonly buffer: Uint8Array<ArrayBuffer>;

  /**
   * All chunks that end within a stretch.
   *
   * What is left behind the last end, always less than `params.max` bytes and none at `eof`, begins a chunk that needs
   * more bytes. The caller may move it to another place in the buffer, appends to it, and calls again with its length
   * as `scanned`. Cuts depend neither on how the data was portioned nor on what lies before the chunk.
   *
   * @returns the end of each chunk as an offset into the buffer; valid until the next call
   */
  cutAll(params: ChunkerParams, stretch: Stretch): Uint32Array;
}

interface Exports {
  memory: WebAssembly.Memory;
  cutAll(
    ...args: [
      base: number,
      start: number,
      end: number,
      scanned: number,
      eof: number,
      min: number,
      avg: number,
      max: number,
      strict: number,
      loose: number,
      out: number,
    ]
  ): number;
}

/** What this file uses of the global that Node has and its type declarations lack. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module);
    readonly exports: unknown;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
}

const PAGE = 65536;
let compiled: WebAssembly.Module | undefined;

/**
 * Makes a chunker with a buffer of its own, one per thread.
 *
 * @param gear 2048 secret bytes, the gear table (256 unsigned 64-bit numbers, little-endian)
 * @param bufferSize bytes; must be at least the largest `max` that will be asked for
 */
export function createChunker(gear: Uint8Array, bufferSize: number): Chunker {
  checkGear(gear);
  // Memory: the gear table, then room for the ends (a chunk has at least WINDOW bytes, save the last), then the buffer.
  const ends = GEAR_BYTES;
  const room = Math.ceil(bufferSize / WINDOW) + 1;
  const base = Math.ceil((ends + room * 4) / PAGE) * PAGE;

  compiled ??= new WebAssembly.Module(Buffer.from(wasmBytes, 'base64'));
  const { memory, cutAll } = new WebAssembly.Instance(compiled).exports as Exports;
  const pages = Math.ceil((base + bufferSize) / PAGE);
  memory.grow(pages - memory.buffer.byteLength / PAGE); // before any view: growing detaches them
  new Uint8Array(memory.buffer).set(gear);

  return {
    buffer: new Uint8Array(memory.buffer, base, bufferSize),
    cutAll(params, { start, end, scanned, eof }) {
      const { min, avg, max } = params;
      checkParams(params);
      checkStretch(start, end, scanned, max, bufferSize);
      const { strict, loose } = cutBits(avg);
      const [from, to] = [base + start, base + end];
      const count = cutAll(base, from, to, scanned, eof ? 1 : 0, min, avg, max, strict, loose, ends);
      return new Uint32Array(memory.buffer, ends, count);
    },
  };
}

/** WebAssembly checks no addresses of ours: a wrong one would be a wrong cut. */
function checkStretch(start: number, end: number, scanned: number, max: number, size: number): void {
  const inside = start >= 0 && start <= end && end <= size && scanned >= 0 && scanned <= end - start;
  if (!inside || !Number.isInteger(start + end + scanned)) {
    throw new RangeError(`no stretch of a buffer of ${size} bytes: ${start} to ${end}, ${scanned} scanned`);
  }
  if (max > size) throw new RangeError(`chunks of up to ${max} bytes do not fit a buffer of ${size}`);
}

/**
 * Cuts a stream from its beginning to its end, through the chunker's buffer.
 *
 * @param read fills (some of) the bytes it is given and returns how many; 0 at the end of the stream
 * @param emit takes each chunk in order, with its offset in the stream; the bytes lie in the buffer and are valid until
 *   `emit` returns. It must not use the chunker.
 * @returns the length of the stream
 */
export function cutStream(
  chunker: Chunker,
  params: ChunkerParams,
  read: (into: Uint8Array<ArrayBuffer>) => number,
  emit: (chunk: Uint8Array<ArrayBuffer>, offset: number) => void,
): number {
  const { buffer } = chunker;
  let offset = 0; // in the stream, of the chunk that begins at start
  let start = 0;
  let end = 0;
  for (;;) {
    const got = read(buffer.subarray(end));
    const scanned = end - start;
    end += got;
    for (const cut of chunker.cutAll(params, { start, end, scanned, eof: got === 0 })) {
      emit(buffer.subarray(start, cut), offset);
      offset += cut - start;
      start = cut;
    }
    if (got === 0) return offset;
    if (end === buffer.length) {
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
    }
  }
}
