import type { Config } from '../../config/types.js';
import { workerCount } from '../ingest/pool.js';
import { startThreads, type ThreadPool } from '../worker-pool.js';

/**
 * Starts the threads that verify packs.
 * @param packs how many there are to be read, if that is known: more threads than packs would have nothing to do
 */
export function startVerifyThreads(config: Config, packs = Number.POSITIVE_INFINITY): ThreadPool {
  return startThreads('verify', { threads: Math.max(1, Math.min(workerCount(config.workers), packs)) });
}
