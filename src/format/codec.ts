/** zstd, as whoever runs this code has it: native in the program, pure JavaScript in the portable reader. */
export interface Codec {
  /** The compressed bytes: a view that the next call may overwrite. */
  compress(plain: Uint8Array): Uint8Array;
  /** Exactly `length` bytes, or FormatError. */
  decompress(compressed: Uint8Array, length: number): Uint8Array;
}
