import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type * as t from '../../src/archive/types.js';
import { Machine } from './machine.js';

/** Sizes of the versions of a file that history has. */
async function sizes(machine: Machine, name: string): Promise<number[]> {
  const outcome = await machine.run(['history', '--json', join(machine.tree, name)]);
  expect(outcome.code, outcome.stderr).toBe(0);
  return (JSON.parse(outcome.stdout) as t.HistoryResult).versions.map(({ size }) => size).sort();
}

/** A machine with these roots in its tree, each with a file that was saved with one byte, then with two. */
async function withRoots(...roots: string[]): Promise<Machine> {
  const machine = await Machine.make();
  machine.configure({ backup_roots: roots.map((root) => join(machine.tree, root)) });
  for (const content of ['1', '12']) {
    for (const root of roots) machine.write(`${root}/f`, content);
    await machine.json('backup');
  }
  return machine;
}

test.each(['missing', 'empty'])('the history of a root that is %s stays, that of the others goes', async (how) => {
  const machine = await withRoots('data', 'disk', 'none');
  const disk = join(machine.tree, 'disk');
  renameSync(disk, `${disk}.away`);
  if (how === 'empty') mkdirSync(disk);
  await machine.json('backup', ['--hard-remove'], 3);
  expect(await sizes(machine, 'data/f')).toEqual([2]);
  expect(await sizes(machine, 'none/f')).toEqual([2]);
  expect(await sizes(machine, 'disk/f')).toEqual([1, 2]);
  // Once it is back, its history goes like that of any other.
  rmSync(disk, { recursive: true, force: true });
  renameSync(`${disk}.away`, disk);
  await machine.json('backup', ['--hard-remove']);
  expect(await sizes(machine, 'disk/f')).toEqual([2]);
});

test('what could not be looked at within a root keeps its history', async () => {
  const machine = await withRoots('data', 'data/disk');
  renameSync(join(machine.tree, 'data/disk'), join(machine.folder, 'away'));
  await machine.json('backup', ['--hard-remove'], 3);
  expect(await sizes(machine, 'data/f')).toEqual([2]);
  expect(await sizes(machine, 'data/disk/f')).toEqual([1, 2]);
});

test('nothing goes when no root is there', async () => {
  const machine = await withRoots('data');
  renameSync(join(machine.tree, 'data'), join(machine.folder, 'away'));
  await machine.json('backup', ['--hard-remove'], 3);
  expect(await sizes(machine, 'data/f')).toEqual([1, 2]);
});

test('a run over some of the roots leaves the history of the others', async () => {
  const machine = await withRoots('data', 'other');
  await machine.json('backup', ['--hard-remove', join(machine.tree, 'data')]);
  expect(await sizes(machine, 'data/f')).toEqual([2]);
  expect(await sizes(machine, 'other/f')).toEqual([1, 2]);
});
