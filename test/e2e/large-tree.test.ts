import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { verifyThreads, workerCount } from '../../src/archive/thread-options.js';
import { dumpCatalog, openCatalog } from '../../src/catalog/index.js';
import { ExitCode } from '../../src/errors.js';
import { Archive } from './archive.js';
import { sh } from './cli.js';
import { expectSameTree } from './compare.js';

const FOLDERS = 120;
const FILES = 100;
let archive: Archive;
const at = (...path: string[]) => join(archive.tree, ...path);

/** So many files that their scan has a thread of its own, and their catalog is large enough for starting it early. */
beforeAll(async () => {
  archive = await Archive.make({ config: { ignore_ctime: true } });
  for (let d = 0; d < FOLDERS; d++) {
    mkdirSync(at(`folder ${d}`));
    for (let f = 0; f < FILES; f++)
      writeFileSync(at(`folder ${d}`, `a file with a rather long name, number ${f}`), `${f % 7}`);
  }
  sh('find', archive.tree, '-exec', 'touch', '-d', '2 days ago', '{}', '+');
  await sleep(2500); // what has changed a moment ago is read once more
  expect((await archive.backup()).files).toMatchObject({ new: FOLDERS * FILES });
}, 60_000);

async function catalogDump(): Promise<string[]> {
  const { storeId } = JSON.parse(sh('cat', join(archive.store, 'config.json')));
  const outcome = await openCatalog({ dir: archive.tables, storeId, access: 'read' });
  if (outcome.kind !== 'ok') throw new Error(`not opened: ${outcome.kind}`);
  const lines = [...dumpCatalog(outcome.catalog)];
  outcome.catalog.close();
  return lines;
}

test('a day in a large tree: what changed is found, and the catalog is what the store says', async () => {
  expect(statSync(join(archive.tables, 'catalog.db')).size).toBeGreaterThan(1024 * 1024);
  expect((await archive.backup()).files).toMatchObject({ new: 0, changed: 0, unchanged: FOLDERS * FILES, removed: 0 });
  for (let d = 0; d < FOLDERS; d += 3)
    writeFileSync(at(`folder ${d}`, `a file with a rather long name, number ${d % FILES}`), `now ${d}`);
  for (let d = 1; d < FOLDERS; d += 10) rmSync(at(`folder ${d}`, 'a file with a rather long name, number 5'));
  for (let d = 2; d < FOLDERS; d += 10) writeFileSync(at(`folder ${d}`, 'a new one'), `${d}`);
  rmSync(at('folder 77'), { recursive: true });
  renameSync(at('folder 88'), at('folder 880'));
  const { files, bytes } = await archive.backup();
  expect(files).toEqual({
    new: 12 + FILES,
    changed: 40,
    unchanged: (FOLDERS - 2) * FILES - 40 - 12,
    removed: 12 + 2 * FILES,
    unreadable: 0,
    changed_while_read: 0,
  });
  expect(bytes.read).toBeLessThan(2000);
  const restored = await archive.restore(join(archive.folder, 'staging'));
  expectSameTree(restored, archive.tree);
  const before = await catalogDump();
  await archive.json('catalog', ['rebuild']);
  expect(await catalogDump()).toEqual(before);
}, 60_000);

test('a file saved moments after it was written is read again, in the midst of those that are not', async () => {
  const file = at('folder 3', 'a file with a rather long name, number 3');
  sh('touch', '-r', file, join(archive.folder, 'time'));
  writeFileSync(file, 'NOW 3');
  sh('touch', '-r', join(archive.folder, 'time'), file);
  const { files, bytes } = await archive.backup();
  expect(files).toMatchObject({ new: 0, changed: 1, removed: 0, unreadable: 0 });
  expect(bytes.read).toBeLessThan(2000);
});

test('a run that fails before it scans ends as any does', async () => {
  const failing = async (...args: string[]) => {
    const { code, stderr } = await archive.run(['backup', ...args]);
    return { code, lines: stderr.trim().split('\n').length };
  };
  expect(await failing('--no-such-option')).toEqual({ code: ExitCode.usage, lines: 1 });
  renameSync(archive.key, `${archive.key}.away`);
  expect(await failing()).toEqual({ code: ExitCode.wrongKey, lines: 1 });
  renameSync(`${archive.key}.away`, archive.key);
});

/** What is said of the program's code in a run. */
async function codes(of: Archive, args: readonly string[]): Promise<string[]> {
  const node = ['--require', join(import.meta.dirname, '../fixtures/say-code-taken.cjs')];
  const { code, stderr } = await of.run([...args], { node });
  expect(code, stderr).toBe(ExitCode.done);
  return stderr.split('\n').filter((line) => line.startsWith('code '));
}

test('the code that is kept of the program is taken, in threads that are started early, too', async () => {
  const target = join(archive.folder, 'restored anew');
  for (const [worker, threads, args] of [
    ['scan', 1, ['backup']],
    ['extract', workerCount(), ['restore', '--target', target]],
    ['verify', verifyThreads(), ['check', '--read-data']],
  ] as const) {
    const lines = await codes(archive, args);
    expect(lines.filter((line) => line.endsWith(' rejected'))).toEqual([]);
    expect(lines).toContain('code main core.cjs taken');
    expect(lines.filter((line) => line === `code thread worker-${worker}.cjs taken`)).toHaveLength(threads);
  }
}, 60_000);

test('and in threads that are started late', async () => {
  const small = await Archive.make();
  writeFileSync(join(small.tree, 'small'), 'small');
  await small.backup();
  // Too much for the main thread, which reads what little there is on most days.
  writeFileSync(join(small.tree, 'large'), Buffer.alloc(40_000_000, 'large'));
  const lines = await codes(small, ['backup']);
  expect(lines.filter((line) => line.startsWith('code thread '))).toEqual(['code thread worker-ingest.cjs taken']);
});
