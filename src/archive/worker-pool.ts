import type * as piscinaPackage from 'piscina';
import { lazily } from '../lazily.js';
import { giveBuffersBack, SMALL_HEAP, startThreadsOf } from '../platform/index.js';
import { carriedError } from './worker-errors.js';
import { workerFile } from './worker-file.js';

const piscinaModule = lazily<typeof piscinaPackage>('piscina');

/** A pool of threads of one kind, all started at once. */
export interface ThreadPool {
  /** How many threads it has. */
  readonly threads: number;
  /** Resolves when each has loaded its code, or has ended: what is given to one before that waits. */
  readonly loaded: Promise<void>;
  /** Says what every thread works with, before the first task. */
  setUp(setup: object): void;
  /** Has a thread do a task. Errors meant for users are thrown as they were there. */
  run(task: object, transferList?: ArrayBuffer[]): Promise<unknown>;
  /** Ends the threads, finished or not; once is enough. */
  close(): Promise<void>;
}

/** What a pool is made of. */
export interface ThreadPoolOptions {
  threads: number;
  /** Tasks that a thread has under way at a time; default 1. */
  atOnce?: number;
  /** Bounds the memory of each thread's heap. */
  heapMb?: number;
}

/**
 * Starts threads.
 *
 * Closing waits until each thread has loaded its modules: ending one that is loading native code (libc's binding, say)
 * ends the whole process with a fatal error, in the middle of whatever it is doing. Entries of workers load what they
 * need at once, not with their first task, for the same reason.
 * @param name of the file in workers/, without ending
 */
export function startThreads(name: string, options: ThreadPoolOptions): ThreadPool {
  const { threads, atOnce, heapMb } = options;
  giveBuffersBack();
  const { Piscina } = piscinaModule();
  const { made: piscina, loaded } = startThreadsOf(
    () =>
      new Piscina({
        filename: workerFile(name),
        minThreads: threads,
        maxThreads: threads,
        // Threads wait for messages, not in Atomics.wait: there they could not finish what they have under way.
        atomics: 'disabled',
        // Files are opened through libc and handed from thread to thread, which Node's bookkeeping does not see.
        trackUnmanagedFds: false,
        ...(atOnce !== undefined && { concurrentTasksPerWorker: atOnce }),
        resourceLimits: { ...SMALL_HEAP, ...(heapMb !== undefined && { maxOldGenerationSizeMb: heapMb }) },
      }),
    (pool) => pool.threads,
  );
  // What a thread says that no task waits for: the answers that come while the threads are ended. Else it is a failure
  // of the pool, which without a listener would end the process.
  let closing = false;
  let failure: unknown;
  piscina.on('error', (error) => {
    if (!closing) failure ??= error;
  });
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    closing = true;
    // Idle threads do not keep the process alive.
    const alive = setInterval(() => undefined, 60_000);
    await loaded;
    clearInterval(alive);
    await piscina.destroy();
  };
  const close = (): Promise<void> => {
    ended ??= end();
    return ended;
  };
  let setup: object | undefined;
  const setUp = (given: object): void => {
    setup = given;
  };
  const run = async (task: object, transferList?: ArrayBuffer[]): Promise<unknown> => {
    if (failure !== undefined) throw failure;
    try {
      return await piscina.run({ setup, task }, transferList && { transferList });
    } catch (error) {
      throw carriedError(error);
    }
  };
  return { threads, loaded, setUp, run, close };
}
