import { readFileSync } from 'node:fs';
import { knowsNothing, worthStartingEarly } from '../archive/early-threads.js';
import { INGEST_THREAD, RESTORED_AT_ONCE, verifyThreads, workerCount } from '../archive/thread-options.js';
import type { ThreadPoolOptions } from '../archive/worker-pool.js';
import { defaultPaths, findConfig } from '../config/find.js';
import { expandPath, pathOf, type Surroundings } from '../config/paths.js';
import { MOST_WORKERS } from '../config/types.js';

/** Options of the program that have a value, which is no command. */
const WITH_VALUE = ['-c', '--config', '--wait-lock'];

/** Threads that a command will need. */
export type Threads = { name: 'scan' } | { name: 'ingest' | 'extract' | 'verify'; options: ThreadPoolOptions };

/**
 * The threads that a command line will need, if it has much to work on, as far as can be told before the program is
 * loaded. It may be wrong either way, which costs time only: whatever is wrong with the arguments or the config is told by
 * whoever reads them in earnest.
 */
export function threadsToStart(args: readonly string[], around: Surroundings): Threads | undefined {
  const [command] = args.filter((arg, i) => !arg.startsWith('-') && !WITH_VALUE.includes(args[i - 1]));
  const has = (...options: string[]): boolean => args.some((arg) => options.includes(arg.split('=')[0]));
  if (has('--help', '-h') || (command !== 'check' && has('--dry-run', '-n'))) return undefined;
  switch (command) {
    case 'backup': {
      const store = storeOf(args, around);
      if (store?.isLarge) return { name: 'scan' };
      return store?.isNew ? { name: 'ingest', options: INGEST_THREAD } : undefined;
    }
    case 'restore': {
      const store = storeOf(args, around);
      if (!store?.isLarge) return undefined;
      return { name: 'extract', options: { threads: store.workers, atOnce: RESTORED_AT_ONCE.near } };
    }
    case 'check': {
      const store = has('--read-data') ? storeOf(args, around) : undefined;
      return store?.isLarge ? { name: 'verify', options: { threads: verifyThreads(store.workers) } } : undefined;
    }
    default:
      return undefined;
  }
}

interface Store {
  /** Whether nothing is known of it yet: all will be read. */
  isNew: boolean;
  /** Whether much is. */
  isLarge: boolean;
  /** How many its config wants. */
  workers: number;
}

/** The store that a command line means. */
function storeOf(args: readonly string[], around: Surroundings): Store | undefined {
  try {
    const { file } = findConfig(configOption(args), around);
    const config = JSON.parse(readFileSync(file, 'utf8')) as { table_dir?: unknown; workers?: unknown };
    const tableDir =
      typeof config.table_dir === 'string'
        ? expandPath(config.table_dir, pathOf(around).dirname(file), '', around)
        : defaultPaths(file, around).tableDir;
    return {
      isNew: knowsNothing({ tableDir }),
      isLarge: worthStartingEarly({ tableDir }),
      workers: workerCount(isCount(config.workers) ? config.workers : undefined),
    };
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
