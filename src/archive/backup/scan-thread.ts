import type { Worker } from 'node:worker_threads';
import { orderOf, type ScanOrder, type ScanPlan } from '../../scan/index.js';
import { carriedError } from '../worker-errors.js';
import { takeScan } from './early-scan.js';
import { BatchReader, newRing, type ScanBatch, type ScanRing } from './scan-batches.js';
import type { ScanRows } from './scan-rows.js';

/** What it says: a batch, or how it ended. */
export type ScanMessage =
  | { kind: 'batch'; batch: ScanBatch }
  | { kind: 'done'; rootsRead: number }
  | { kind: 'failed'; error: unknown };

/** What it is told: to scan, or that there is nothing to do. */
export type ScanOrders = { ring: ScanRing; order: ScanOrder } | { ring: undefined };

/** A thread for one scan, so that looking at the disk and comparing go on side by side. */
export class ScanThread {
  private readonly worker: Worker;
  private readonly messages: Messages;
  private isOrdered = false;

  constructor() {
    this.worker = takeScan();
    this.messages = new Messages(this.worker);
  }

  /** `scan` on this thread. It is a few thousand entries ahead at most. What it yields holds until the next step. */
  async *scan(plan: ScanPlan): AsyncGenerator<ScanRows, void, undefined> {
    const { messages } = this;
    const ring = newRing();
    const reader = new BatchReader(ring);
    this.order({ ring, order: orderOf(plan) });
    try {
      for (;;) {
        const message = await messages.next();
        switch (message.kind) {
          case 'batch':
            yield reader.read(message.batch);
            reader.free();
            break;
          case 'done':
            plan.rootsRead = message.rootsRead;
            return;
          case 'failed':
            throw carriedError(message.error);
        }
      }
    } finally {
      // It ends by itself: to end it from here while it loads native code would end the process.
      reader.stop();
      await messages.ended;
    }
  }

  /** Sends the thread home if it was never needed; resolves when it has ended. */
  dismiss(): Promise<void> {
    if (!this.isOrdered) this.order({ ring: undefined });
    return this.messages.ended;
  }

  private order(orders: ScanOrders): void {
    this.isOrdered = true;
    this.worker.postMessage(orders);
  }
}

/** A worker's messages, one after the other. */
class Messages {
  /** Settles when the thread has ended. */
  readonly ended: Promise<void>;
  private readonly waiting: ScanMessage[] = [];
  private wake: (() => void) | undefined;
  private failure: Error | undefined;

  constructor(worker: Worker) {
    const add = (message: ScanMessage): void => {
      this.waiting.push(message);
      this.wake?.();
    };
    worker.on('message', add);
    worker.on('error', (error) => {
      this.failure = error;
    });
    this.ended = new Promise((resolve) => {
      worker.on('exit', () => {
        add({ kind: 'failed', error: this.failure ?? new Error('the scanning thread ended too early') });
        resolve();
      });
    });
  }

  async next(): Promise<ScanMessage> {
    if (this.waiting.length === 0)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    this.wake = undefined;
    return this.waiting.shift()!;
  }
}
