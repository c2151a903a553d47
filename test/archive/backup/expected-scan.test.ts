import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ExpectedScan, planOptions } from '../../../src/archive/backup/expected-scan.js';
import type { ScanMessage, ScanThread } from '../../../src/archive/backup/scan-thread.js';
import type { Context } from '../../../src/archive/context.js';
import type { Lineage } from '../../../src/archive/lineage.js';
import type { BackupOptions } from '../../../src/archive/types.js';
import { type Catalog, lastUse } from '../../../src/catalog/index.js';
import { planRoots, type RootPlan, type ScanPlan } from '../../../src/scan/index.js';

/** Resolves when the thread that was started last has scanned all, or has ended. */
let scanned: Promise<void>;
vi.mock('../../../src/archive/backup/early-scan.js', async (original) => {
  const real = await original<{ takeScan(): Worker }>();
  const takeScan = (): Worker => {
    const worker = real.takeScan();
    scanned = new Promise((resolve) => {
      worker.on('message', ({ kind }: ScanMessage) => kind === 'done' && resolve());
      worker.on('exit', () => resolve());
    });
    return worker;
  };
  return { ...real, takeScan };
});

const OPTIONS: BackupOptions = {
  hardRemove: false,
  dryRun: false,
  tags: [],
  exclude: [],
  acceptRollback: false,
  acceptEmpty: [],
  roots: [],
};
/** The catalog whose head is compared with. */
const OWN = 'aa'.repeat(16);
const LINEAGE = { id: 1, head: { catalogId: OWN } } as unknown as Lineage;

let folder: string;
let tree: string;
let context: Context;
const begun: ExpectedScan[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bn-expected-'));
  tree = join(folder, 'tree');
  mkdirSync(join(folder, 'table'));
  mkdirSync(tree);
  writeFileSync(join(tree, 'a'), '');
  // As large as one that knows much.
  writeFileSync(join(folder, 'table/catalog.db'), '');
  truncateSync(join(folder, 'table/catalog.db'), 2 * 1024 * 1024);
  writeFileSync(join(folder, 'table/catalog.lock'), '');
  context = {
    config: {
      tableDir: join(folder, 'table'),
      store: { url: join(folder, 'store') },
      backupRoots: [tree],
      exclude: [],
      excludeFiles: [],
      excludeCaches: false,
      oneFileSystem: false,
    },
  } as unknown as Context;
  // A lock that has only just been used does not tell one use from the next.
  await sleep(150);
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const scan of begun.splice(0)) await scan.dismiss();
  rmSync(folder, { recursive: true, force: true });
});

/** @param patience how long its thread may take to see all, milliseconds; one that does not begin never will */
async function begin(options: Partial<BackupOptions> = {}, patience = 300): Promise<ExpectedScan> {
  const scan = await ExpectedScan.begin(context, { ...OPTIONS, ...options });
  if (scan === undefined) throw new Error('there is little to scan');
  begun.push(scan);
  await Promise.race([scanned, sleep(patience, undefined, { ref: false })]);
  return scan;
}

async function plan(more: { exclude?: string[]; hasEntries?: boolean } = {}): Promise<ScanPlan> {
  const { scan }: RootPlan = await planRoots({
    ...planOptions(context, { ...OPTIONS, exclude: more.exclude ?? [] }),
    previousRoots: [],
    hasEntries: () => more.hasEntries ?? true,
    confirm: async () => true,
  });
  return scan;
}

/** The catalog as a writer opens it now. */
const catalog = (): Catalog => ({ id: OWN, usedBefore: lastUse(join(folder, 'table')) }) as Catalog;

/** Names of the files that a thread finds for a plan. */
async function found(thread: ScanThread, of: ScanPlan): Promise<string[]> {
  const names: string[] = [];
  for await (const items of thread.scan(of)) while (!items.done) names.push(items.next().key.split('\0').at(-1)!);
  return names.filter((name) => name.length === 1);
}

/** What a run finds whose scan begins, when a file comes after it and then something else happens. */
async function foundAfter(
  happens: () => void | Promise<void>,
  parts: { of?: ScanPlan; lineage?: Lineage; options?: Partial<BackupOptions>; patience?: number } = {},
): Promise<string[]> {
  const scan = await begin(parts.options, parts.patience);
  writeFileSync(join(tree, 'b'), '');
  await happens();
  const of = parts.of ?? (await plan());
  return found(await scan.threadFor(of, catalog(), parts.lineage ?? LINEAGE), of);
}

test('a scan that was expected is not made again', async () => {
  // However long the thread takes to start.
  vi.spyOn(performance, 'now').mockReturnValue(0);
  expect(await foundAfter(() => undefined, { patience: 10_000 })).toEqual(['a']);
});

test('where a run has written the catalog since, it is: what that run found new would be taken for gone', async () => {
  const scan = await begin();
  writeFileSync(join(tree, 'b'), '');
  // Another run takes the lock, says so, and gives it back.
  writeFileSync(join(folder, 'table/catalog.lock'), '1\n');
  writeFileSync(join(folder, 'table/catalog.lock'), '');
  await sleep(150);
  const of = await plan();
  expect(await found(await scan.threadFor(of, catalog(), LINEAGE), of)).toEqual(['a', 'b']);
});

test('nor does it count for a state that another catalog wrote', async () => {
  const lineage = { id: 1, head: { catalogId: 'bb'.repeat(16) } } as unknown as Lineage;
  expect(await foundAfter(() => undefined, { lineage })).toEqual(['a', 'b']);
});

test('nor for other roots or rules than were expected', async () => {
  expect(await foundAfter(() => undefined, { of: await plan({ exclude: ['c'] }) })).toEqual(['a', 'b']);
  rmSync(join(tree, 'b'));
  expect(await foundAfter(() => undefined, { of: await plan({ hasEntries: false }) })).toEqual(['a', 'b']);
});

test('nor when opening the store took long', async () => {
  expect(await foundAfter(() => sleep(1100))).toEqual(['a', 'b']);
});

test('it does not begin for some of the roots, nor while the catalog is in use', async () => {
  expect(await foundAfter(() => undefined, { options: { acceptEmpty: [tree] } })).toEqual(['a', 'b']);
  rmSync(join(tree, 'b'));
  writeFileSync(join(folder, 'table/catalog.lock'), '1\n');
  const scan = await begin();
  writeFileSync(join(tree, 'b'), '');
  const of = await plan();
  expect(await found(await scan.threadFor(of, catalog(), LINEAGE), of)).toEqual(['a', 'b']);
});

test('roots that cannot be planned are left to whoever plans in earnest', async () => {
  context.config.excludeFiles.push(join(folder, 'no such file'));
  await begin();
});

test('a small catalog has no scan of its own', async () => {
  truncateSync(join(folder, 'table/catalog.db'), 1000);
  expect(await ExpectedScan.begin(context, OPTIONS)).toBeUndefined();
});
