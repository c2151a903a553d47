import { randomBytes } from 'node:crypto';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Machine } from './machine.js';

interface Line {
  phase: string;
  files: number;
  bytes: number;
  total_files?: number;
  total_bytes?: number;
  seconds: number;
}

async function progress(machine: Machine, args: string[], phase: string): Promise<Line[]> {
  const { code, stderr } = await machine.run([...args, '--json']);
  expect(code, stderr).toBe(0);
  const lines = stderr.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line)).filter((line) => line.type === 'progress' && line.phase === phase);
}

test('a backup tells how far it is while it reads, and of how much once it knows', async () => {
  const machine = await Machine.make();
  for (let i = 0; i < 8; i++) machine.write(`big ${i}`, randomBytes(1 << 20));
  const all = 8 * 2 ** 20 + 6;
  const limited = ['backup', '--limit-read', '2M'];
  const first = await progress(machine, limited, 'backup');
  expect(first.at(-1)).toMatchObject({ files: 9, bytes: all, total_files: 9, total_bytes: all });
  const between = first.filter(({ bytes }) => bytes > 0 && bytes < all);
  // Each second at least: a batch is read without pauses.
  expect(new Set(between.map(({ bytes }) => bytes)).size).toBeGreaterThan(1);
  expect(between.at(-1)).toMatchObject({ total_bytes: all });
  for (const { files, total_files = 9 } of first) expect(files).toBeLessThanOrEqual(total_files);
  // A full run reads what the one before has seen: its total is known from the beginning.
  const full = await progress(machine, [...limited, '--full'], 'backup');
  expect(full.filter(({ total_bytes }) => total_bytes === all).length).toBeGreaterThanOrEqual(full.length - 1);
  // A soft one reads nothing of it, but for what was only just written.
  const soft = await progress(machine, ['backup', '--soft'], 'backup');
  expect(soft.at(-1)).toMatchObject({ files: 9, total_files: 9 });
});

test('a restore counts files only, as its totals do', async () => {
  const machine = await Machine.make();
  for (let i = 0; i < 5; i++) {
    machine.write(`d${i}/e/f`, 'x');
    symlinkSync('e', join(machine.tree, `d${i}/link`));
  }
  await machine.json('backup');
  const lines = await progress(machine, ['restore', '--target', `${machine.folder}/to`], 'restoring');
  expect(lines.at(-1)).toMatchObject({ files: 6, total_files: 6, bytes: 11, total_bytes: 11 });
});

test('a rehearsal tells of no progress in deleting', async () => {
  const machine = await Machine.make();
  await machine.json('backup');
  machine.write('f', 'changed');
  await machine.json('backup');
  for (const [more, isTold] of [
    [['--dry-run'], false],
    [['--yes'], true],
  ] as const) {
    const { code, stderr } = await machine.run(['cleanup_hard', '--json', ...more]);
    expect(code).toBe(0);
    expect(stderr.includes('"phase":"deleting packs"'), more[0]).toBe(isTold);
  }
});
