import { isDeepStrictEqual } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { orderOf, type ScanOrder, type ScanPlan } from '../../scan/index.js';
import { carriedError } from '../worker-errors.js';
import { takeScan } from './early-scan.js';
import { BatchReader, newRing, type ScanBatch, type ScanRing } from './scan-batches.js';
import type { ScanRows } from './scan-rows.js';

/** What it says: that it has loaded its code, then batches, then how it ended. */
export type ScanMessage =
  | { kind: 'loaded' }
  | { kind: 'batch'; batch: ScanBatch }
  | { kind: 'done'; rootsRead: number }
  | { kind: 'failed'; error: unknown };

/** What it is told: to scan, or that there is nothing to do. */
export type ScanOrders = { ring: ScanRing; order: ScanOrder } | { ring: undefined };

/** A thread for one scan, so that looking at the disk and comparing go on side by side. */
export class ScanThread {
  private readonly worker: Worker;
  private readonly messages: Messages;
  /** What it was told to scan. */
  private begun: { order: ScanOrder; reader: BatchReader; at: number } | undefined;
  private isDismissed = false;

  constructor() {
    this.worker = takeScan();
    this.messages = new Messages(this.worker);
  }

  /** Has it begin, once, although nobody reads yet: it is some ten thousand entries ahead at most. */
  begin(plan: ScanPlan): BatchReader {
    const ring = newRing();
    const order = orderOf(plan);
    const reader = new BatchReader(ring);
    this.begun = { order, reader, at: performance.now() };
    this.tell({ ring, order });
    return reader;
  }

  /** When it began, as the steady timer shows it (milliseconds); undefined before it has. */
  get begunAt(): number | undefined {
    return this.begun?.at;
  }

  /** Whether what it has begun is what this plan says. */
  fits(plan: ScanPlan): boolean {
    return isDeepStrictEqual(this.begun?.order, orderOf(plan));
  }

  /** `scan` on this thread, of a plan that fits. What it yields holds until the next step. */
  async *scan(plan: ScanPlan): AsyncGenerator<ScanRows, void, undefined> {
    const { messages } = this;
    const reader = this.begun?.reader ?? this.begin(plan);
    try {
      for (;;) {
        const message = await messages.next();
        switch (message.kind) {
          case 'loaded':
            break;
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

  /** Sends the thread home, whatever it has done; resolves when it has ended. */
  dismiss(): Promise<void> {
    if (this.begun !== undefined) this.begun.reader.stop();
    else if (!this.isDismissed) this.tell({ ring: undefined });
    this.isDismissed = true;
    return this.messages.ended;
  }

  private tell(orders: ScanOrders): void {
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
