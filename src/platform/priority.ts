import { readdirSync } from 'node:fs';
import os from 'node:os';
import { isLinux, syscallNumber } from './constants.js';
import { syscall } from './ffi.js';

const ioprioSet = syscall(['int', 'int', 'int']);
const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_LOWEST = (2 << 13) | 7; // class best effort, its last level: slow on a busy disk, but never starved

/**
 * Lets everything else on the machine go first: CPU niceness (0 to 19) and, on Linux, the lowest ordinary I/O priority,
 * for all threads that run now and those they start. Never throws: what cannot be lowered stays.
 */
export function lowerPriority(level = 19): void {
  const setIo = ioprioSet();
  for (const thread of threads()) {
    try {
      os.setPriority(thread, level);
    } catch {
      // already lower, or a thread that has just ended
    }
    setIo?.(syscallNumber('ioprio_set'), IOPRIO_WHO_PROCESS, thread, IOPRIO_LOWEST);
  }
}

// On Linux both priorities belong to a thread, and new ones inherit them from the one that starts them.
function threads(): number[] {
  if (!isLinux) return [0];
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [0];
  }
}
