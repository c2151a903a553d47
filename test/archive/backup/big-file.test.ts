import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BigFileRead, readBigFile } from '../../../src/archive/backup/big-file.js';
import { ClaimTable, createClaims } from '../../../src/archive/ingest/claim-table.js';
import { Ingester, type IngestParts } from '../../../src/archive/ingest/ingester.js';
import {
  CLASS_UNKNOWN,
  type CutResult,
  type CutTask,
  type IngestSetup,
  type IngestTask,
  packFiles,
  ReadStatus,
  STAT_FIELDS,
  Stat,
  type StoreResult,
} from '../../../src/archive/ingest/messages.js';
import { newRunId } from '../../../src/archive/ingest/pack-writer.js';
import { IngestPool } from '../../../src/archive/ingest/pool.js';
import { fromDisplay } from '../../../src/bytes.js';
import { blobId } from '../../../src/crypto/blob-id.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { keyOf } from '../../../src/scan/index.js';
import { type ObjectStore, openStore } from '../../../src/store/index.js';
import { noise } from '../../e2e/trees.js';

/** What makes the ingester of a thread, and what is asked of it before it does a task. */
let ingester: () => Ingester;
let beforeTask: (task: IngestTask) => void = () => undefined;

// Threads are this one, with an ingester for each.
vi.mock('../../../src/archive/worker-pool.js', () => ({
  startThreads: () => {
    const own = ingester();
    return {
      threads: 1,
      loaded: Promise.resolve(),
      setUp: () => undefined,
      run: async (task: IngestTask) => {
        await new Promise((resolve) => setImmediate(resolve));
        beforeTask(task);
        return own.run(task);
      },
      close: () => own.close(),
    };
  },
}));

const MIB = 1024 * 1024;
const keyring = createFullKeyring(native);

