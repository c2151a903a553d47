import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Machine } from './machine.js';

test('a path that was never saved is an error, and nothing is purged', async () => {
  const machine = await Machine.make();
  const file = machine.write('d/g', 'another');
  await machine.json('backup');
  const before = machine.objects();
  for (const paths of [[join(machine.tree, 'typo')], [file, join(machine.tree, 'typo')], ['/nowhere']]) {
    const { code, stderr } = await machine.run(['purge', ...paths, '--yes']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: never saved, .*; nothing was purged/);
  }
  expect(machine.objects()).toEqual(before);
  // A directory goes with what is in it; that it is still on disk is told.
  expect((await machine.run(['purge', join(machine.tree, 'd'), '--yes'])).code).toBe(3);
  expect(await machine.json('find', ['g', '--all'])).toEqual([]);
});
