import type { Config } from '../../config/types.js';
import { takeThreads } from '../early-pool.js';
import { INGEST_THREAD } from '../thread-options.js';
import type { ThreadPool } from '../worker-pool.js';
import { Ingester, type IngestParts } from './ingester.js';
import type {
  CutResult,
  CutTask,
  FilesResult,
  FilesTask,
  FlushResult,
  FlushTask,
  IngestResult,
  IngestSetup,
  IngestTask,
  StoreResult,
  StoreTask,
} from './messages.js';
import { Throttle } from './throttle.js';

/**
 * Tasks that wait, per worker, before one more is started. A start takes more processor time than two tasks of a run that
 * has little to store.
 */
const WAITING_PER_WORKER = 2;

/**
 * How long the calling thread reads before another is started: so many times what the start of the program took,
 * milliseconds within these limits. Many runs of a day have less to read than what starting a thread costs, and where the
 * program starts slowly, because the machine is slow or busy, threads do too.
 */
const OWN_STARTS = 1.25;
const LEAST_OWN = 250;
const MOST_OWN = 1600;
/** Tasks of more bytes than this are for other threads. */
const OWN_BYTES = 32 * 1024 * 1024;

interface Worker {
  thread: Pick<ThreadPool, 'run' | 'close'>;
  /** Whether it has had any, and so may hold something. */
  isUsed: boolean;
  /** Tasks it has. */
  tasks: number;
}

interface Job {
  task: IngestTask;
  /** Bytes to be read for it, about. */
  bytes: number;
  transfer?: ArrayBuffer[];
  /** What the same worker is to do next, before anything else; the job's result is of that then. */
  next?: (result: IngestResult) => IngestTask | undefined;
  resolve: (result: IngestResult) => void;
  reject: (error: unknown) => void;
}

/**
 * The ingest workers, as seen from the main thread: as many threads as there is work for, this one until there is another,
 * and no more work than the limits allow. A limit holds on average: a task is done without pauses.
 */
export class IngestPool {
  /** How many there may be. */
  readonly workers: number;
  /** Bytes of files read so far. */
  bytesRead = 0;
  private setup: IngestSetup | undefined;
  private readonly started: ThreadPool[] = [];
  /** Those of them that can begin with a task at once. */
  private readonly ready: Worker[] = [];
  private own: (Worker & { thread: OwnThread }) | undefined;
  private readonly waiting: Job[] = [];
  private readonly reading: Throttle;
  private readonly writing: Throttle;
  private readonly ending = new AbortController();
  /** Ends pauses. */
  private readonly signal: AbortSignal;
  private readonly much: boolean;
  private readonly ownMilliseconds: number;
  /** Small tasks that a worker has at a time: those under way do not count for limits yet. */
  private readonly atOnce: number;

  /**
   * @param much whether much is to be read, so that the first thread is started at once
   * @param startTook how long the program has been running, milliseconds
   */
  constructor(
    workers: number,
    limits: Pick<Config, 'limitRead' | 'limitUpload'>,
    signal: AbortSignal,
    { much, startTook = performance.now() }: { much: boolean; startTook?: number },
  ) {
    this.ownMilliseconds = Math.min(MOST_OWN, Math.max(LEAST_OWN, OWN_STARTS * startTook));
    this.workers = workers;
    this.atOnce = (limits.limitRead ?? limits.limitUpload) === undefined ? INGEST_THREAD.atOnce : 1;
    this.reading = new Throttle(limits.limitRead);
    this.writing = new Throttle(limits.limitUpload);
    this.signal = AbortSignal.any([signal, this.ending.signal]);
    this.much = much;
    if (much) this.start();
  }

  /**
   * Says what they work with, before the first task.
   * @param own the same for this thread
   */
  setUp(setup: IngestSetup, own: IngestParts): void {
    this.setup = setup;
    this.own = { thread: new OwnThread(own), isUsed: false, tasks: 0 };
    for (const thread of this.started) thread.setUp(setup);
  }

  /** Starts what there may be of threads: much is to come. */
  startAll(): void {
    while (this.started.length < this.workers) this.start();
  }

  /** Has some files read whole, which are so many bytes. */
  files(task: FilesTask, bytes: number): Promise<FilesResult> {
    return this.queue({ task, bytes, transfer: [task.files.buffer as ArrayBuffer] }) as Promise<FilesResult>;
  }

