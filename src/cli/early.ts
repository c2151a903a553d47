import { readFileSync } from 'node:fs';
import { worthStartingEarly } from '../archive/early-threads.js';
import { defaultPaths, findConfig } from '../config/find.js';
import { expandPath, pathOf, type Surroundings } from '../config/paths.js';

/** Options of the program that have a value, which is no command. */
const WITH_VALUE = ['-c', '--config', '--wait-lock'];

/**
 * Whether a command line is that of a backup with much to scan, as far as can be told before the program is loaded. It may
 * be wrong either way, which costs time only: whatever is wrong with the arguments or the config is told by whoever
 * reads them in earnest.
 */
export function isLargeBackup(args: readonly string[], around: Surroundings): boolean {
  const [command] = args.filter((arg, i) => !arg.startsWith('-') && !WITH_VALUE.includes(args[i - 1]));
  if (command !== 'backup' || args.includes('--help') || args.includes('-h')) return false;
  try {
    const { file } = findConfig(configOption(args), around);
    const { table_dir: named } = JSON.parse(readFileSync(file, 'utf8')) as { table_dir?: unknown };
    const tableDir =
      typeof named === 'string'
        ? expandPath(named, pathOf(around).dirname(file), '', around)
        : defaultPaths(file, around).tableDir;
    return worthStartingEarly({ tableDir });
  } catch {
    return false;
  }
}

function configOption(args: readonly string[]): string | undefined {
  for (const [i, arg] of args.entries()) {
    if (arg === '-c' || arg === '--config') return args[i + 1];
    if (arg.startsWith('--config=')) return arg.slice('--config='.length);
  }
  return undefined;
}
