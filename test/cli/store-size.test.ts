import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PLAIN_FILES } from '../../src/store/index.js';
import { Machine } from './machine.js';

/** What a store on a disk holds: its plain files and its lock are no objects. */
function objectsOf(machine: Machine): { objects: number; bytes: number } {
  const plain = new Set([...PLAIN_FILES, 'lock'].map((name) => join(machine.store, name)));
  const sizes = [...machine.objects()].filter(([path]) => !plain.has(path)).map(([, size]) => size);
  return { objects: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

test.each([[[]], [['--shared']]])('info and backup tell what all objects of the store take: %j', async (init) => {
  const machine = await Machine.make({}, init);
  const told = async () => (await machine.json('info')).store;
  const backup = async (args: string[] = []) => {
    const { store_size } = await machine.json('backup', args);
    expect(await told()).toEqual(objectsOf(machine));
    expect(store_size).toBe(objectsOf(machine).bytes);
  };
  await backup();
  machine.write('f', 'changed');
  await backup();
  for (const args of [
    ['tag', 'latest', '--add', 'x'],
    ['catalog', 'rebuild'],
    ['purge', machine.write('d/g', ''), '--yes'],
    ['cleanup_hard', '--yes'],
    ['prune'],
  ]) {
    if (args[0] === 'purge') await backup();
    expect([0, 3]).toContain((await machine.run(args)).code);
    expect(await told(), args[0]).toEqual(objectsOf(machine));
  }
  machine.write('f', 'changed again');
  await backup(['--hard-remove']);
});
