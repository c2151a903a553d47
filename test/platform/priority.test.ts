import { readdirSync } from 'node:fs';
import os from 'node:os';
import { describe, expect, it } from 'vitest';
import { syscallNumber } from '../../src/platform/constants.js';
import { syscall } from '../../src/platform/ffi.js';
import { lowerPriority } from '../../src/platform/index.js';

// This test file has a process of its own: nobody else is slowed down.
describe.runIf(process.platform === 'linux')('lowerPriority', () => {
  it('lowers every thread', () => {
    lowerPriority(12);
    for (const thread of readdirSync('/proc/self/task')) expect(os.getPriority(Number(thread))).toBe(12);
    const ioprioGet = syscall(['int', 'int'])();
    // ioprio_get follows ioprio_set in both tables of numbers
    expect(ioprioGet?.(syscallNumber('ioprio_set') + 1, 1, 0)).toBe((2 << 13) | 7);
  });

  it('never throws', () => {
    lowerPriority(15);
    lowerPriority(15);
    expect(os.getPriority()).toBe(15);
  });
});
