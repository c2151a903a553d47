import v8 from 'node:v8';

/**
 * Keeps the young generations of V8's heaps at their first size, 1 MiB, where they would grow to 48 MB in each thread:
 * runs here make much garbage and keep little of it. To be called before anything else, and again for each thread that
 * has come online: V8 sets the growth back to its default whenever it makes a heap.
 */
export function keepHeapsSmall(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  v8.setFlagsFromString('--max-semi-space-size=1'); // of heaps that are made later
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
  v8.setFlagsFromString('--semi-space-growth-factor=2');
}
