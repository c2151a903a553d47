import fc from 'fast-check';
import { afterAll, beforeAll, test, vi } from 'vitest';
import { runSequence, sequence } from './forgetting-run.js';

/** The sequences are spread over so many test files, which run side by side. */
const PARTS = 4;

const HOUR = 3_600_000;

/**
 * Makes the test of one part. `npm run test:model` says by MODEL_HOURS how long all parts go on, or by MODEL_RUNS how
 * many sequences they run together; without either it is a fixed number. A failure tells the seed and the sequence; with
 * MODEL_SHRINK it is made smaller first.
 */
export function testSequences(part: number): void {
  const hours = Number(process.env.MODEL_HOURS ?? 0);
  const runs = Math.ceil(Number(process.env.MODEL_RUNS ?? 300) / PARTS);
  const first = Number(process.env.MODEL_SEED ?? (hours > 0 ? Math.floor(Math.random() * 2 ** 30) : 1));
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterAll(() => {
    vi.useRealTimers();
  });
  test('random edits, backups, forgetting, pruning, rebuilds and kills equal a plain model', {
    timeout: Math.max(900_000, hours * HOUR * 2),
  }, async () => {
    const deadline = performance.now() + hours * HOUR;
    let done = 0;
    for (let seed = first * PARTS + part; ; seed += 1000 * PARTS) {
      await fc.assert(
        fc.asyncProperty(sequence, async (actions) => {
          await runSequence(actions);
          done++;
        }),
        { numRuns: hours > 0 ? 50 : runs, seed, endOnFailure: process.env.MODEL_SHRINK === undefined },
      );
      if (performance.now() >= deadline) break;
    }
    console.log(`${done} sequences`);
  });
}
