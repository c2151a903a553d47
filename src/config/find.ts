import { existsSync } from 'node:fs';
import { ExitCode, UserError } from '../errors.js';
import { pathOf, type Surroundings } from './paths.js';

/** Where this user's config file lies when nothing else is named (XDG; %APPDATA% on Windows). */
export function userConfigFile(around: Surroundings): string {
  return pathOf(around).join(userFolder('config', around), 'config.json');
}

/** `~/.config/backup-ninja` or `~/.local/share/backup-ninja`, or what takes their place. */
function userFolder(kind: 'config' | 'data', around: Surroundings): string {
  const path = pathOf(around);
  const [name, ...fallback] = around.windows
    ? kind === 'config'
      ? ['APPDATA', 'AppData', 'Roaming']
      : ['LOCALAPPDATA', 'AppData', 'Local']
    : kind === 'config'
      ? ['XDG_CONFIG_HOME', '.config']
      : ['XDG_DATA_HOME', '.local', 'share'];
  const set = around.env[name];
  const parent = set && path.isAbsolute(set) ? set : path.join(around.home, ...fallback);
  return path.join(parent, 'backup-ninja');
}

/** Where the config file is, or is to be made. */
export interface FoundConfig {
  /** Absolute. */
  file: string;
  exists: boolean;
  /** Where the name came from. */
  from: 'option' | 'environment' | 'folder' | 'user';
}

/**
 * Finds the config file: `-c`, else $BACKUP_NINJA_CONFIG, else ./backup_config.json if it exists, else the user's.
 * The first that is named is taken, whether or not it exists.
 */
export function findConfig(option: string | undefined, around: Surroundings): FoundConfig {
  const path = pathOf(around);
  const found = (file: string, from: FoundConfig['from']) => {
    const absolute = path.resolve(around.cwd, file);
    return { file: absolute, exists: existsSync(absolute), from };
  };
  if (option === '') throw new UserError(ExitCode.usage, '--config is empty; name a file');
  if (option !== undefined) return found(option, 'option');
  const named = around.env.BACKUP_NINJA_CONFIG;
  if (named) return found(named, 'environment');
  const local = found('backup_config.json', 'folder');
  return local.exists ? local : found(userConfigFile(around), 'user');
}

/** The paths that a config file need not name. */
export interface DefaultPaths {
  tableDir: string;
  keyPath: string;
  restoreDir: string;
}

/**
 * Defaults of `table_dir`, `key_path` and (for a new file) `restore_dir`. The user's own config has them in the user's
 * folders; any other config file has them beside itself, named after it, so that two configs never share a catalog.
 */
export function defaultPaths(configFile: string, around: Surroundings): DefaultPaths {
  const path = pathOf(around);
  if (configFile === userConfigFile(around)) {
    return {
      tableDir: userFolder('data', around),
      keyPath: path.join(userFolder('config', around), 'key'),
      restoreDir: path.join(around.home, 'restored'),
    };
  }
  const beside = path.join(path.dirname(configFile), path.parse(configFile).name);
  return { tableDir: `${beside}.table`, keyPath: `${beside}.key`, restoreDir: `${beside}.restored` };
}
