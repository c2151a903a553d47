import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Archive } from '../e2e/archive.js';
import { filesBelow } from '../e2e/archive.js';

/** Kills a run after so many milliseconds, with no chance to tidy up. Resolves to whether it was still running. */
export async function killAfter(archive: Archive, args: string[], milliseconds: number): Promise<boolean> {
  const { signal } = await archive.run(args, {
    started: (child) => setTimeout(() => child.kill('SIGKILL'), milliseconds).unref(),
  });
  return signal === 'SIGKILL';
}

/** System calls by which a run leaves something on a disk. */
export const STEPS = [
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'unlink',
  'unlinkat',
  'mkdir',
  'mkdirat',
  'rmdir',
  'fsync',
  'fdatasync',
];

/** Kills a run as one of its threads comes to its n-th call of one of `calls`. */
export async function killAt(archive: Archive, args: string[], calls: string[], n: number): Promise<void> {
  const inject = `inject=${calls.join(',')}:signal=KILL:when=${n}`;
  const { code, stderr } = await archive.run(args, {
    under: ['strace', '-f', '-qq', '--seccomp-bpf', '-e', `trace=${calls.join(',')}`, '-e', inject, '-o', '/dev/null'],
  });
  // A thread that is killed takes the process with it, unless this run had fewer steps.
  expect([null, 0, 137], stderr).toContain(code);
}

/** Counts the calls of each thread of a run that goes well: the most that one thread made. */
export async function countSteps(archive: Archive, args: string[], calls: string[]): Promise<number> {
  const trace = join(archive.folder, 'trace');
  const under = ['strace', '-f', '-qq', '--seccomp-bpf', '-e', `trace=${calls.join(',')}`, '-o', trace];
  const { code, stderr } = await archive.run(args, { under });
  expect(code, stderr).toBe(0);
  const counts = new Map<string, number>();
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const [thread, call] = line.split(/\s+/, 2);
    if (call === undefined || !calls.some((name) => call.startsWith(`${name}(`))) continue;
    counts.set(thread!, (counts.get(thread!) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}

/** Nothing half made lies in what was restored. */
export function expectNoTemporaries(folder: string, known: Set<string>): void {
  const strangers = filesBelow(folder).filter((file) => !known.has(file.slice(folder.length)));
  expect(strangers).toEqual([]);
}

/** Some numbers that look random and are the same each time. */
export function* numbers(seed: number): Generator<number> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}
