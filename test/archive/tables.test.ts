import fs from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Machine } from '../cli/machine.js';

const readOnly = vi.hoisted(() => ({ folder: '' }));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const accessSync: typeof fs.accessSync = (path, mode) => {
    if (readOnly.folder !== '' && String(path).startsWith(readOnly.folder))
      throw Object.assign(new Error(`EROFS: read-only file system, access '${path}'`), { code: 'EROFS' });
    real.accessSync(path, mode);
  };
  return { ...real, accessSync };
});

/** What lies in a folder, and when it was last written to. */
function pictureOf(folder: string): string[] {
  const names = fs.readdirSync(folder, { recursive: true }).map(String).sort();
  return names.map((name) => `${name} ${fs.statSync(join(folder, name)).mtimeMs}`);
}

test('commands that read work on a copy where nothing may be written, those that write say so', async () => {
  const machine = await Machine.make();
  await machine.json('backup');
  const before = pictureOf(machine.tables);
  const copies = join(machine.folder, 'copies');
  fs.mkdirSync(copies);
  vi.stubEnv('TMPDIR', copies);
  readOnly.folder = machine.tables;
  try {
    const to = join(machine.folder, 'to');
    for (const args of [
      ['snapshots'],
      ['ls', machine.tree],
      ['find', 'f'],
      ['history', join(machine.tree, 'f')],
      ['info'],
      ['status'],
      ['cat', join(machine.tree, 'f')],
      ['dump'],
      ['check', '--read-data'],
      ['restore', '--target', to],
    ]) {
      const { code, stderr } = await machine.run(args);
      expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
    }
    expect(fs.readFileSync(join(to, machine.tree, 'f'), 'utf8')).toBe('a file');
    expect((await machine.run(['restore', '--target', join(machine.tables, 'x')])).code).toBe(2);
    for (const args of [['backup'], ['prune'], ['tag', 'latest', '--add', 'x']]) {
      const { code, stderr } = await machine.run(args);
      expect(code).toBe(1);
      expect(stderr).toBe(
        `error: the catalog cannot be written, ${machine.tables} (EROFS); correct its owner or mode\n`,
      );
    }
  } finally {
    readOnly.folder = '';
    vi.unstubAllEnvs();
  }
  expect(pictureOf(machine.tables)).toEqual(before);
  expect(fs.readdirSync(copies)).toEqual([]);
});
