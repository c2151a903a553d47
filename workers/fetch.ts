import { type Fetcher, type FetchTask, startFetcher } from '../src/archive/fetch/fetcher.js';
import { workerEntry } from '../src/archive/worker-entry.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

/** Piscina entry: fetches some blobs. */
export default workerEntry(startFetcher, (fetcher: Fetcher, task: FetchTask) => fetcher.fetch(task));
