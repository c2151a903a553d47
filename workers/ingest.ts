import type { IngestTask } from '../src/archive/ingest/messages.js';
import { startIngester } from '../src/archive/ingest/start.js';
import { workerEntry } from '../src/archive/worker-entry.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

/** Piscina entry: hands a task to this thread's ingester. */
export default workerEntry(startIngester, (ingester, task: IngestTask) => ingester.run(task));
