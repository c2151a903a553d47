import v8 from 'node:v8';
import type { Worker } from 'node:worker_threads';

/** What each further thread is limited to: semi-spaces of 1 MiB, three of which make a young generation. */
export const SMALL_HEAP = { maxYoungGenerationSizeMb: 3 } as const;

/**
 * What is set for all heaps, and what V8 has by default in Node.js 20 (where it is otherwise, threads that start late
 * compile their code anew).
 *
 * The young generations stay at their first size, 1 MiB, where they would grow to 48 MB in each thread: runs here make much
 * garbage and keep little of it. What outlives such a young generation is often garbage soon after: all is collected when a
 * heap has grown by so many percent, but not before it is worth it, so that a short run does without. And most runs are too
 * short for it to pay that what is merely warm is optimised, or that it is done as well as can be.
 */
const FLAGS: readonly { set: string; unset: string }[] = [
  { set: '--semi-space-growth-factor=1', unset: '--semi-space-growth-factor=2' },
  { set: '--heap-growing-percent=30', unset: '--heap-growing-percent=0' },
  { set: '--initial-old-space-size=16', unset: '--initial-old-space-size=0' },
  { set: '--interrupt-budget=200000', unset: '--interrupt-budget=67584' },
  { set: '--max-inlined-bytecode-size-cumulative=300', unset: '--max-inlined-bytecode-size-cumulative=920' },
  { set: '--turbo-force-mid-tier-regalloc', unset: '--no-turbo-force-mid-tier-regalloc' },
];

/** Groups of threads of which one has not loaded its code yet. */
let loading = 0;
let areSet = false;
/** Whether young generations may grow after all. */
let growing = false;

/**
 * Makes threads, each of which says something when it has loaded its code. Until then no flags are set: V8 takes no code,
 * not even Node's own, that was compiled earlier under other flags; and it sets some back whenever it makes a heap.
 * @returns what was made; and what resolves when all have loaded their code, or have ended
 */
export function startThreadsOf<T>(
  make: () => T,
  threadsOf: (made: T) => readonly Worker[],
): { made: T; loaded: Promise<void> } {
  loading += 1;
  if (areSet) for (const { unset } of FLAGS) v8.setFlagsFromString(unset);
  areSet = false;
  const end = (): void => {
    loading -= 1;
    keepHeapsSmall();
  };
  try {
    const made = make();
    return { made, loaded: Promise.all(threadsOf(made).map(hasLoaded)).then(end) };
  } catch (error) {
    end();
    throw error;
  }
}

function hasLoaded(thread: Worker): Promise<unknown> {
  return new Promise<unknown>((resolve) => {
    thread.once('message', resolve);
    thread.once('exit', resolve);
  });
}

/** Keeps heaps small, from when the program's code and that of all threads is loaded. */
export function keepHeapsSmall(): void {
  if (loading > 0) return;
  areSet = true;
  for (const { set } of FLAGS) v8.setFlagsFromString(set);
  if (growing) letHeapGrow();
}

/**
 * Lets the young generation of this thread's heap grow after all: for long work, whose garbage lives a little longer
 * than that of a backup. A rebuild of a large catalog takes two thirds of the time with it.
 */
export function letHeapGrow(): void {
  growing = true;
  v8.setFlagsFromString('--semi-space-growth-factor=2');
}
