import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ScanItems } from '../../../src/archive/backup/scan-rows.js';
import { ScanThread } from '../../../src/archive/backup/scan-thread.js';
import { fromDisplay } from '../../../src/bytes.js';
import { keyOf, planRoots, type RootPlan, type ScanItem, scan } from '../../../src/scan/index.js';

const folder = mkdtempSync(join(tmpdir(), 'bn-scan-thread-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  for (let d = 0; d < 60; d++) {
    const path = join(folder, 'tree', `d${d}`);
    mkdirSync(path, { recursive: true });
    for (let f = 0; f < 50; f++) writeFileSync(join(path, `file ${f}`), `${f}`);
    symlinkSync(`../d${d}`, join(path, 'link'));
  }
  writeFileSync(join(folder, 'tree/d3/.backupninjaignore'), 'file 1*\n');
  writeFileSync(join(folder, 'rules'), 'd7/\n');
  mkdirSync(join(folder, 'tree/own'));
  mkdirSync(join(folder, 'empty'));
});

function plan(): Promise<RootPlan> {
  return planRoots({
    config: {
      backupRoots: [join(folder, 'tree'), join(folder, 'empty'), join(folder, 'missing')],
      exclude: ['d5'],
      excludeFiles: [join(folder, 'rules')],
      excludeCaches: true,
      excludeLargerThan: undefined,
      oneFileSystem: false,
    },
    roots: [],
    exclude: ['*49'],
    acceptEmpty: [],
    previousRoots: [],
    hasEntries: (key) => key.endsWith('empty'),
    neverSaved: [fromDisplay(join(folder, 'tree/own'))],
    confirm: async () => true,
  });
}

async function scanned(batches: AsyncIterable<ScanItems>): Promise<ScanItem[]> {
  const items: ScanItem[] = [];
  for await (const batch of batches) while (!batch.done) items.push(batch.next());
  return items;
}

test('a thread of its own finds what a scan on this thread finds', async () => {
  const here = (await plan()).scan;
  const apart = (await plan()).scan;
  const expected = [...scan(here)];
  expect(expected.length).toBeGreaterThan(2500);
  // Directories above the roots are others' too, who make and remove files there meanwhile.
  const below = (items: ScanItem[]) => items.filter(({ key }) => key.startsWith(keyOf(fromDisplay(folder))));
  const found = await scanned(new ScanThread().scan(apart));
  expect(found.map(({ key }) => key)).toEqual(expected.map(({ key }) => key));
  expect(below(found)).toEqual(below(expected));
  expect(apart.rootsRead).toBe(here.rootsRead);
  expect(expected.filter(({ kind }) => kind === 'keep')).toHaveLength(2);
});

test('who has seen enough leaves no thread behind', async () => {
  for await (const items of new ScanThread().scan((await plan()).scan)) {
    expect(items.done).toBe(false);
    break;
  }
});

test('a thread that was not needed goes', async () => {
  const thread = new ScanThread();
  await thread.dismiss();
  const used = new ScanThread();
  await scanned(used.scan((await plan()).scan));
  await used.dismiss();
});
