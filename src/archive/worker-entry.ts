import { carryingErrors } from './worker-errors.js';

/** A task as it comes to a thread, with what the thread works with: see ThreadPool. */
export interface ThreadTask<Setup, Task> {
  setup: Setup;
  task: Task;
}

/**
 * The piscina entry of a thread: makes its worker for the first task and hands it each.
 * A worker that cannot be made fails every task.
 */
export function workerEntry<Setup, Worker, Task, Result>(
  make: (setup: Setup) => Promise<Worker>,
  work: (worker: Worker, task: Task) => Promise<Result> | Result,
): (given: ThreadTask<Setup, Task>) => Promise<Result> {
  let worker: Promise<Worker> | undefined;
  return ({ setup, task }) =>
    carryingErrors(async () => {
      worker ??= make(setup);
      return work(await worker, task);
    });
}
