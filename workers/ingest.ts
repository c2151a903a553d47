import type { Ingester } from '../src/archive/ingest/ingester.js';
import type { IngestResult, IngestTask } from '../src/archive/ingest/messages.js';
import { startIngester } from '../src/archive/ingest/start.js';
import { workerEntry } from '../src/archive/worker-entry.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

/** Piscina entry: hands a task to this thread's ingester. */
export default workerEntry(startIngester, run);

async function run(ingester: Ingester, task: IngestTask): Promise<IngestResult> {
  switch (task.kind) {
    case 'files':
      return ingester.files(task);
    case 'cut':
      return ingester.cut(task);
    case 'range':
      return ingester.range(task);
    case 'flush':
      return ingester.flush();
  }
}
