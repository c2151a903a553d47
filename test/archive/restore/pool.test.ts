import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WorkerPool } from '../../../src/archive/restore/pool.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { ExitCode } from '../../../src/errors.js';

test('a store that is gone when the threads open it is an error of the tasks, and of nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pool-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const pool = new WorkerPool(
    {
      storeUrl: join(folder, 'gone'),
      storeOptions: { tableDir: folder, command: 'restore', withoutConfig: true },
      keyring: createFullKeyring(native).toData(),
      verify: false,
    },
    1,
    1,
  );
  const uncaught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    // Time enough to fail before there is a task.
    await sleep(1500);
    const task = {
      packs: [],
      frames: new Float64Array(0),
      blobs: new Uint32Array(0),
      ids: new Uint8Array(0),
      units: new Float64Array(0),
      parts: new Float64Array(0),
      names: '',
      xattrs: [],
    };
    await expect(pool.run(task)).rejects.toMatchObject({ exit: ExitCode.noStore });
    await pool.close();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  expect(uncaught).toEqual([]);
});
