import v8 from 'node:v8';

/**
 * Keeps the young generations of V8's heaps at their first size, 1 MiB, where they would grow to 48 MB in each thread:
 * runs here make much garbage and keep little of it. To be called before anything else.
 */
export function keepHeapsSmall(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=1'); // this thread's, which has its limits already
  v8.setFlagsFromString('--max-semi-space-size=1'); // those of threads that are started later
}
