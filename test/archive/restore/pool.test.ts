import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WorkerPool } from '../../../src/archive/restore/pool.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { ExitCode } from '../../../src/errors.js';

function poolOf(folder: string, workers: number): WorkerPool {
  const setup = {
    storeUrl: join(folder, 'gone'),
    storeOptions: { tableDir: folder, command: 'restore', withoutConfig: true },
    keyring: createFullKeyring(native).toData(),
    verify: false,
  };
  const pool = new WorkerPool(workers, 2);
  pool.setUp(setup);
  return pool;
}

const task = () => ({
  packs: [],
  frames: new Float64Array(0),
  blobs: new Uint32Array(0),
  ids: new Uint8Array(0),
  units: new Float64Array(0),
  parts: new Float64Array(0),
  names: '',
  xattrs: [],
});

/** What would have ended the process. */
async function uncaughtIn(work: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    await work();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return uncaught;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pool-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a store that is gone when the threads open it is an error of the tasks, and of nothing else', async () => {
  const uncaught = await uncaughtIn(async () => {
    const pool = poolOf(folder, 1);
    // Time enough to fail before there is a task.
    await sleep(1500);
    await expect(pool.run(task())).rejects.toMatchObject({ exit: ExitCode.noStore });
    await pool.close();
  });
  expect(uncaught).toEqual([]);
});

test("answers that come while the threads are ended are nobody's", async () => {
  const uncaught = await uncaughtIn(async () => {
    for (let i = 0; i < 10; i++) {
      const pool = poolOf(folder, 2);
      await pool.run(task()).catch(() => undefined);
      const tasks = Array.from({ length: 100 }, () => pool.run(task()).catch(() => undefined));
      await Promise.race(tasks);
      await pool.close();
      await sleep(20);
    }
  });
  expect(uncaught).toEqual([]);
});
