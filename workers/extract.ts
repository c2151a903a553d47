import type { Extractor } from '../src/archive/restore/extractor.js';
import type { ExtractTask } from '../src/archive/restore/messages.js';
import { startExtractor } from '../src/archive/restore/start.js';
import { workerEntry } from '../src/archive/worker-entry.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

/** Piscina entry: hands a task to this thread's extractor. */
export default workerEntry(startExtractor, (extractor: Extractor, task: ExtractTask) => extractor.run(task));
