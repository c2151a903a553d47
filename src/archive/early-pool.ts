import { onDismissal } from './early-threads.js';
import { startThreads, type ThreadPool, type ThreadPoolOptions } from './worker-pool.js';

/** Not taken yet. */
let early: { name: string; options: ThreadPoolOptions; pool: ThreadPool } | undefined;

/** Starts threads that a command is about to need, while what makes it is loaded. */
export function startThreadsEarly(name: string, options: ThreadPoolOptions): void {
  early = { name, options, pool: startThreads(name, options) };
  onDismissal(async () => {
    await early?.pool.close();
    early = undefined;
  });
}

/** Threads: those that were started early, if they are such as are asked for, or else new ones. See startThreads. */
export function takeThreads(name: string, options: ThreadPoolOptions): ThreadPool {
  if (early === undefined || early.name !== name || !isSame(early.options, options)) return startThreads(name, options);
  const { pool } = early;
  early = undefined;
  return pool;
}

function isSame(a: ThreadPoolOptions, b: ThreadPoolOptions): boolean {
  return a.threads === b.threads && a.atOnce === b.atOnce && a.heapMb === b.heapMb;
}
