import { workerData } from 'node:worker_threads';
import type { IngestResult, IngestSetup, IngestTask } from '../src/archive/ingest/messages.js';
import { startIngester } from '../src/archive/ingest/start.js';
import { carryingErrors } from '../src/archive/worker-errors.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

const ingester = startIngester(workerData as IngestSetup);
// A failure is told by each task; without one it is nobody's.
ingester.catch(() => undefined);

/** Piscina entry: hands a task to this thread's ingester. */
export default function ingest(task: IngestTask): Promise<IngestResult> {
  return carryingErrors(() => run(task));
}

async function run(task: IngestTask): Promise<IngestResult> {
  const worker = await ingester;
  switch (task.kind) {
    case 'files':
      return worker.files(task);
    case 'cut':
      return worker.cut(task);
    case 'range':
      return worker.range(task);
    case 'flush':
      arrive(task.barrier, task.workers);
      return worker.flush();
  }
}

/** Waits until every worker has come here, so that none can take two flush tasks. */
function arrive(barrier: SharedArrayBuffer, workers: number): void {
  const arrived = new Int32Array(barrier);
  let count = Atomics.add(arrived, 0, 1) + 1;
  Atomics.notify(arrived, 0);
  while (count < workers) {
    Atomics.wait(arrived, 0, count);
    count = Atomics.load(arrived, 0);
  }
}
