import { takeThreads } from '../early-pool.js';
import type { ThreadPool } from '../worker-pool.js';
import type { ExtractResult, ExtractSetup, ExtractTask } from './messages.js';

/** Whoever does the tasks of a restore. */
export interface ExtractPool {
  /** Tasks that it has under way at a time. */
  readonly atOnce: number;
  run(task: ExtractTask): Promise<ExtractResult>;
  /** Ends the workers, finished or not; nothing is written any more when it resolves. */
  close(): Promise<void>;
}

/** The extract workers, as seen from the main thread. */
export class WorkerPool implements ExtractPool {
  readonly atOnce: number;
  private readonly threads: ThreadPool;

  /** @param atOnce tasks that one worker has under way: see RESTORED_AT_ONCE */
  constructor(workers: number, atOnce: number) {
    this.atOnce = workers * atOnce;
    this.threads = takeThreads('extract', { threads: workers, atOnce });
  }

  /** Says what every worker works with, before the first task. */
  setUp(setup: ExtractSetup): void {
    this.threads.setUp(setup);
  }

  run(task: ExtractTask): Promise<ExtractResult> {
    const { frames, blobs, ids, units, parts } = task;
    const transferList = [frames, blobs, ids, units, parts].map((array) => array.buffer as ArrayBuffer);
    return this.threads.run(task, transferList) as Promise<ExtractResult>;
  }

  close(): Promise<void> {
    return this.threads.close();
  }
}
