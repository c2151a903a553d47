import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClaimTable, createClaims } from '../../../src/archive/ingest/claim-table.js';
import type { IngestParts } from '../../../src/archive/ingest/ingester.js';
import {
  CLASS_UNKNOWN,
  type FilesTask,
  type FlushTask,
  type IngestSetup,
  type IngestTask,
  packFiles,
  STAT_FIELDS,
  Stat,
  type StoreTask,
} from '../../../src/archive/ingest/messages.js';
import { newRunId } from '../../../src/archive/ingest/pack-writer.js';
import { IngestPool } from '../../../src/archive/ingest/pool.js';
import { fromDisplay } from '../../../src/bytes.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { keyOf } from '../../../src/scan/index.js';
import { type ObjectStore, objectPath, openStore } from '../../../src/store/index.js';

/** What the threads that were started were given to do. */
const threads: IngestTask[][] = [];
/** When they have loaded their code. */
let loaded: Promise<void>;

vi.mock('../../../src/archive/worker-pool.js', () => ({
  startThreads: () => {
    const tasks: IngestTask[] = [];
    threads.push(tasks);
    return {
      threads: 1,
      loaded,
      setUp: () => undefined,
      run: async (task: IngestTask) => {
        tasks.push(task);
        return { kind: task.kind, packs: [], frames: [], bytesRead: 0 };
      },
      close: async () => undefined,
    };
  },
}));

const MIB = 1024 * 1024;

let folder: string;
let store: ObjectStore;
let parts: IngestParts;
let pool: IngestPool;

