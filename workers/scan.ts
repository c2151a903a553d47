import { parentPort } from 'node:worker_threads';
import { BatchWriter, type ScanRing } from '../src/archive/backup/scan-batches.js';
import type { ScanMessage, ScanOrders } from '../src/archive/backup/scan-thread.js';
import { carryingErrors } from '../src/archive/worker-errors.js';
import { planOf, type ScanOrder, scan } from '../src/scan/index.js';

// With the listener gone, nothing keeps the thread: it ends when this is done.
parentPort?.once('message', async (orders: ScanOrders) => {
  if (orders.ring === undefined) return;
  try {
    await carryingErrors(() => run(orders.ring, orders.order));
  } catch (error) {
    say({ kind: 'failed', error });
  }
});

say({ kind: 'loaded' });

/** Scans as ordered; nothing here waits for messages. */
function run(ring: ScanRing, order: ScanOrder): void {
  const plan = planOf(order);
  const writer = new BatchWriter(ring, (batch) => say({ kind: 'batch', batch }));
  for (const item of scan(plan)) if (!writer.add(item)) return;
  if (writer.flush()) say({ kind: 'done', rootsRead: plan.rootsRead });
}

function say(message: ScanMessage): void {
  parentPort?.postMessage(message);
}
