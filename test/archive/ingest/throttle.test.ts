import { describe, expect, test } from 'vitest';
import { Throttle } from '../../../src/archive/ingest/throttle.js';

const never = new AbortController().signal;

/** Milliseconds that a pause takes. */
async function paused(throttle: Throttle): Promise<number> {
  const start = performance.now();
  await throttle.pause(never);
  return performance.now() - start;
}

describe('a throttle', () => {
  test('pauses until the bytes that have passed keep the rate', async () => {
    const throttle = new Throttle(10_000);
    throttle.count(500);
    throttle.count(500);
    // The clock of the timer and the one that is read may differ by a millisecond.
    expect(await paused(throttle)).toBeGreaterThanOrEqual(98);
    expect(await paused(throttle)).toBeLessThan(50);
  });

  test('saves nothing up: what was not used before is not made good for', async () => {
    const throttle = new Throttle(10_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    throttle.count(1000);
    expect(await paused(throttle)).toBeGreaterThanOrEqual(98);
  });

  test('without a limit never pauses', async () => {
    const throttle = new Throttle(undefined);
    throttle.count(Number.MAX_SAFE_INTEGER);
    expect(await paused(throttle)).toBeLessThan(50);
  });

  test('ends a pause at once when it is aborted, with the reason of that', async () => {
    const throttle = new Throttle(1);
    throttle.count(1e12);
    const stop = new AbortController();
    let warned: Error | undefined;
    process.once('warning', (warning) => (warned = warning));
    setTimeout(() => stop.abort(new Error('stopped')), 20);
    await expect(throttle.pause(stop.signal)).rejects.toThrow('stopped');
    await expect(throttle.pause(stop.signal)).rejects.toThrow('stopped');
    expect(warned).toBeUndefined();
  });
});
