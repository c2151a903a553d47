import type { Config } from '../../config/types.js';
import { takeThreads } from '../early-pool.js';
import { verifyThreads } from '../thread-options.js';
import type { ThreadPool } from '../worker-pool.js';

/**
 * Starts the threads that verify packs.
 * @param packs how many there are to be read, if that is known: more threads than packs would have nothing to do
 */
export function startVerifyThreads(config: Config, packs = Number.POSITIVE_INFINITY): ThreadPool {
  return takeThreads('verify', { threads: Math.min(verifyThreads(config.workers), packs) });
}
