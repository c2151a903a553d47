import { Worker } from 'node:worker_threads';
import { keepHeapsSmall } from '../../platform/index.js';
import { orderOf, type ScanItem, type ScanOrder, type ScanPlan } from '../../scan/index.js';
import { carriedError } from '../worker-errors.js';
import { workerFile } from '../worker-file.js';
import { BatchReader, newRing, type ScanBatch, type ScanRing } from './scan-batches.js';

/** What the thread is started with. */
export interface ScanSetup {
  ring: ScanRing;
  order: ScanOrder;
}

/** What it says: a batch, or how it ended. */
export type ScanMessage =
  | { kind: 'batch'; batch: ScanBatch }
  | { kind: 'done'; rootsRead: number }
  | { kind: 'failed'; error: unknown };

/**
 * `scan` on a thread of its own, so that looking at the disk and comparing go on side by side. It is a few thousand
 * entries ahead at most.
 */
export async function* scanInThread(plan: ScanPlan): AsyncGenerator<ScanItem[], void, undefined> {
  const ring = newRing();
  const reader = new BatchReader(ring);
  const setup: ScanSetup = { ring, order: orderOf(plan) };
  const worker = new Worker(workerFile('scan'), { workerData: setup, trackUnmanagedFds: false });
  worker.once('online', keepHeapsSmall);
  const messages = new Messages(worker);
  try {
    for (;;) {
      const message = await messages.next();
      switch (message.kind) {
        case 'batch':
          yield reader.read(message.batch);
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
