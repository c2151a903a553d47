import type { IngestTask } from '../src/archive/ingest/messages.js';
import { startIngester } from '../src/archive/ingest/start.js';
import { workerEntry } from '../src/archive/worker-entry.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

let last = Promise.resolve();

/** Piscina entry: hands this thread's ingester its tasks, one after the other. */
export default workerEntry(startIngester, (ingester, task: IngestTask) => {
  const result = last.then(() => ingester.run(task));
  // Not before the result is on its way.
  const sent = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  last = result.then(sent, sent);
  return result;
});
