import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Chunker, createChunker, cutStream } from '../../src/chunk/chunker.js';
import { type ChunkerParams, DEFAULT_CHUNKERS } from '../../src/chunk/params.js';
import { referenceCuts } from '../../src/chunk/reference.js';
import { FormatError } from '../../src/errors.js';
import { gearFromSeed, type Input, makeInput, noise } from './inputs.js';

const MIB = 1024 * 1024;
const [SMALL, LARGE] = DEFAULT_CHUNKERS;
const gear = gearFromSeed('a');

/** Ends of the chunks of data that lies in the buffer as a whole. */
function cutWhole(chunker: Chunker, params: ChunkerParams, data: Uint8Array, at = 0): number[] {
  chunker.buffer.set(data, at);
  const ends = chunker.cutAll(params, { start: at, end: at + data.length, scanned: 0, eof: true });
  return Array.from(ends, (end) => end - at);
}

/** The chunks of data as content: what would be stored once. */
function chunksOf(chunker: Chunker, params: ChunkerParams, data: Uint8Array): string[] {
  let start = 0;
  return cutWhole(chunker, params, data).map((end) => {
    const id = createHash('sha1').update(data.subarray(start, end)).digest('hex');
    start = end;
    return id;
  });
}

function lengths(ends: number[]): number[] {
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

/** Sizes small enough that a few KiB have many chunks; min and max not multiples of anything. */
const smallParams = fc
  .record({ log: fc.integer({ min: 7, max: 10 }), min: fc.double({ min: 0, max: 1, noNaN: true }), max: fc.nat(3000) })
  .map(({ log, min, max }): ChunkerParams => {
    const avg = 2 ** log;
    return { min: 64 + Math.floor((avg - 64) * min), avg, max: avg + max };
  });

/** Pieces of noise, of few distinct bytes, constant and repeated. */
const someData = fc
  .array(
    fc.record({
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      length: fc.nat(4000),
      mask: fc.constantFrom(255, 255, 3, 1, 0),
    }),
    { maxLength: 6 },
  )
  .map((pieces) => Buffer.concat(pieces.map((piece) => makeInput({ ...piece, zeros: [0, 0] }))));

const someGear = fc.string({ minLength: 1 }).map(gearFromSeed);

/** Tables in which a run of zeros has a hash of its own kind: no bits, the lowest, all, or what one zero less gives, too. */
const zerosGear = fc
  .tuple(someGear, fc.constantFrom(0n, 2n ** 64n - 1n, 1n, 2n ** 63n, 2n ** 62n))
  .map(([table, first]) => {
    new DataView(table.buffer, table.byteOffset).setBigUint64(0, first, true);
    return table;
  });

describe('the chunker', () => {
  it('cuts as the reference does', () => {
    fc.assert(
      fc.property(someGear, smallParams, someData, fc.nat(100), (key, params, data, at) => {
        const cuts = cutWhole(createChunker(key, 32 * 1024), params, data, at);
        expect(cuts).toEqual(referenceCuts(key, params, data));
      }),
      { numRuns: 300 },
    );
  });

  it('cuts runs of zeros as the reference does, whatever their hash', () => {
    const sparse = fc.array(fc.tuple(fc.nat(400), fc.constantFrom(0, 1, 7, 8, 63, 64, 65, 700, 3000)), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.oneof(someGear, zerosGear), smallParams, sparse, fc.nat(100), (key, params, runs, at) => {
        const data = Buffer.concat(
          runs.flatMap(([noise, zeros], seed) => [
            makeInput({ length: noise, seed: seed + 1, mask: 255, zeros: [0, 0] }),
            Buffer.alloc(zeros),
          ]),
        );
        expect(cutWhole(createChunker(key, 32 * 1024), params, data, at)).toEqual(referenceCuts(key, params, data));
      }),
      { numRuns: 500 },
    );
  });

  it('cuts a stream alike, whatever the portions in which it is read', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 });
    const chunker = createChunker(gear, 5000); // smaller than the data, so that leftovers move
    fc.assert(
      fc.property(smallParams, someData, sizes, (params, data, portions) => {
        let read = 0;
        let turn = 0;
        const ends: number[] = [];
        const parts: Buffer[] = [];
        const total = cutStream(
          chunker,
          params,
          (into) => {
            const portion = data.subarray(read, read + Math.min(into.length, portions[turn++ % portions.length]));
            into.set(portion);
            read += portion.length;
            return portion.length;
          },
          (chunk, offset) => {
            ends.push(offset + chunk.length);
            parts.push(Buffer.from(chunk));
          },
        );
        expect(total).toBe(data.length);
        expect(Buffer.concat(parts).equals(data)).toBe(true);
        expect(ends).toEqual(referenceCuts(gear, params, data));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['class 0', SMALL, 6 * MIB],
    ['class 1', LARGE, 40 * MIB],
  ])('falls into step again after an insertion (%s)', (_, params, size) => {
    const chunker = createChunker(gear, size + 1000);
    const data = noise(size, 7);
    const before = new Set(chunksOf(chunker, params, data));
    expect(before.size).toBeGreaterThan(20);
    for (const inserted of [1, 1000]) {
      const after = chunksOf(chunker, params, Buffer.concat([noise(inserted, 8), data]));
      const changed = after.findLastIndex((id) => !before.has(id)) + 1;
      expect(changed).toBeGreaterThan(0);
      expect(changed).toBeLessThanOrEqual(8);
    }
  });

  it('decides by the 64 bytes before a place and by nothing else', () => {
    // Wherever a cut was found by hash, its window behind other bytes makes a cut again: right where searching begins,
    // after the bytes that are skipped, as well as later.
    const chunker = createChunker(gear, 16 * MIB);
    const data = noise(16 * MIB, 3);
    const ends = cutWhole(chunker, SMALL, data);
    const found = ends.filter((_, i) => lengths(ends)[i] < SMALL.avg);
    expect(found.length).toBeGreaterThan(20);
    for (const end of found) {
      const window = data.subarray(end - 64, end);
      for (const length of [SMALL.min, SMALL.min + 1, SMALL.min + 100, SMALL.avg - 1]) {
        const filler = new Uint8Array(length - 64).fill(length);
        expect(cutWhole(chunker, SMALL, Buffer.concat([filler, window, window]))[0]).toBe(length);
      }
    }
  });

  it('forgets what was cut before in the same buffer', () => {
    const chunker = createChunker(gear, 4 * MIB);
    const data = noise(MIB, 5);
    const alone = cutWhole(chunker, SMALL, data);
    chunker.buffer.set(noise(2 * MIB, 6));
    chunker.cutAll(LARGE, { start: 0, end: 2 * MIB, scanned: 0, eof: false });
    expect(cutWhole(chunker, SMALL, data, 2 * MIB + 3)).toEqual(alone);
  });

  it('keeps min and max, and chunk sizes near the average', () => {
    const chunker = createChunker(gear, 32 * MIB);
    const sizes = lengths(cutWhole(chunker, SMALL, noise(32 * MIB, 11)));
    for (const size of sizes.slice(0, -1)) {
      expect(size).toBeGreaterThanOrEqual(SMALL.min);
      expect(size).toBeLessThanOrEqual(SMALL.max);
    }
    const mean = (32 * MIB) / sizes.length;
    expect(mean).toBeGreaterThan(SMALL.avg);
    expect(mean).toBeLessThan(SMALL.avg * 1.3);
  });

  it('cuts constant data at max', () => {
    const chunker = createChunker(gear, 10 * MIB);
    for (const [params, count] of [[SMALL, 40] as const, [LARGE, 2] as const]) {
      const ends = cutWhole(chunker, params, new Uint8Array(10 * MIB));
      const sizes = lengths(ends);
      expect(sizes.slice(0, count)).toEqual(new Array(count).fill(params.max));
      expect(ends.at(-1)).toBe(10 * MIB);
    }
  });

  it('cuts otherwise under another key', () => {
    const data = noise(4 * MIB, 2);
    const ends = cutWhole(createChunker(gear, 4 * MIB), SMALL, data);
    const others = new Set(cutWhole(createChunker(gearFromSeed('b'), 4 * MIB), SMALL, data));
    expect(ends.length).toBeGreaterThan(40);
    expect(ends.filter((end) => others.has(end))).toEqual([4 * MIB]);
  });

  it('makes no chunk of nothing and one of what is shorter than min', () => {
    const chunker = createChunker(gear, MIB);
    expect(cutWhole(chunker, SMALL, new Uint8Array(0))).toEqual([]);
    expect(cutWhole(chunker, SMALL, noise(1, 1))).toEqual([1]);
    expect(cutWhole(chunker, SMALL, noise(SMALL.min, 1))).toEqual([SMALL.min]);
  });

  it('leaves less than max behind when more bytes are to come', () => {
    const chunker = createChunker(gear, MIB);
    const zeros = { start: 0, end: SMALL.max - 1, scanned: 0, eof: false };
    expect([...chunker.cutAll(SMALL, zeros)]).toEqual([]);
    expect([...chunker.cutAll(SMALL, { ...zeros, end: SMALL.max, scanned: SMALL.max - 1 })]).toEqual([SMALL.max]);
  });

  it('has a buffer that files are read straight into', () => {
    const dir = mkdtempSync(join(tmpdir(), 'chunker-'));
    try {
      const data = noise(3 * MIB, 4);
      writeFileSync(join(dir, 'f'), data);
      const fd = openSync(join(dir, 'f'), 'r');
      const chunker = createChunker(gear, MIB);
      const whole = createHash('sha256');
      const ends: number[] = [];
      cutStream(
        chunker,
        SMALL,
        (into) => readSync(fd, into),
        (chunk, offset) => {
          expect(chunk.buffer).toBe(chunker.buffer.buffer);
          whole.update(chunk);
          ends.push(offset + chunk.length);
        },
      );
      closeSync(fd);
      expect(whole.digest('hex')).toBe(createHash('sha256').update(data).digest('hex'));
      expect(ends).toEqual(cutWhole(createChunker(gear, 3 * MIB), SMALL, data));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('refuses what it cannot cut', () => {
    const chunker = createChunker(gear, MIB);
    const all = { start: 0, end: MIB, scanned: 0, eof: true };
    expect(() => createChunker(gear.subarray(1), MIB)).toThrow(RangeError);
    expect(() => chunker.cutAll(LARGE, all)).toThrow('do not fit');
    for (const wrong of [{ end: MIB + 1 }, { start: -1 }, { start: 9, end: 8 }, { scanned: MIB + 1 }, { start: 0.5 }]) {
      expect(() => chunker.cutAll(SMALL, { ...all, ...wrong })).toThrow(RangeError);
    }
    for (const wrong of [
      { min: 63 },
      { min: SMALL.avg + 1 },
      { avg: 65537 },
      { max: SMALL.avg - 1 },
      { max: 2 ** 31 },
    ]) {
      expect(() => chunker.cutAll({ ...SMALL, ...wrong }, all)).toThrow(FormatError);
    }
  });
});

interface Vector {
  params: ChunkerParams;
  input: Input;
  inputSha256: string;
  ends: number[];
}

describe('test vectors', () => {
  const file = JSON.parse(readFileSync(new URL('../vectors/chunker.json', import.meta.url), 'utf8')) as {
    gear: { seed: string; sha256: string };
    vectors: Vector[];
  };
  const key = gearFromSeed(file.gear.seed);

  it('start from the gear table they name', () => {
    expect(createHash('sha256').update(key).digest('hex')).toBe(file.gear.sha256);
  });

  it.each(file.vectors)('hold: $params.avg, $input.length bytes', ({ params, input, inputSha256, ends }) => {
    const data = makeInput(input);
    expect(createHash('sha256').update(data).digest('hex')).toBe(inputSha256);
    expect(cutWhole(createChunker(key, Math.max(data.length, params.max)), params, data)).toEqual(ends);
    if (data.length <= 2 * MIB) expect(referenceCuts(key, params, data)).toEqual(ends);
  });
});