let folder: string;
let file: string;
let store: ObjectStore;
let pool: IngestPool;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bn-big-'));
  file = join(folder, 'image');
  store = await openStore(join(folder, 'store'), { create: true });
  beforeTask = () => undefined;
});
afterEach(async () => {
  await pool.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A pool with a claim table of its own. */
function newPool(workers: number): ClaimTable {
  const claims = new ClaimTable(createClaims(0, 1000), () => undefined);
  const parts: IngestParts = {
    store,
    keyring,
    origin: { run: newRunId(), writer: new Uint8Array(32) },
    claims,
    chunkers: [
      { min: 16 * 1024, avg: 65536, max: 256 * 1024 },
      { min: 256 * 1024, avg: MIB, max: 4 * MIB },
    ],
    level: 1,
  };
  ingester = () => new Ingester(parts);
  pool = new IngestPool(workers, { limitRead: undefined, limitUpload: undefined }, new AbortController().signal, {
    much: false,
  });
  pool.setUp({} as IngestSetup, parts);
  return claims;
}

const nodeOf = (bytes: Uint8Array): Uint8Array => blobId(keyring, 'chunk-list', bytes);

/** Reads the file as a big one, by so many workers. */
async function readBig(workers: number, classHint = CLASS_UNKNOWN): Promise<BigFileRead> {
  const claims = newPool(workers);
  const stretch = async (task: CutTask, onCut: (cut: CutResult) => void): Promise<StoreResult | undefined> => {
    const result = await pool.stretch(task, (cut) => {
      onCut(cut);
      return cut.pieces.length === 0 ? undefined : { kind: 'store', levels: claims.shared.levels };
    });
    return result.kind === 'store' ? result : undefined;
  };
  return readBigFile({ stretch, put: (_kind, bytes) => nodeOf(bytes) }, fromDisplay(file), classHint);
}

/** The ids that reading the file whole gives. */
async function idsOfWhole(classHint: number): Promise<string> {
  const claims = newPool(1);
  const files = packFiles([keyOf(fromDisplay(file))]);
  const classes = Uint8Array.of(classHint);
  const { stats, ids } = await pool.files({ kind: 'files', files, count: 1, classes, levels: claims.shared.levels }, 1);
  await pool.close();
  expect(stats).toHaveLength(STAT_FIELDS);
  expect(stats[Stat.status]).toBe(ReadStatus.ok);
  return Buffer.from(ids).toString('hex');
}

function idsOf({ read }: BigFileRead): string {
  return Buffer.from(read.ids).toString('hex');
}

/** A file that begins with so many megabytes of text. */
function text(megabytes: number): Buffer {
  const lines = Array.from({ length: 40_000 }, (_, i) => `line ${(i * 7919) % 40_009} of a text\n`).join('');
  return Buffer.alloc(megabytes * MIB, lines);
}

describe('a big file', () => {
  it.each([
    ['of text', () => text(30)],
    ['that does not compress', () => noise(30 * MIB, 'big')],
    [
      'with runs of zeros',
      () => Buffer.concat([text(9), Buffer.alloc(13 * MIB), noise(9 * MIB, 'z'), Buffer.alloc(5)]),
    ],
    ['of one chunk', () => noise(1000, 'small')],
    ['of nothing', () => Buffer.alloc(0)],
  ])('%s is cut as one that is read whole, whoever reads it', async (_what, content) => {
    writeFileSync(file, content());
    for (const chunkClass of [0, 1]) {
      const whole = await idsOfWhole(chunkClass);
      for (const workers of [1, 2, 3]) {
        const big = await readBig(workers, chunkClass);
        expect(idsOf(big)).toBe(whole);
        expect(big.read.status).toBe(ReadStatus.ok);
        expect(big.read.size).toBe(statSync(file).size);
        expect(big.bytesRead).toBe(statSync(file).size);
        await pool.close();
      }
    }
  });

  it('has its holes named, of whatever size and number', async () => {
    const handle = await open(file, 'w');
    let at = 0;
    for (let i = 0; i < 300; i++) {
      const data = noise(((i * 7919) % 50_000) + 1, `${i}`);
      await handle.write(data, 0, data.length, at);
      at += data.length + 70_000 + (i % 5) * 40_000;
      at -= at % 4096;
    }
    await handle.truncate(20 * 1024 * MIB);
    await handle.close();
    const whole = await idsOfWhole(0);
    const big = await readBig(2, 0);
    expect(idsOf(big)).toBe(whole);
    expect(big.read).toMatchObject({ status: ReadStatus.ok, size: 20 * 1024 * MIB });
    expect(big.bytesRead).toBeLessThan(60 * MIB);
  });

  it('is sampled when its class is not known', async () => {
    writeFileSync(file, noise(20 * MIB, 'noise'));
    expect((await readBig(2)).read.chunkClass).toBe(1);
    await pool.close();
    writeFileSync(file, text(20));
    expect((await readBig(2)).read.chunkClass).toBe(0);
  });

  it('is read once: what is stored of a stretch is what was cut', async () => {
    writeFileSync(file, noise(20 * MIB, 'once'));
    const whole = await idsOfWhole(1);
    beforeTask = (task) => {
      // Behind the stretch that was cut there is something else by now.
      if (task.kind === 'store') writeFileSync(file, Buffer.alloc(4 * MIB, 'x'), { flag: 'r+' });
    };
    const big = await readBig(1, 1);
    expect(idsOf(big)).toBe(whole);
    expect(big.read.status).toBe(ReadStatus.changed);
  });
});

describe('a big file that changes while it is read', () => {
  /** Does something before the third stretch is cut. */
  function beforeThird(change: () => void): void {
    let cuts = 0;
    beforeTask = (task) => {
      if (task.kind === 'cut' && ++cuts === 3) change();
    };
  }

  it('has changed, and is read to its new end', async () => {
    writeFileSync(file, noise(30 * MIB, 'grows'));
    beforeThird(() => appendFileSync(file, noise(5 * MIB, 'more')));
    const { read } = await readBig(2);
    expect(read).toMatchObject({ status: ReadStatus.changed, size: 35 * MIB });
  });

  it('has changed when it ends early', async () => {
    writeFileSync(file, noise(30 * MIB, 'shrinks'));
    beforeThird(() => truncateSync(file, 5 * MIB));
    const { read } = await readBig(2);
    expect(read.status).toBe(ReadStatus.changed);
    expect(read.size).toBeLessThan(30 * MIB);
  });

  it('could not be read when it is gone', async () => {
    writeFileSync(file, noise(30 * MIB, 'goes'));
    beforeThird(() => unlinkSync(file));
    const { read } = await readBig(2);
    expect(read.status).toBe(ReadStatus.vanished);
    expect(read.error).toContain('ENOENT');
  });

  it('ends the run, and soon, when what is read of it cannot be stored', async () => {
    writeFileSync(file, noise(200 * MIB, 'full'));
    let cuts = 0;
    beforeTask = (task) => {
      if (task.kind === 'cut') cuts++;
      if (task.kind === 'store') throw new Error('no space left');
    };
    await expect(readBig(2)).rejects.toThrow('no space left');
    expect(cuts).toBeLessThan(5);
  });
});
