import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Archive } from './archive.js';
import { needRoot, sh, temporaryFolder } from './cli.js';
import { expectSamePicture, expectSameTree, pictureOf } from './compare.js';
import { noise, ordinaryTree } from './trees.js';

/** A disk of so many megabytes. */
function smallDisk(megabytes: number): { path: string; grow(megabytes: number): void } {
  const path = temporaryFolder();
  sh('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'test', path);
  onTestFinished(() => void sh('umount', path));
  return { path, grow: (more) => void sh('mount', '-o', `remount,size=${more}m`, path) };
}

test('the disk of the store fills up in the middle of a backup', async (context) => {
  needRoot(context, 'mount');
  const disk = smallDisk(48);
  const archive = await Archive.make({ store: join(disk.path, 'store') });
  ordinaryTree(archive.tree);
  const { snapshot } = await archive.backup();
  const before = pictureOf(archive.tree);

  for (let i = 0; i < 4; i++) writeFileSync(join(archive.tree, `big ${i}`), noise(20 << 20, `${i}`));
  for (let i = 0; i < 2; i++) {
    const outcome = await archive.run(['backup']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/error: .*(full|space)/);
    expect(outcome.stderr).not.toContain('internal error');
    archive.expectTidy();
    expect((await archive.json('snapshots')).map(({ id }) => id)).toEqual([snapshot]);
  }
  // What was there is whole, and can be had back with the disk still full.
  expectSamePicture(pictureOf(await archive.restore(join(archive.folder, 'first'))), before);
  await archive.checkAll();

  disk.grow(300);
  await archive.backup();
  expectSameTree(await archive.restore(join(archive.folder, 'second')), archive.tree);
  await archive.checkAll();
  archive.expectTidy();
}, 120_000);

test('the disk of the catalog fills up', async (context) => {
  needRoot(context, 'mount');
  const disk = smallDisk(4);
  const archive = new Archive();
  const keys = { backup_roots: [archive.tree], table_dir: join(disk.path, 'tables') };
  archive.configure(keys);
  await archive.json('init');
  ordinaryTree(archive.tree, 'a', 50);
  const { snapshot } = await archive.backup();
  const before = pictureOf(archive.tree);

  for (let i = 0; i < 20_000; i++)
    writeFileSync(join(archive.tree, 'folder 1', `a file with a rather long name ${i}`), '');
  writeFileSync(join(disk.path, 'filler'), Buffer.alloc(1 << 20));
  const outcome = await archive.run(['backup']);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).not.toContain('internal error');
  expect(outcome.stderr).toMatch(/error: .*(full|space)/);

  disk.grow(200);
  // The run may have come as far as its snapshot; what was there before is there in any case.
  expect((await archive.json('snapshots')).map(({ id }) => id)).toContain(snapshot);
  const first = await archive.restore(join(archive.folder, 'first'), ['--snapshot', snapshot!]);
  expectSamePicture(pictureOf(first), before);
  await archive.backup();
  expectSameTree(await archive.restore(join(archive.folder, 'second')), archive.tree);
  await archive.checkAll();
}, 120_000);

test('the disk that is restored to fills up', async (context) => {
  needRoot(context, 'mount');
  const disk = smallDisk(8);
  const archive = await Archive.make();
  ordinaryTree(archive.tree, 'a', 50);
  writeFileSync(join(archive.tree, 'big'), noise(20 << 20, 'big'));
  await archive.backup();
  const outcome = await archive.run(['restore', '--target', disk.path]);
  expect([1, 3]).toContain(outcome.code);
  expect(outcome.stderr).not.toContain('internal error');
  expect(outcome.stderr).toMatch(/full|space/);
  disk.grow(200);
  expectSameTree(await archive.restore(disk.path), archive.tree);
}, 60_000);
