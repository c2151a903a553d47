import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  Appender,
  alignedMemory,
  BLOCK,
  canWriteDirectly,
  DirectWriter,
  setDirect,
  writeDirectly,
  writeWholeDirectly,
} from '../../src/platform/index.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'direct-'));
let count = 0;
const newFile = (where = folder): { file: string; fd: number } => {
  const file = path.join(where, String(++count));
  return { file, fd: fs.openSync(file, 'wx+', 0o600) };
};
const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff);

afterAll(() => fs.rmSync(folder, { recursive: true }));

describe('memory for direct writes', () => {
  it('begins where a block does, and can be written from', () => {
    const { file, fd } = newFile();
    if (canWriteDirectly(fd)) expect(setDirect(fd, true)).toBe(true);
    const memory = alignedMemory(4 * BLOCK);
    memory.set(bytesOf(4 * BLOCK, 1));
    // The kernel refuses what is not aligned: written twice, so that not even the memory's place can be luck.
    fs.writeSync(fd, memory, 0, 2 * BLOCK, 0);
    fs.writeSync(fd, memory, 2 * BLOCK, 2 * BLOCK, 2 * BLOCK);
    fs.closeSync(fd);
    expect(fs.readFileSync(file)).toEqual(Buffer.from(bytesOf(4 * BLOCK, 1)));
  });

  it('what a direct file refuses is written as ever', () => {
    const { file, fd } = newFile();
    if (canWriteDirectly(fd)) setDirect(fd, true);
    writeDirectly(fd, bytesOf(1000, 3), 24);
    fs.closeSync(fd);
    expect(fs.readFileSync(file).subarray(24)).toEqual(Buffer.from(bytesOf(1000, 3)));
  });
});

describe('DirectWriter', () => {
  it('writes all but what it hands back, which fills no block', async () => {
    const stretch = fc.record({
      gap: fc.oneof(fc.constant(0), fc.nat(9000)),
      length: fc.nat(700_000),
      flush: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { maxLength: 8 }), async (stretches) => {
        const { file, fd } = newFile();
        const wanted = Buffer.alloc(stretches.reduce((sum, { gap, length }) => sum + gap + length, 0));
        fs.ftruncateSync(fd, wanted.length);
        if (canWriteDirectly(fd)) setDirect(fd, true);
        const left: [offset: number, bytes: Uint8Array][] = [];
        const writer = new DirectWriter(fd, (offset, bytes) => left.push([offset, bytes.slice()]));
        let at = 0;
        for (const [i, { gap, length, flush }] of stretches.entries()) {
          at += gap;
          const bytes = bytesOf(length, i);
          wanted.set(bytes, at);
          writer.write(bytes, at);
          if (flush) writer.flush();
          at += length;
        }
        await writer.settle();
        setDirect(fd, false);
        for (const [offset, bytes] of left) {
          expect(bytes.length).toBeLessThan(BLOCK);
          fs.writeSync(fd, bytes, 0, bytes.length, offset);
        }
        fs.closeSync(fd);
        expect(fs.readFileSync(file).equals(wanted)).toBe(true);
        fs.rmSync(file);
      }),
      { numRuns: 40 },
    );
  });

  it('leaves zeros out where the file has them, and nothing else', async () => {
    const stretch = fc.record({
      gap: fc.nat(9000),
      pieces: fc.array(fc.record({ zeros: fc.nat(300_000), noise: fc.nat(100_000) }), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { maxLength: 5 }), async (stretches) => {
        const { file, fd } = newFile();
        if (canWriteDirectly(fd)) setDirect(fd, true);
        const parts: Buffer[] = [];
        let size = 0;
        const leave = (offset: number, bytes: Uint8Array): void => void left.push([offset, bytes.slice()]);
        const left: [offset: number, bytes: Uint8Array][] = [];
        const writer = new DirectWriter(fd, leave, { skipsZeros: true });
        for (const [i, { gap, pieces }] of stretches.entries()) {
          const bytes = Buffer.concat(
            pieces.flatMap(({ zeros, noise }) => [Buffer.alloc(zeros), bytesOf(noise, i + 1)]),
          );
          parts.push(Buffer.alloc(gap), bytes);
          writer.write(bytes, size + gap);
          size += gap + bytes.length;
        }
        await writer.settle();
        setDirect(fd, false);
        for (const [offset, bytes] of left) fs.writeSync(fd, bytes, 0, bytes.length, offset);
        fs.ftruncateSync(fd, size);
        fs.closeSync(fd);
        expect(fs.readFileSync(file).equals(Buffer.concat(parts))).toBe(true);
        fs.rmSync(file);
      }),
      { numRuns: 40 },
    );
  });

  it('does not write long runs of zeros when it is told so', async () => {
    const written = async (skipsZeros: boolean): Promise<Buffer> => {
      const { file, fd } = newFile();
      fs.writeSync(fd, Buffer.alloc(1_000_000, 0xff));
      if (canWriteDirectly(fd)) setDirect(fd, true);
      const writer = new DirectWriter(fd, () => undefined, { skipsZeros });
      writer.write(Buffer.alloc(163 * BLOCK), 2 * BLOCK);
      await writer.settle();
      fs.closeSync(fd);
      return fs.readFileSync(file).subarray(0, 165 * BLOCK);
    };
    const firstZero = 2 * BLOCK;
    const cells = [16 * BLOCK, 160 * BLOCK];
    const all = Buffer.alloc(165 * BLOCK).fill(0xff, 0, firstZero);
    expect((await written(false)).equals(all)).toBe(true);
    expect((await written(true)).equals(Buffer.from(all).fill(0xff, ...cells))).toBe(true);
  });

  it.each([0, 1, BLOCK - 1, BLOCK, 512 * 1024, 512 * 1024 + 1, 1_500_000])(
    'a whole file of %i bytes',
    async (length) => {
      const { file, fd } = newFile();
      const bytes = bytesOf(length, 5);
      const writing = writeWholeDirectly(fd, bytes);
      bytes.fill(0xee); // it was copied
      await writing;
      fs.closeSync(fd);
      expect(fs.readFileSync(file).equals(bytesOf(length, 5))).toBe(true);
    },
  );
});

