import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Archive, filesBelow } from '../e2e/archive.js';
import { expectSameTree } from '../e2e/compare.js';
import { lines, noise, ordinaryTree } from '../e2e/trees.js';
import { expectNoTemporaries, killAfter, numbers } from './machine.js';

const TIMES = 20;

/** Changes a tree in many ways, so that each run has something to do. */
function change(tree: string, round: number): void {
  for (let i = 0; i < 40; i++) {
    const folder = join(tree, `round ${round % 4}`, `${i % 5}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${i}.txt`), lines(20_000 + 1000 * i, `${round} ${i}`));
  }
  writeFileSync(join(tree, `noise ${round % 3}`), noise(12_000_000, `${round}`));
  appendFileSync(join(tree, 'growing'), noise(1_000_000, `more ${round}`));
  if (round % 5 === 4) rmSync(join(tree, `round ${(round + 1) % 4}`), { recursive: true, force: true });
}

test(`a backup killed ${TIMES} times in a row at random moments`, async () => {
  const archive = await Archive.make();
  ordinaryTree(archive.tree);
  await archive.backup();
  const random = numbers(4711);
  let longest = 0;
  const begun = performance.now();
  change(archive.tree, 0);
  await archive.backup();
  longest = performance.now() - begun;
  let killed = 0;
  for (let round = 1; round <= TIMES; round++) {
    change(archive.tree, round);
    if (await killAfter(archive, ['backup'], random.next().value! * longest)) killed++;
  }
  expect(killed).toBeGreaterThan(TIMES / 2);

  // No lock is left, nothing has to be repaired, and what was killed left nothing behind.
  await archive.backup();
  archive.expectTidy();
  await archive.checkAll();
  const target = join(archive.folder, 'restored');
  expectSameTree(await archive.restore(target), archive.tree);
  for (const { id } of await archive.json('snapshots')) {
    rmSync(target, { recursive: true });
    await archive.restore(target, ['--snapshot', id]);
  }
  // What the catalog says of all this is what the store says.
  const asked = async () => [await archive.json('find', ['**', '--all']), await archive.json('snapshots')];
  const before = await asked();
  rmSync(archive.tables, { recursive: true });
  expect(await asked()).toEqual(before);
  archive.expectTidy();
}, 300_000);

test(`a restore killed ${TIMES} times in a row at random moments`, async () => {
  const archive = await Archive.make();
  ordinaryTree(archive.tree);
  change(archive.tree, 0);
  for (let i = 0; i < 600; i++) writeFileSync(join(archive.tree, 'folder 1', `small ${i}`), `small ${i}`);
  await archive.backup();
  const target = join(archive.folder, 'restored');
  const known = new Set(filesBelow(archive.tree).map((file) => join(archive.tree, file.slice(archive.tree.length))));
  const random = numbers(815);
  const begun = performance.now();
  await archive.restore(join(archive.folder, 'measure'));
  const longest = performance.now() - begun;
  let killed = 0;
  for (let round = 1; round <= TIMES; round++) {
    if (round % 4 === 0) rmSync(target, { recursive: true, force: true });
    if (await killAfter(archive, ['restore', '--target', target], random.next().value! * longest)) killed++;
  }
  expect(killed).toBeGreaterThan(TIMES / 2);
  const restored = await archive.restore(target);
  expectSameTree(restored, archive.tree);
  expectNoTemporaries(target, known);
  archive.expectTidy();
  await archive.checkAll();
}, 300_000);
