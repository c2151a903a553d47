import { afterEach, describe, expect, test, vi } from 'vitest';
import { Machine } from './machine.js';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Moves the clock of this process, and gives it back with the test's end. */
function moveClock(days: number): void {
  const shift = days * 86_400_000;
  const { timeOrigin } = performance;
  const now = Date.now;
  vi.spyOn(performance, 'timeOrigin', 'get').mockReturnValue(timeOrigin + shift);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + shift);
}

describe('a backup of nothing is no backup', () => {
  test.each([
    { what: 'no roots at all', args: [], says: /backup_roots/ },
    { what: 'an empty list', args: ['--files-from', '-'], says: /--files-from names no path/ },
  ])('$what: exit 2', async ({ args, says }) => {
    const machine = await Machine.make();
    machine.configure({ backup_roots: [] });
    const before = machine.objects();
    for (const more of [[], ['--dry-run']]) {
      const { code, stderr } = await machine.run(['backup', ...args, ...more], { piped: '\n\n' });
      expect(code).toBe(2);
      expect(stderr).toMatch(says);
    }
    expect(machine.objects()).toEqual(before);
    // Roots may be named here as well as there.
    expect((await machine.json('backup', [machine.tree])).files.new).toBe(1);
  });

  test('that the last root was taken out of the config is asked about, as ever', async () => {
    const machine = await Machine.make();
    await machine.json('backup');
    machine.configure({ backup_roots: [] });
    expect((await machine.json('backup', [], 3)).files).toMatchObject({ removed: 0 });
    expect((await machine.json('backup', ['--yes'])).files).toMatchObject({ removed: 1 });
  });
});

test('a dry run says of files what their metadata says, be they read or not', async () => {
  const machine = await Machine.make();
  await machine.json('backup');
  for (const mode of ['--soft', '--full'])
    expect((await machine.json('backup', ['--dry-run', mode])).files).toMatchObject({ changed: 0, unchanged: 1 });
  // It has only just been written, so it is read again.
  const soft = await machine.json('backup', ['--soft']);
  expect(soft.bytes.read).toBe(6);
  expect(soft.files).toMatchObject({ changed: 0, unchanged: 1 });
  machine.write('f', 'changed');
  expect((await machine.json('backup', ['--dry-run'])).files).toMatchObject({ changed: 1, unchanged: 0 });
});

describe('when a full backup is due', () => {
  const modes = async (machine: Machine, runs: number, args: string[] = []) => {
    const made: string[] = [];
    for (let i = 0; i < runs; i++) made.push((await machine.json('backup', args)).mode);
    return made;
  };

  test('hard removing does not forget that there was one', async () => {
    const machine = await Machine.make();
    expect(await modes(machine, 1)).toEqual(['full']);
    expect(await modes(machine, 4, ['-r'])).toEqual(['soft', 'soft', 'soft', 'soft']);
    moveClock(31);
    expect(await modes(machine, 3, ['-r'])).toEqual(['full', 'soft', 'soft']);
  });

  test('one that the clock dates in the future does not count', async () => {
    const machine = await Machine.make();
    moveClock(400);
    expect(await modes(machine, 2)).toEqual(['full', 'soft']);
    vi.restoreAllMocks();
    expect(await modes(machine, 2)).toEqual(['full', 'soft']);
  });
});
