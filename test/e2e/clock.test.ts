import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Archive } from './archive.js';
import { needPrograms, type RunOptions } from './cli.js';
import { expectSamePicture, expectSameTree, pictureOf } from './compare.js';
import { ordinaryTree } from './trees.js';

/** A run whose clock is wrong; files keep their times. */
function at(when: string): RunOptions {
  return { under: ['faketime', '-f', when], env: { NO_FAKE_STAT: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' } };
}

test.for(['-2y', '+2y'])('a clock that jumps by %s between backups', async (jump, context) => {
  needPrograms(context, 'faketime');
  const archive = await Archive.make();
  ordinaryTree(archive.tree, 'a', 30);
  const pictures: ReturnType<typeof pictureOf>[] = [];
  const ids: string[] = [];
  const backup = async (options: RunOptions = {}) => {
    writeFileSync(join(archive.tree, 'changing'), `${ids.length}`);
    const outcome = await archive.run(['backup', '--json'], options);
    expect([0, 3], outcome.stderr).toContain(outcome.code);
    const result = JSON.parse(outcome.stdout);
    expect(result.files).toMatchObject({ removed: 0 });
    ids.push(result.snapshot);
    pictures.push(pictureOf(archive.tree));
  };
  await backup();
  await backup(at(jump));
  await backup(at(jump));
  await backup();

  const snapshots = await archive.json('snapshots');
  expect(snapshots.map(({ id }) => id)).toEqual(ids);
  // The newest is the last one made, whatever the clocks said.
  expectSameTree(await archive.restore(join(archive.folder, 'latest')), archive.tree);
  for (const [i, id] of ids.entries())
    expectSamePicture(pictureOf(await archive.restore(join(archive.folder, id), ['--snapshot', id])), pictures[i]!);
  expect((await archive.json('history', [join(archive.tree, 'changing')])).versions.length).toBe(4);
  await archive.checkAll();
});
