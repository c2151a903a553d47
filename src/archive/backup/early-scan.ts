import { Worker } from 'node:worker_threads';
import { SMALL_HEAP, startThreadsOf } from '../../platform/heaps.js';
import { onDismissal } from '../early-threads.js';
import { workerFile } from '../worker-file.js';

/** Not taken yet. */
let early: Worker | undefined;

/** Starts the thread of a scan that is about to be made, while what makes it is loaded: either takes about as long. */
export function startScanEarly(): void {
  early = startScan();
  early.once('error', () => undefined); // whoever takes it starts another
  onDismissal(dismissEarlyScan);
}

/** The thread for a scan: the one that was started early, or else a new one. */
export function takeScan(): Worker {
  const worker = early;
  early = undefined;
  return worker === undefined || worker.threadId === ENDED ? startScan() : worker;
}

async function dismissEarlyScan(): Promise<void> {
  if (early === undefined || early.threadId === ENDED) return;
  const ended = new Promise((resolve) => early?.once('exit', resolve));
  early.postMessage({ ring: undefined });
  early = undefined;
  await ended;
}

/** What `threadId` is of a thread that is gone. */
const ENDED = -1;

function startScan(): Worker {
  const make = (): Worker => new Worker(workerFile('scan'), { trackUnmanagedFds: false, resourceLimits: SMALL_HEAP });
  return startThreadsOf(make, (worker) => [worker]).made;
}
