import { workerData } from 'node:worker_threads';
import type { ExtractResult, ExtractSetup, ExtractTask } from '../src/archive/restore/messages.js';
import { startExtractor } from '../src/archive/restore/start.js';
import { carryingErrors } from '../src/archive/worker-errors.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

const extractor = startExtractor(workerData as ExtractSetup);
// A failure is told by each task; without one it is nobody's.
extractor.catch(() => undefined);

/** Piscina entry: hands a task to this thread's extractor. */
export default function extract(task: ExtractTask): Promise<ExtractResult> {
  return carryingErrors(async () => (await extractor).run(task));
}
