import { decompress as portableDecompress } from 'fzstd';
import { describe, expect, test } from 'vitest';
import { Compressor, decompress } from '../../src/format/zstd.js';
import { noise } from '../support/files.js';

const MIB = 1024 * 1024;

describe('compressing by what a frame holds', () => {
  const level3 = new Compressor(3);

  test('small files get all of level 3: their likenesses lie far apart', () => {
    const frame = text(MIB, 1);
    expect(isSame(new Compressor('auto').compress(frame, 512), level3.compress(frame))).toBe(true);
  });

  test('short frames too', () => {
    const frame = text(100_000, 2);
    expect(isSame(new Compressor('auto').compress(frame, 1), level3.compress(frame))).toBe(true);
  });

  test('text costs little more than level 3', () => {
    const compressor = new Compressor('auto');
    for (let seed = 3; seed < 6; seed++) {
      const frame = text(MIB, seed);
      const [ours, plain] = [compressor.compress(frame, 16), level3.compress(frame)];
      expect(isSame(ours, plain)).toBe(false);
      expect(ours.length).toBeLessThan(plain.length * 1.08);
    }
  });

  test('what does not compress well is known by the frame before', () => {
    const compressor = new Compressor('auto');
    const frame = dense(MIB, 7);
    const asText = compressor.compress(frame, 16).slice();
    const asDense = compressor.compress(frame, 16).slice();
    expect(isSame(asDense, asText)).toBe(false);
    expect(asDense.length).toBeLessThan(level3.compress(frame).length * 1.15);
    compressor.compress(text(MIB, 8), 16);
    expect(isSame(compressor.compress(frame, 16), asText)).toBe(true);
  });

  test('both decoders read every kind', () => {
    const compressor = new Compressor('auto');
    for (const [frame, blobs] of [
      [text(MIB, 9), 512],
      [text(MIB, 10), 16],
      [dense(MIB, 11), 16],
      [dense(MIB, 12), 16],
      [dense(MIB, 13), 1024],
      [text(300_000, 14), 4],
    ] as const) {
      const compressed = compressor.compress(frame, blobs).slice();
      expect(isSame(decompress(compressed, frame.length), frame)).toBe(true);
      expect(isSame(portableDecompress(compressed), frame)).toBe(true);
    }
  });
});

/** Lines that come again and again, which compress to a fifth or less. */
function text(length: number, seed: number): Buffer {
  const lines = Array.from({ length: 2000 }, (_, i) => noise(24, seed + i).toString('hex'));
  const order = noise(2 * Math.ceil(length / 49), seed);
  const all = Array.from({ length: order.length / 2 }, (_, i) => lines[order.readUInt16LE(2 * i) % lines.length]);
  return Buffer.from(`${all.join('\n')}\n`).subarray(0, length);
}

/** Half of it noise. */
function dense(length: number, seed: number): Buffer {
  const bytes = text(length, seed);
  const random = noise(length, seed);
  for (let at = 0; at + 128 <= length; at += 128) random.copy(bytes, at, at, at + 64);
  return bytes;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
