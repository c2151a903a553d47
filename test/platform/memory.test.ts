import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runNode } from '../support/child.js';

const folder = mkdtempSync(join(tmpdir(), 'bn-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LITTER = `
  import { keepHeapsSmall } from 'SRC/platform/heaps.ts';
  import { noteGarbage } from 'SRC/platform/memory.ts';
  keepHeapsSmall();
  let most = 0;
  for (let i = 0; i < 400; i++) {
    const buffer = Buffer.alloc(4 << 20, i);
    noteGarbage(buffer.length);
    most = Math.max(most, process.memoryUsage().arrayBuffers);
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  console.log(most >> 20);
`;

test('buffers that became garbage are collected although V8 sees no need to', () => {
  const { stdout, stderr } = runNode(folder, LITTER);
  expect(stderr).toBe('');
  expect(Number(stdout)).toBeGreaterThan(0);
  expect(Number(stdout)).toBeLessThan(100);
});

test('in several threads that begin with it at once, too', () => {
  const { stdout, stderr } = runNode(
    folder,
    `
      import { Worker, isMainThread, workerData } from 'node:worker_threads';
      import { noteGarbage } from 'SRC/platform/memory.ts';
      if (isMainThread) {
        const start = new SharedArrayBuffer(4);
        const workers = Array.from({ length: 6 }, () => new Worker(new URL(import.meta.url), { workerData: start }));
        await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
        Atomics.store(new Int32Array(start), 0, 1);
        Atomics.notify(new Int32Array(start), 0);
        await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
        console.log('done');
      } else {
        const { parentPort } = await import('node:worker_threads');
        parentPort.postMessage('ready');
        Atomics.wait(new Int32Array(workerData), 0, 0);
        for (let i = 0; i < 5; i++) noteGarbage(64 << 20);
      }
    `,
  );
  expect(stderr).toBe('');
  expect(stdout).toBe('done\n');
});