beforeEach(async () => {
  threads.length = 0;
  loaded = Promise.resolve();
  folder = mkdtempSync(join(tmpdir(), 'bn-ingest-'));
  store = await openStore(join(folder, 'store'), { create: true });
  mkdirSync(join(folder, 'files'));
  parts = {
    store,
    keyring: createFullKeyring(native),
    origin: { run: newRunId(), writer: new Uint8Array(32) },
    claims: new ClaimTable(createClaims(0, 1000), () => undefined),
    chunkers: [
      { min: 4096, avg: 16384, max: 65536 },
      { min: 4096, avg: 16384, max: 65536 },
    ],
    level: 3,
  };
});
afterEach(async () => {
  await pool.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

interface PoolSettings {
  workers?: number;
  startTook?: number;
  limitRead?: number;
}

function start(much: boolean, { workers = 2, startTook = 100, limitRead }: PoolSettings = {}): void {
  const limits = { limitRead, limitUpload: undefined };
  pool = new IngestPool(workers, limits, new AbortController().signal, { much, startTook });
  pool.setUp({} as IngestSetup, parts);
}

/** A task over new files with these contents. */
function files(...contents: string[]): FilesTask {
  const keys = contents.map((content, i) => {
    const path = join(folder, 'files', `${i}`);
    writeFileSync(path, content);
    return keyOf(fromDisplay(path));
  });
  const classes = new Uint8Array(keys.length).fill(CLASS_UNKNOWN);
  return { kind: 'files', files: packFiles(keys), count: keys.length, classes, levels: parts.claims.shared.levels };
}

const spooled = (): string[] => readdirSync(store.spoolDir());

describe('while there is little to read', () => {
  it('this thread does it, and its pack stands alone', async () => {
    start(false);
    const result = await pool.files(files('one', 'two and more', 'one'), 20);
    expect([...result.stats].filter((_, i) => i % STAT_FIELDS === Stat.size)).toEqual([3, 12, 3]);
    expect(result).toMatchObject({ bytesRead: 18, bytesNew: 15, errors: [] });
    const [flushed] = await pool.flush();
    expect(flushed.frames).toEqual([]);
    const [{ name, size }] = flushed.packs;
    expect(statSync(join(folder, 'store', objectPath('packs', name))).size).toBe(size);
    expect(threads).toEqual([]);
  });

  it('leaves nothing behind when it is given up', async () => {
    start(false);
    // More than a frame, so that a pack is begun.
    await pool.files(files(...Array.from({ length: 40 }, (_, i) => `${i} `.repeat(MIB / 80))), MIB);
    expect(spooled()).toHaveLength(1);
    await pool.close();
    expect(spooled()).toEqual([]);
  });

  it('the files of a task that fails are reported, not the run', async () => {
    start(false);
    const task = files('here', 'gone');
    rmSync(join(folder, 'files', '1'));
    const { errors } = await pool.files(task, 8);
    expect(errors).toEqual([[1, expect.stringContaining('ENOENT')]]);
  });
});

describe('threads are started', () => {
  it('for a task that would hold this one up', async () => {
    start(false);
    await pool.files(files('one'), 3);
    await pool.files(files('two'), 33 * MIB);
    expect(threads.map((tasks) => tasks.map(({ kind }) => kind))).toEqual([['files']]);
  });

  /** Does tasks of which each takes 300 ms. */
  async function doTasks(...texts: string[]): Promise<void> {
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => {
      clock += 300;
      return clock;
    });
    try {
      for (const text of texts) await pool.files(files(text), 5);
    } finally {
      now.mockRestore();
    }
  }

  /** Threads that have not loaded their code before this is called. */
  function slowToLoad(): () => void {
    let load: () => void = () => undefined;
    loaded = new Promise((resolve) => {
      load = resolve;
    });
    return load;
  }

  it('later where the program took long to start', async () => {
    start(false, { startTook: 400 });
    await doTasks('one', 'two', 'three', 'four', 'five');
    expect(threads.map((tasks) => tasks.length)).toEqual([2]);
  });

  it('but not ever later', async () => {
    start(false, { startTook: 60_000 });
    await doTasks('one', 'two', 'three', 'four', 'five', 'six', 'seven');
    expect(threads.map((tasks) => tasks.length)).toEqual([0]);
  });

  it('when this one has done enough', async () => {
    start(false);
    await doTasks('one', 'two', 'three', 'four');
    expect(threads.map((tasks) => tasks.length)).toEqual([2]);
    const flushed = await pool.flush();
    // Both hold something: neither's pack stands alone.
    expect(flushed).toHaveLength(2);
    expect((threads[0].at(-1) as FlushTask).isOnly).toBe(false);
    expect(flushed[1]).toMatchObject({ packs: [], frames: [{ lengths: Uint32Array.of(3, 3) }] });
  });

  it('and this one goes on until one of them has loaded its code', async () => {
    const load = slowToLoad();
    start(false);
    await doTasks('one', 'two', 'three', 'four');
    expect(threads).toEqual([[]]);
    load();
    await loaded;
    await doTasks('five', 'six');
    expect(threads).toMatchObject([[{ kind: 'files' }, { kind: 'files' }]]);
  });

  it('but one that came too late has nothing to give up, and nothing waits for it', async () => {
    slowToLoad();
    start(false);
    await doTasks('one', 'two');
    expect(threads).toEqual([[]]);
    const [{ packs }] = await pool.flush();
    expect(packs).toHaveLength(1);
    expect(threads).toEqual([[]]);
  });

  it('and small tasks are this one’s until then, though big ones wait', async () => {
    const load = slowToLoad();
    start(false);
    const big = pool.files(files('one'), 33 * MIB);
    await pool.files(files('two'), 3);
    expect(threads).toEqual([[]]);
    load();
    await big;
    expect(threads).toMatchObject([[{ kind: 'files' }]]);
  });

  it('at once where much is expected, and this one does nothing', async () => {
    start(true);
    expect(threads).toHaveLength(1);
    await pool.files(files('one'), 3);
    expect(await pool.flush()).toHaveLength(1);
    expect(threads[0]).toMatchObject([{ kind: 'files' }, { kind: 'flush', isOnly: true }]);
  });

  it('all of them before a big file', async () => {
    start(false, { workers: 3 });
    pool.startAll();
    await loaded;
    await pool.files(files('small'), 5);
    expect(threads).toHaveLength(3);
    expect(threads.flat()).toHaveLength(1);
  });
});

describe('a thread has', () => {
  /** How many of five tasks each of two threads is given before it has done one. */
  async function given(make: () => Promise<unknown>, settings: PoolSettings = {}): Promise<number[]> {
    start(true, settings);
    pool.startAll();
    await loaded;
    const done = Promise.all(Array.from({ length: 5 }, make));
    // What gives a task waits for the limits first.
    await Promise.resolve().then(() => undefined);
    const tasks = threads.map(({ length }) => length);
    await done;
    expect(threads.flat()).toHaveLength(5);
    return tasks;
  }

  it('the next small files at hand', async () => {
    expect(await given(() => pool.files(files('one'), 3))).toEqual([2, 2]);
  });

  it('one task where a limit waits for what was read', async () => {
    expect(await given(() => pool.files(files('one'), 3), { limitRead: 1024 * MIB })).toEqual([1, 1]);
  });

  it('one stretch of a big file, and nothing that could come between cutting and storing it', async () => {
    const { levels } = parts.claims.shared;
    start(true);
    pool.startAll();
    const cut = { kind: 'cut', path: fromDisplay('/x'), offset: 0, chunkClass: 0 } as const;
    const work: Promise<unknown>[] = [];
    const store = (): StoreTask => {
      // What is queued just now must wait.
      work.push(pool.files(files('one'), 3));
      return { kind: 'store', levels };
    };
    work.push(...Array.from({ length: 3 }, () => pool.stretch(cut, store)));
    work.push(...Array.from({ length: 3 }, () => pool.files(files('one'), 3)));
    await Promise.all(work);
    while (work.length > 0) await work.pop();
    const kinds = threads.map((tasks) => tasks.map(({ kind }) => kind));
    expect(kinds.flat().sort()).toEqual([
      ...Array(3).fill('cut'),
      ...Array(6).fill('files'),
      ...Array(3).fill('store'),
    ]);
    for (const tasks of kinds)
      tasks.forEach((kind, i) => {
        expect(tasks[i + 1] === 'store').toBe(kind === 'cut');
      });
  });
});
