import { expect, test, vi } from 'vitest';
import { Machine } from './machine.js';

test('a relative pattern with a slash counts from the current folder', async () => {
  const machine = await Machine.make();
  const file = machine.write('in [1]/f.txt', 'x');
  await machine.json('backup');
  const cwd = vi.spyOn(process, 'cwd').mockReturnValue(machine.tree);
  try {
    for (const pattern of ['in */f*', './*/f.txt', '*/f.txt', '**/in */f.txt'])
      expect((await machine.json('find', [pattern])).map(({ path }) => path)).toEqual([file]);
    cwd.mockReturnValue(`${machine.tree}/in [1]`);
    expect((await machine.json('find', ['./f.*'])).map(({ path }) => path)).toEqual([file]);
  } finally {
    cwd.mockRestore();
  }
});

test('--like takes a file: of anything else it says what is wrong in one line', async () => {
  const machine = await Machine.make();
  await machine.json('backup');
  const { code, stderr } = await machine.run(['find', '--like', machine.tree]);
  expect(code).toBe(2);
  expect(stderr).toBe(`error: ${machine.tree} is no file; --like takes one, to look for its content\n`);
});
