import { availableParallelism } from 'node:os';

/**
 * Tasks of a restore that one worker has under way, from a store nearby and from one far away: while one waits for its
 * packs to be read, another computes.
 */
export const RESTORED_AT_ONCE = { near: 2, far: 8 } as const;

/** How each thread of a backup that reads files is started: with the next task at hand. */
export const INGEST_THREAD = { threads: 1, atOnce: 2, heapMb: 256 } as const;

/** How many workers to use: half the logical cores, at least 2, unless the config says. */
export function workerCount(configured?: number): number {
  return configured ?? Math.max(2, Math.floor(availableParallelism() / 2));
}

/** How many threads read packs to verify them, beside the main thread, which does, too. */
export function verifyThreads(configured?: number): number {
  return Math.max(1, workerCount(configured) - 1);
}
