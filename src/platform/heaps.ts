import v8 from 'node:v8';
import type { Worker } from 'node:worker_threads';

/** What each further thread is limited to: semi-spaces of 1 MiB, three of which make a young generation. */
export const SMALL_HEAP = { maxYoungGenerationSizeMb: 3 } as const;

/** Threads that have not loaded their code yet. */
let loading = 0;
/** By how much a young generation that is too small grows. */
let growth = 1;

/**
 * To be told of each thread that is made, and which says something when it has loaded its code: V8 sets the growth of all
 * heaps back to its default whenever it makes one.
 * @returns resolves when the thread has loaded its code, or has ended
 */
export async function keepHeapSmallOf(thread: Worker): Promise<void> {
  loading += 1;
  await new Promise<unknown>((resolve) => {
    thread.once('message', resolve);
    thread.once('exit', resolve);
  });
  loading -= 1;
  keepHeapsSmall();
}

/**
 * Keeps the young generations of V8's heaps at their first size, 1 MiB, where they would grow to 48 MB in each thread:
 * runs here make much garbage and keep little of it. To be called when the program's code is loaded: V8 takes no code,
 * not even Node's own, that was compiled earlier under other flags. So nothing is done while threads load theirs.
 */
export function keepHeapsSmall(): void {
  if (loading > 0) return;
  v8.setFlagsFromString(`--semi-space-growth-factor=${growth}`);
  // What outlives a young generation of this size is often garbage soon after: all is collected when a heap has grown by
  // this much, but not before it is worth it, so that a short run does without.
  v8.setFlagsFromString('--heap-growing-percent=30');
  v8.setFlagsFromString('--initial-old-space-size=16');
  // Most runs are too short for it to pay that what is merely warm is optimised, or that it is done as well as can be.
  v8.setFlagsFromString('--interrupt-budget=200000');
  v8.setFlagsFromString('--max-inlined-bytecode-size-cumulative=300');
  v8.setFlagsFromString('--turbo-force-mid-tier-regalloc');
}

/**
 * Lets the young generation of this thread's heap grow after all: for long work, whose garbage lives a little longer
 * than that of a backup. A rebuild of a large catalog takes two thirds of the time with it.
 */
export function letHeapGrow(): void {
  growth = 2;
  v8.setFlagsFromString(`--semi-space-growth-factor=${growth}`);
}
