import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Machine } from './machine.js';

test('nothing is restored into the store or the catalog, whatever way leads there', async () => {
  const machine = await Machine.make();
  await machine.json('backup');
  const link = join(machine.folder, 'link');
  symlinkSync(join(machine.store, 'packs'), link);
  mkdirSync(join(machine.folder, 'beside'));
  const before = machine.objects();
  for (const args of [
    ['--target', machine.store],
    ['--target', join(machine.store, 'x')],
    ['--target', join(link, 'deep', 'x')],
    ['--target', join(machine.tables, 'x')],
    ['--target', join(machine.folder, 'beside'), '--map', `${machine.tree}=${join(machine.store, 'x')}`],
  ]) {
    const { code, stderr } = await machine.run(['restore', ...args]);
    expect(code, args.join(' ')).toBe(2);
    expect(stderr).toMatch(/cannot restore to .*; choose another target/);
  }
  expect(machine.objects()).toEqual(before);
  // Beside them, also where a name begins with theirs, is another matter.
  await machine.json('restore', ['--target', `${machine.store}d`]);
});

test('a FROM of --map that is nowhere gets a warning', async () => {
  const machine = await Machine.make();
  await machine.json('backup');
  const to = join(machine.folder, 'to');
  const target = join(machine.folder, 'target');
  const wrong = await machine.run(['restore', '--target', target, '--map', `${machine.tree}/typo=${to}`]);
  expect(wrong.code).toBe(0);
  expect(wrong.stderr).toContain(`--map: nothing that is restored lies at ${machine.tree}/typo`);
  const right = await machine.run(['restore', '--target', target, '--map', `${machine.tree}=${to}`]);
  expect(right).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(join(to, 'f'))).toBe(true);
  const again = await machine.run(['restore', '--target', target, '--map', `${machine.tree}/f=${to}/g`]);
  expect(again).toMatchObject({ code: 0, stderr: '' });
});
