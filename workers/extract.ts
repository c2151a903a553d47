import { workerData } from 'node:worker_threads';
import type { ExtractResult, ExtractSetup, ExtractTask } from '../src/archive/restore/messages.js';
import { startExtractor } from '../src/archive/restore/start.js';

const extractor = startExtractor(workerData as ExtractSetup);

/** Piscina entry: hands a task to this thread's extractor. */
export default async function extract(task: ExtractTask): Promise<ExtractResult> {
  return (await extractor).run(task);
}
