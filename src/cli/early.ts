import { readFileSync } from 'node:fs';
import { worthStartingEarly } from '../archive/early-threads.js';
import { RESTORED_AT_ONCE, workerCount } from '../archive/worker-count.js';
import { defaultPaths, findConfig } from '../config/find.js';
import { expandPath, pathOf, type Surroundings } from '../config/paths.js';
import { MOST_WORKERS } from '../config/types.js';

/** Options of the program that have a value, which is no command. */
const WITH_VALUE = ['-c', '--config', '--wait-lock'];

/** Threads that a command will need. */
export type Threads = { name: 'scan' } | { name: 'extract' | 'verify'; options: { threads: number; atOnce?: number } };

/**
 * The threads that a command line will need, if it has much to work on, as far as can be told before the program is
 * loaded. It may be wrong either way, which costs time only: whatever is wrong with the arguments or the config is told by
 * whoever reads them in earnest.
 */
export function threadsToStart(args: readonly string[], around: Surroundings): Threads | undefined {
  const [command] = args.filter((arg, i) => !arg.startsWith('-') && !WITH_VALUE.includes(args[i - 1]));
  const has = (...options: string[]): boolean => args.some((arg) => options.includes(arg.split('=')[0]));
  if (has('--help', '-h')) return undefined;
  if (command === 'backup') return largeStore(args, around) && { name: 'scan' };
  if (command === 'restore' && !has('--dry-run', '-n')) {
    const store = largeStore(args, around);
    return store && { name: 'extract', options: { threads: store.workers, atOnce: RESTORED_AT_ONCE.near } };
  }
  if (command === 'check' && has('--read-data')) {
    const store = largeStore(args, around);
    return store && { name: 'verify', options: { threads: store.workers } };
  }
  return undefined;
}

/** Of the store that a command line means, if much is known of it, how many workers its config wants. */
function largeStore(args: readonly string[], around: Surroundings): { workers: number } | undefined {
  try {
    const { file } = findConfig(configOption(args), around);
    const config = JSON.parse(readFileSync(file, 'utf8')) as { table_dir?: unknown; workers?: unknown };
    const tableDir =
      typeof config.table_dir === 'string'
        ? expandPath(config.table_dir, pathOf(around).dirname(file), '', around)
        : defaultPaths(file, around).tableDir;
    if (!worthStartingEarly({ tableDir })) return undefined;
    return { workers: workerCount(isCount(config.workers) ? config.workers : undefined) };
  } catch {
    return undefined;
  }
}

function isCount(workers: unknown): workers is number {
  return Number.isInteger(workers) && (workers as number) > 0 && (workers as number) <= MOST_WORKERS;
}

function configOption(args: readonly string[]): string | undefined {
  for (const [i, arg] of args.entries()) {
    if (arg === '-c' || arg === '--config') return args[i + 1];
    if (arg.startsWith('--config=')) return arg.slice('--config='.length);
  }
  return undefined;
}
