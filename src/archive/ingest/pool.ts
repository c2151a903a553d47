import { availableParallelism } from 'node:os';
import { startThreads, type ThreadPool } from '../worker-pool.js';
import type {
  CutResult,
  CutTask,
  FilesResult,
  FilesTask,
  FlushResult,
  FlushTask,
  IngestSetup,
  RangeResult,
  RangeTask,
} from './messages.js';

/** How many workers to use: half the logical cores, at least 2, unless the config says. */
export function workerCount(configured?: number): number {
  return configured ?? Math.max(2, Math.floor(availableParallelism() / 2));
}

/** The ingest workers, as seen from the main thread. */
export class IngestPool {
  readonly workers: number;
  private readonly threads: ThreadPool;

  constructor(setup: IngestSetup, workers: number) {
    this.workers = workers;
    this.threads = startThreads('ingest', { threads: workers, heapMb: 256 });
    this.threads.setUp(setup);
  }

  /** Has some files read whole. */
  files(task: FilesTask): Promise<FilesResult> {
    return this.threads.run(task, [task.paths.buffer as ArrayBuffer]) as Promise<FilesResult>;
  }

  /** Has a stretch of a big file cut. */
  cut(task: CutTask): Promise<CutResult> {
    return this.threads.run(task) as Promise<CutResult>;
  }

  /** Has a stretch of a big file stored. */
  range(task: RangeTask): Promise<RangeResult> {
    return this.threads.run(task) as Promise<RangeResult>;
  }

  /** Has every worker store what it holds. No other task may be under way. */
  flush(): Promise<FlushResult[]> {
    const barrier = new SharedArrayBuffer(4);
    const task: FlushTask = { kind: 'flush', barrier, workers: this.workers };
    return Promise.all(Array.from({ length: this.workers }, () => this.threads.run(task) as Promise<FlushResult>));
  }

  /** Ends the workers, finished or not. */
  close(): Promise<void> {
    return this.threads.close();
  }
}
