import fc from 'fast-check';
import { decompress as portableDecompress } from 'fzstd';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';
import { decodeDirectory, encodeDirectory, type FrameInfo, type PackDirectory } from '../../src/format/pack.js';
import { Compressor, compress, Decompressor, decompress } from '../../src/format/zstd.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A directory whose frames lie one behind the other, as a writer makes it. */
const directories: fc.Arbitrary<PackDirectory> = fc
  .record({
    run: bytes(16),
    writer: bytes(32),
    frames: fc.array(
      fc.record({
        raw: fc.boolean(),
        sealed: fc.integer({ min: 16, max: 2 ** 30 }),
        lengths: fc.array(fc.integer({ min: 0, max: 2 ** 22 }), { minLength: 1, maxLength: 6 }),
      }),
      { maxLength: 6 },
    ),
  })
  .chain(({ run, writer, frames }) => {
    const infos: FrameInfo[] = [];
    let offset = 72;
    let firstBlob = 0;
    for (const { raw, sealed, lengths } of frames) {
      const plainLength = lengths.reduce((sum, length) => sum + length, 0);
      const length = raw ? plainLength + 16 : sealed;
      infos.push({ offset, length, raw, firstBlob, blobs: lengths.length, plainLength });
      offset += length;
      firstBlob += lengths.length;
    }
    const lengths = Uint32Array.from(frames.flatMap((frame) => frame.lengths));
    return bytes(firstBlob * 24).map((ids) => ({ run, writer, frames: infos, ids, lengths }));
  });

describe('pack directory', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(directories, (directory) => {
        expect(decodeDirectory(encodeDirectory(directory))).toEqual(directory);
      }),
    );
  });

  it('is refused when it is none', () => {
    const good: PackDirectory = {
      run: new Uint8Array(16),
      writer: new Uint8Array(32),
      frames: [
        { offset: 72, length: 40, raw: false, firstBlob: 0, blobs: 2, plainLength: 300 },
        { offset: 112, length: 21, raw: true, firstBlob: 2, blobs: 1, plainLength: 5 },
      ],
      ids: new Uint8Array(72),
      lengths: Uint32Array.of(100, 200, 5),
    };
    const columns = decode(encodeDirectory(good)) as Record<string, unknown>;
    expect(decodeDirectory(encode(columns))).toEqual(good);
    const huge = [255, 255, 255, 255, 255, 255, 255, 15];
    const changes: Record<string, unknown>[] = [
      { run: new Uint8Array(15) },
      { writer: new Uint8Array(33) },
      { frames: undefined },
      { frames: 'x' },
      { frames: Uint8Array.of(40, 1, 2) },
      { frames: Uint8Array.of(40, 1, 2, 21, 0, 2) },
      { frames: Uint8Array.of(40, 1, 2, 21, 0, ...huge) },
      { frames: Uint8Array.of(40, 2, 2, 21, 0, 1) },
      { frames: Uint8Array.of(15, 1, 2, 21, 0, 1) },
      { frames: Uint8Array.of(40, 1, 2, 22, 0, 1) },
      { frames: Uint8Array.of(40, 1, 2, 21, 0, 1, 21, 1, 0) },
      { frames: Uint8Array.of(40, 1, 2, 21, 0) },
      { ids: new Uint8Array(71) },
      { ids: new Uint8Array(96) },
      { lengths: Uint8Array.of(100, 200, 1) },
      { lengths: Uint8Array.of(100, 200, 1, 5, 0) },
      // 2^32 + 100: must not pass as 100.
      { lengths: Uint8Array.of(228, 128, 128, 128, 16, 200, 1, 5) },
    ];
    for (const change of changes) {
      expect(() => decodeDirectory(encode({ ...columns, ...change })), JSON.stringify(change)).toThrow(FormatError);
    }
    for (const value of [null, 1, [], {}]) expect(() => decodeDirectory(encode(value))).toThrow(FormatError);
  });

  it('reserves no memory for frames that claim too much', () => {
    // Sixteen blobs of 2^30 bytes in one frame of 24.
    const column = Uint8Array.from(Array.from({ length: 16 }, () => [128, 128, 128, 128, 4]).flat());
    const claim = {
      run: new Uint8Array(16),
      writer: new Uint8Array(32),
      frames: Uint8Array.of(40, 1, 16),
      lengths: column,
      ids: new Uint8Array(16 * 24),
    };
    expect(() => decodeDirectory(encode(claim))).toThrow(FormatError);
  });
});

describe('zstd', () => {
  const plain = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 3000 }))
      .map(([pattern, length]) => Uint8Array.from({ length }, (_, i) => pattern[i % pattern.length])),
    fc.lorem({ maxCount: 200 }).map((text) => new TextEncoder().encode(text)),
  );

  it('gives back what it was given, at every level, in the native and in the portable decompressor', () => {
    const compressors = [1, 3, 9, 19].map((level) => new Compressor(level));
    const decompressor = new Decompressor();
    fc.assert(
      fc.property(plain, fc.constantFrom(...compressors), (data, compressor) => {
        const small = compressor.compress(data).slice();
        expect(Buffer.compare(decompress(small, data.length), data)).toBe(0);
        const target = new Uint8Array(data.length);
        decompressor.decompressTo(target, small);
        expect(Buffer.compare(target, data)).toBe(0);
        expect(() => decompressor.decompressTo(new Uint8Array(data.length + 1), small)).toThrow('another length');
        expect(Buffer.compare(portableDecompress(small, new Uint8Array(data.length)), data)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses what is of another length, cut, or no zstd', () => {
    const data = new TextEncoder().encode('all that is longer than a few bytes '.repeat(20));
    const small = compress(data);
    expect(() => decompress(small, data.length - 1)).toThrow(FormatError);
    expect(() => decompress(small, data.length + 1)).toThrow(FormatError);
    expect(() => decompress(small.subarray(0, small.length - 1), data.length)).toThrow(FormatError);
    expect(() => decompress(data, data.length)).toThrow(FormatError);
    expect(() => decompress(new Uint8Array(0), 1)).toThrow(FormatError);
  });
});