describe('Appender', () => {
  const places = [folder, ...(fs.existsSync('/dev/shm') ? ['/dev/shm'] : [])];

  it.each(places)('a file has what was appended, whatever the pieces (%s)', async (where) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(5000), fc.nat(700_000), fc.constantFrom(0, BLOCK, 512 * 1024, 2_000_000)), {
          maxLength: 8,
        }),
        async (lengths) => {
          const { file, fd } = newFile(where);
          try {
            const appender = new Appender(fd);
            const pieces = lengths.map((length, i) => bytesOf(length, i));
            for (const piece of pieces) {
              const passing = piece.slice();
              appender.append(passing);
              passing.fill(0xee); // it was copied
            }
            await appender.settle();
            await appender.settle();
            const whole = Buffer.concat(pieces);
            expect(fs.readFileSync(file).equals(whole)).toBe(true);
            const back = Buffer.alloc(100);
            expect(fs.readSync(fd, back, 0, 100, 1)).toBe(Math.min(100, Math.max(0, whole.length - 1)));
          } finally {
            fs.closeSync(fd);
            fs.rmSync(file);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('files that are appended to in turns do not mix', async () => {
    const files = [newFile(), newFile(), newFile()];
    const appenders = files.map(({ fd }) => new Appender(fd));
    for (let round = 0; round < 9; round++)
      appenders.forEach((appender, i) => {
        appender.append(bytesOf(300_000, round * 3 + i));
      });
    await Promise.all(appenders.map((appender) => appender.settle()));
    files.forEach(({ file, fd }, i) => {
      fs.closeSync(fd);
      const wanted = Buffer.concat(Array.from({ length: 9 }, (_, round) => bytesOf(300_000, round * 3 + i)));
      expect(fs.readFileSync(file).equals(wanted)).toBe(true);
    });
  });

  it('a write that fails beside the work is told of', async () => {
    const { fd } = newFile();
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const write = vi.spyOn(fs, 'write').mockImplementation(((...args: unknown[]) => {
      setImmediate(args.at(-1) as (error: Error) => void, full);
    }) as typeof fs.write);
    const writeSync = vi.spyOn(fs, 'writeSync').mockImplementation(() => {
      throw full;
    });
    try {
      const appender = new Appender(fd);
      const append = () => appender.append(bytesOf(600 * 1024, 0));
      if (!canWriteDirectly(fd)) {
        expect(append).toThrow('ENOSPC');
        return;
      }
      append();
      await expect(appender.settle()).rejects.toThrow('ENOSPC');
      expect(append).toThrow('ENOSPC');
    } finally {
      write.mockRestore();
      writeSync.mockRestore();
      fs.closeSync(fd);
    }
  });
});
