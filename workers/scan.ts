import { parentPort, workerData } from 'node:worker_threads';
import { BatchWriter } from '../src/archive/backup/scan-batches.js';
import type { ScanMessage, ScanSetup } from '../src/archive/backup/scan-thread.js';
import { carryingErrors } from '../src/archive/worker-errors.js';
import { planOf, scan } from '../src/scan/index.js';

const { ring, order } = workerData as ScanSetup;

try {
  await carryingErrors(run);
} catch (error) {
  say({ kind: 'failed', error });
}

/** Scans as ordered; nothing here waits for messages, so the thread ends when this does. */
function run(): void {
  const plan = planOf(order);
  const writer = new BatchWriter(ring, (batch) => say({ kind: 'batch', batch }));
  for (const item of scan(plan)) if (!writer.add(item)) return;
  if (writer.flush()) say({ kind: 'done', rootsRead: plan.rootsRead });
}

function say(message: ScanMessage): void {
  parentPort?.postMessage(message);
}
