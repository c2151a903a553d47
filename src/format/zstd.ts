import binding from 'zstd-napi/binding.js';
import { FormatError } from '../errors.js';
import type { Codec } from './codec.js';

/** A reusable compressor: its context and output buffer live as long as it does. */
export class Compressor {
  private readonly context = new binding.CCtx();
  private output: Uint8Array = new Uint8Array(0);

  /** @param level zstd level, 1 to 19 */
  constructor(level: number) {
    this.context.setParameter(binding.CParameter.compressionLevel, level);
    this.context.setParameter(binding.CParameter.contentSizeFlag, 1);
  }

  /** The compressed bytes: a view that the next call overwrites. */
  compress(plain: Uint8Array): Uint8Array {
    const bound = binding.compressBound(plain.length);
    if (this.output.length < bound) this.output = new Uint8Array(bound);
    return this.output.subarray(0, this.context.compress2(this.output, plain));
  }
}

/** A reusable decompressor. */
export class Decompressor {
  private readonly context = new binding.DCtx();

  /**
   * Decompresses to all of `target`.
   * @throws FormatError when the bytes are no zstd frame or have another length once decompressed
   */
  decompressTo(target: Uint8Array, compressed: Uint8Array): void {
    let length: number;
    try {
      length = this.context.decompress(target, compressed);
    } catch (error) {
      throw new FormatError('data does not decompress', { cause: error });
    }
    if (length !== target.length) throw new FormatError('data has another length once decompressed');
  }
}

let sharedCompressor: Compressor | undefined;
let sharedDecompressor: Decompressor | undefined;

/** Compresses once, at the level for metadata. */
export function compress(plain: Uint8Array): Uint8Array {
  sharedCompressor ??= new Compressor(3);
  return sharedCompressor.compress(plain).slice();
}

/** Decompresses to exactly `length` bytes, or throws FormatError. */
export function decompress(compressed: Uint8Array, length: number): Uint8Array {
  sharedDecompressor ??= new Decompressor();
  const plain = new Uint8Array(length);
  sharedDecompressor.decompressTo(plain, compressed);
  return plain;
}

/** zstd as index objects want it. */
export const zstdCodec: Codec = { compress, decompress };