  /**
   * Has a stretch of a big file cut, before all that waits, and stored by the same worker.
   * @param store is told the cuts, from which the next stretch can begin, and says how they are to be stored, if at all
   */
  stretch(task: CutTask, store: (cut: CutResult) => StoreTask | undefined): Promise<StoreResult | CutResult> {
    this.startAll();
    const next = (cut: IngestResult): StoreTask | undefined => store(cut as CutResult);
    return this.queue({ task, bytes: 0, next }) as Promise<StoreResult | CutResult>;
  }

  /** Has every worker store what it holds. No other task may be under way. */
  flush(): Promise<FlushResult[]> {
    const { ready, own } = this;
    const holding = [...ready, ...(own === undefined ? [] : [own])].filter(({ isUsed }) => isUsed);
    const task: FlushTask = { kind: 'flush', isOnly: holding.length === 1 };
    return Promise.all(holding.map(({ thread }) => thread.run(task) as Promise<FlushResult>));
  }

  /** Ends the workers, finished or not; once is enough. */
  async close(): Promise<void> {
    this.ending.abort();
    await Promise.all([this.own?.thread.close(), ...this.started.map((thread) => thread.close())]);
  }

  private start(): void {
    const thread = takeThreads('ingest', INGEST_THREAD);
    if (this.setup !== undefined) thread.setUp(this.setup);
    this.started.push(thread);
    void thread.loaded.then(() => {
      this.ready.push({ thread, isUsed: false, tasks: 0 });
      this.handOut();
    });
  }

  private queue(request: Omit<Job, 'resolve' | 'reject'>): Promise<IngestResult> {
    return new Promise((resolve, reject) => {
      const job = { ...request, resolve, reject };
      if (job.task.kind === 'cut') this.waiting.unshift(job);
      else this.waiting.push(job);
      this.handOut();
    });
  }

  private handOut(): void {
    const { waiting, started, ready, workers } = this;
    this.takeOwn();
    if (waiting.length === 0 || started.length === 0) return;
    for (const worker of ready) if (waiting.length > 0 && worker.tasks === 0) void this.give(worker, waiting.shift()!);
    // Small tasks are done sooner than this thread looks again.
    for (const worker of ready)
      if (waiting.length > 0 && waiting[0].task.kind === 'files' && worker.tasks < this.atOnce)
        void this.give(worker, waiting.shift()!);
    const forThoseToCome = (started.length - ready.length) * this.atOnce;
    if (waiting.length - forThoseToCome < WAITING_PER_WORKER * started.length || started.length === workers) return;
    this.start();
    this.handOut();
  }

  /** Has this thread do a task, unless there is another one that could; and starts one when it has done enough. */
  private takeOwn(): void {
    const { waiting, started, ready, own } = this;
    if (waiting.length === 0 || this.much || ready.length > 0 || own === undefined || own.tasks > 0) return;
    const next = waiting.findIndex(({ task, bytes }) => task.kind === 'files' && bytes <= OWN_BYTES);
    if (started.length === 0 && (next !== 0 || own.thread.worked >= this.ownMilliseconds)) this.start();
    if (next >= 0) void this.give(own, waiting.splice(next, 1)[0]);
  }

  private async give(worker: Worker, { task, transfer, next, resolve, reject }: Job): Promise<void> {
    // Nothing else may come between a task and its next.
    const places = next === undefined ? 1 : this.atOnce;
    worker.tasks += places;
    worker.isUsed = true;
    try {
      await this.reading.pause(this.signal);
      await this.writing.pause(this.signal);
      let result = (await worker.thread.run(task, transfer)) as IngestResult;
      const more = next?.(result);
      if (more !== undefined) result = (await worker.thread.run(more)) as IngestResult;
      this.count(result);
      resolve(result);
    } catch (error) {
      reject(error);
    }
    // Whether another thread has come up shows in the event loop.
    if (worker === this.own && this.started.length > 0) await new Promise((resolve) => setImmediate(resolve));
    worker.tasks -= places;
    this.handOut();
  }

  private count(result: IngestResult): void {
    if ('bytesRead' in result) {
      this.bytesRead += result.bytesRead;
      this.reading.count(result.bytesRead);
    }
    if ('packs' in result) for (const { size } of result.packs) this.writing.count(size);
  }
}

/** The calling thread, as a worker. */
class OwnThread {
  /** For how long it has worked, milliseconds. */
  worked = 0;
  private readonly parts: IngestParts;
  private ingester: Ingester | undefined;

  constructor(parts: IngestParts) {
    this.parts = parts;
  }

  async run(task: object): Promise<IngestResult> {
    const start = performance.now();
    this.ingester ??= new Ingester(this.parts);
    const result = await this.ingester.run(task as IngestTask);
    this.worked += performance.now() - start;
    return result;
  }

  async close(): Promise<void> {
    await this.ingester?.close();
  }
}
