import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Seams } from '../../../src/archive/restore/seams.js';
import { BLOCK, canWriteDirectly, setDirect } from '../../../src/platform/index.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'seams-'));
let count = 0;

afterAll(() => fs.rmSync(folder, { recursive: true }));

/** A file of this size without content, and bytes it should have. */
function blank(size: number): { file: string; fd: number; wanted: Buffer } {
  const file = path.join(folder, String(++count));
  const fd = fs.openSync(file, 'wx+');
  fs.ftruncateSync(fd, size);
  return { file, fd, wanted: Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 37 + (i >> 8)) & 0xff)) };
}

describe('Seams', () => {
  it('put together what pieces have of the blocks between them, in any order, some of it twice', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 5 * BLOCK - 1 }), { maxLength: 12 });
    fc.assert(
      fc.property(cuts, fc.array(fc.nat()), (at, order) => {
        const { file, fd, wanted } = blank(5 * BLOCK);
        const ends = [0, ...at.sort((a, b) => a - b), wanted.length];
        const pieces = ends.slice(1).map((end, i) => [ends[i]!, end] as const);
        const seams = new Seams();
        for (const i of [...order.map((n) => n % pieces.length), ...pieces.keys()])
          seams.add(pieces[i]![0], wanted.subarray(...pieces[i]!));
        seams.finish(fd);
        fs.closeSync(fd);
        expect(fs.readFileSync(file).equals(wanted)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('leave alone what they were not given', () => {
    const { file, fd } = blank(2 * BLOCK);
    fs.writeSync(fd, Buffer.alloc(2 * BLOCK, 7), 0, 2 * BLOCK, 0);
    const seams = new Seams();
    seams.add(10, Uint8Array.of(1, 2));
    seams.add(BLOCK - 1, Uint8Array.of(3, 4));
    seams.finish(fd);
    fs.closeSync(fd);
    const wanted = Buffer.alloc(2 * BLOCK, 7);
    wanted.set([1, 2], 10);
    wanted.set([3, 4], BLOCK - 1);
    expect(fs.readFileSync(file).equals(wanted)).toBe(true);
  });

  it('do not keep complete blocks when there are many, and never write the others early', () => {
    const { file, fd, wanted } = blank(5000 * BLOCK);
    if (canWriteDirectly(fd)) setDirect(fd, true);
    const seams = new Seams();
    const half = BLOCK / 2;
    for (let block = 0; block < 5000; block++) {
      seams.add(block * BLOCK + half, wanted.subarray(block * BLOCK + half, (block + 1) * BLOCK));
      if (block % 2 === 0) seams.add(block * BLOCK, wanted.subarray(block * BLOCK, block * BLOCK + half));
      seams.relieve(fd);
    }
    const soFar = fs.readFileSync(file);
    const isThere = (block: number) =>
      soFar.subarray(block * BLOCK, (block + 1) * BLOCK).equals(wanted.subarray(block * BLOCK, (block + 1) * BLOCK));
    expect(isThere(0)).toBe(true);
    expect(soFar[BLOCK + half]).toBe(0);
    for (let block = 1; block < 5000; block += 2)
      seams.add(block * BLOCK, wanted.subarray(block * BLOCK, block * BLOCK + half));
    setDirect(fd, false);
    seams.finish(fd);
    fs.closeSync(fd);
    expect(fs.readFileSync(file).equals(wanted)).toBe(true);
  });
});
