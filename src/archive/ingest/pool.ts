import { availableParallelism } from 'node:os';
import type { Config } from '../../config/types.js';
import { startThreads, type ThreadPool } from '../worker-pool.js';
import type {
  CutResult,
  CutTask,
  FilesResult,
  FilesTask,
  FlushResult,
  IngestResult,
  IngestSetup,
  IngestTask,
  RangeResult,
  RangeTask,
} from './messages.js';
import { Throttle } from './throttle.js';

/** How many workers to use: half the logical cores, at least 2, unless the config says. */
export function workerCount(configured?: number): number {
  return configured ?? Math.max(2, Math.floor(availableParallelism() / 2));
}

/**
 * Tasks that wait, per worker, before one more is started. A start takes more processor time than two tasks of a run that
 * has little to store.
 */
const WAITING_PER_WORKER = 2;

interface Worker {
  thread: ThreadPool;
  busy: boolean;
}

interface Job {
  task: IngestTask;
  transfer?: ArrayBuffer[];
  resolve: (result: IngestResult) => void;
  reject: (error: unknown) => void;
}

/**
 * The ingest workers, as seen from the main thread: as many as there is work for, and no more work than the limits allow.
 * A limit holds on average: a task is done without pauses.
 */
export class IngestPool {
  /** How many there may be. */
  readonly workers: number;
  private setup: IngestSetup | undefined;
  private readonly started: Worker[] = [];
  private readonly waiting: Job[] = [];
  private readonly reading: Throttle;
  private readonly writing: Throttle;
  private readonly ending = new AbortController();
  /** Ends pauses. */
  private readonly signal: AbortSignal;

  /** Starts the first of them. */
  constructor(workers: number, limits: Pick<Config, 'limitRead' | 'limitUpload'>, signal: AbortSignal) {
    this.workers = workers;
    this.reading = new Throttle(limits.limitRead);
    this.writing = new Throttle(limits.limitUpload);
    this.signal = AbortSignal.any([signal, this.ending.signal]);
    this.start();
  }

  /** Says what they work with, before the first task. */
  setUp(setup: IngestSetup): void {
    this.setup = setup;
    for (const { thread } of this.started) thread.setUp(setup);
  }

  /** Has some files read whole. */
  files(task: FilesTask): Promise<FilesResult> {
    return this.queue(task, [task.paths.buffer as ArrayBuffer]) as Promise<FilesResult>;
  }

  /** Has a stretch of a big file cut, before all that waits: what follows from it keeps the other workers busy. */
  cut(task: CutTask): Promise<CutResult> {
    while (this.started.length < this.workers) this.start();
    return this.queue(task) as Promise<CutResult>;
  }

  /** Has a stretch of a big file stored. */
  range(task: RangeTask): Promise<RangeResult> {
    return this.queue(task) as Promise<RangeResult>;
  }

  /** Has every worker store what it holds. No other task may be under way. */
  flush(): Promise<FlushResult[]> {
    return Promise.all(this.started.map(({ thread }) => thread.run({ kind: 'flush' }) as Promise<FlushResult>));
  }

  /** Ends the workers, finished or not; once is enough. */
  async close(): Promise<void> {
    this.ending.abort();
    await Promise.all(this.started.map(({ thread }) => thread.close()));
  }

  private start(): void {
    const thread = startThreads('ingest', { threads: 1, heapMb: 256 });
    if (this.setup !== undefined) thread.setUp(this.setup);
    this.started.push({ thread, busy: false });
  }

  private queue(task: IngestTask, transfer?: ArrayBuffer[]): Promise<IngestResult> {
    return new Promise((resolve, reject) => {
      const job = { task, transfer, resolve, reject };
      if (task.kind === 'cut') this.waiting.unshift(job);
      else this.waiting.push(job);
      this.handOut();
    });
  }

  private handOut(): void {
    const { waiting, started, workers } = this;
    for (const worker of started) if (!worker.busy && waiting.length > 0) void this.give(worker, waiting.shift()!);
    if (waiting.length < WAITING_PER_WORKER * started.length || started.length === workers) return;
    this.start();
    this.handOut();
  }

  private async give(worker: Worker, { task, transfer, resolve, reject }: Job): Promise<void> {
    worker.busy = true;
    try {
      await this.reading.pause(this.signal);
      await this.writing.pause(this.signal);
      const result = (await worker.thread.run(task, transfer)) as IngestResult;
      this.count(result);
      resolve(result);
    } catch (error) {
      reject(error);
    }
    worker.busy = false;
    this.handOut();
  }

  private count(result: IngestResult): void {
    if ('bytesRead' in result) this.reading.count(result.bytesRead);
    if ('packs' in result) for (const { size } of result.packs) this.writing.count(size);
  }
}
