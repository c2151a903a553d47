import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { threadsToStart } from '../../src/cli/early.js';

const folder = mkdtempSync(join(tmpdir(), 'bn-early-'));
const file = (name: string) => join(folder, name);
const around = { env: {}, home: file('home'), cwd: folder, windows: false };

beforeAll(() => {
  for (const [name, bytes] of Object.entries({
    large: 2 ** 20,
    small: 2 ** 20 - 1,
    '.local/share/backup-ninja': 2 ** 20,
  })) {
    const tables = name.startsWith('.') ? join(around.home, name) : file(name);
    mkdirSync(tables, { recursive: true });
    writeFileSync(join(tables, 'catalog.db'), '');
    truncateSync(join(tables, 'catalog.db'), bytes);
  }
  writeFileSync(file('large.json'), JSON.stringify({ table_dir: file('large') }));
  writeFileSync(file('relative.json'), JSON.stringify({ table_dir: './large' }));
  writeFileSync(file('variable.json'), JSON.stringify({ table_dir: '$HERE/large' }));
  writeFileSync(file('small.json'), JSON.stringify({ table_dir: file('small') }));
  writeFileSync(file('none.json'), JSON.stringify({ table_dir: file('nowhere') }));
  writeFileSync(file('broken.json'), '{"table_dir":');
  writeFileSync(file('wrong.json'), 'null');
  mkdirSync(join(around.home, '.config/backup-ninja'), { recursive: true });
  writeFileSync(join(around.home, '.config/backup-ninja/config.json'), '{}');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a backup with a large catalog is seen, wherever its config is named', () => {
  const seen = (args: string[], env: Record<string, string> = {}) =>
    threadsToStart(args, { ...around, env })?.name === 'scan';
  expect(seen(['backup', '-c', file('large.json')])).toBe(true);
  expect(seen(['-c', 'large.json', 'backup', '--json'])).toBe(true);
  expect(seen(['--config', 'large.json', '--wait-lock', '1m', 'backup'])).toBe(true);
  expect(seen(['--config=large.json', 'backup', '/some/root'])).toBe(true);
  expect(seen(['backup', '-c', 'relative.json'])).toBe(true);
  expect(seen(['backup', '-c', 'variable.json'], { HERE: folder })).toBe(true);
  expect(seen(['backup'], { BACKUP_NINJA_CONFIG: file('large.json') })).toBe(true);
  expect(seen(['backup'])).toBe(true); // the user's own, with its default folder
});

test('nothing else is taken for one, and nothing is told of what is wrong', () => {
  const seen = (...args: string[]) => threadsToStart(args, around) !== undefined;
  expect(seen()).toBe(false);
  expect(seen('ls', '-c', 'large.json', 'backup')).toBe(false);
  expect(seen('-c', 'backup', 'ls')).toBe(false);
  expect(seen('backup', '-c', 'large.json', '--help')).toBe(false);
  expect(seen('backup', '-c', 'none.json', '--dry-run')).toBe(false);
  for (const name of ['small', 'broken', 'wrong', 'variable', 'missing', ''])
    expect(seen('backup', '-c', name && `${name}.json`), name).toBe(false);
  expect(seen('backup', '-c')).toBe(true); // which whoever reads the arguments in earnest refuses
});

test('a first backup reads all there is', () => {
  expect(threadsToStart(['backup', '-c', 'none.json'], around)?.name).toBe('ingest');
});

test('a restore and a check of all data have as many threads as they will ask for; of a check the main thread is one', () => {
  writeFileSync(file('three.json'), JSON.stringify({ table_dir: file('large'), workers: 3 }));
  writeFileSync(file('wild.json'), JSON.stringify({ table_dir: file('large'), workers: 1e9 }));
  const threads = (...args: string[]) => threadsToStart(args, around);
  expect(threads('restore', '-c', 'three.json')).toEqual({ name: 'extract', options: { threads: 3, atOnce: 2 } });
  expect(threads('check', '-c', 'three.json', '--read-data=10%')).toEqual({ name: 'verify', options: { threads: 2 } });
  expect(threads('restore', '-c', 'wild.json')).toEqual(threads('restore', '-c', 'large.json'));
  expect(threads('restore', '-c', 'three.json', '--dry-run')).toBeUndefined();
  expect(threads('restore', '-c', 'small.json')).toBeUndefined();
  expect(threads('check', '-c', 'three.json')).toBeUndefined();
});
