import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { ExitCode, UserError } from '../errors.js';
import { defaultPaths, userConfigFile } from './find.js';
import { isUrl, pathOf, type Surroundings, surroundings } from './paths.js';

/** What `init` knows of a config file that it is to make. */
export interface NewConfig {
  /** A path (relative ones count from the current folder) or a URL. */
  store: string;
  /** Relative ones count from the current folder. */
  roots: string[];
  /** Key file, if one is to be named. */
  keyPath?: string;
  source?: string;
}

/** The text of a new config file; with `configFromText` it becomes the config that the file will give. */
export function defaultConfigText(file: string, wish: NewConfig, around: Surroundings = surroundings()): string {
  const path = pathOf(around);
  const absolute = (text: string) => path.resolve(around.cwd, text);
  const defaults = defaultPaths(file, around);
  // Paths beside the config file are written relative to it, so that the folder can be moved as a whole; paths in the
  // user's folders stay absolute.
  const beside = (text: string) =>
    file === userConfigFile(around) || path.dirname(text) !== path.dirname(file) ? text : `./${path.basename(text)}`;
  const content = {
    table_dir: beside(defaults.tableDir),
    file_dir: isUrl(wish.store) ? wish.store : absolute(wish.store),
    key_path: wish.keyPath === undefined ? beside(defaults.keyPath) : absolute(wish.keyPath),
    hard_remove: false,
    restore_dir: beside(defaults.restoreDir),
    backup_roots: wish.roots.map(absolute),
    ...(wish.source === undefined ? {} : { source: wish.source }),
  };
  // JSON is YAML too, so one form serves both endings.
  return `${JSON.stringify(content, null, 2)}\n`;
}

/**
 * Writes a new config file, readable by its owner only (a store's URL may hold a password), and the folders above it.
 * @throws UserError (usage) when the file exists: it is never overwritten; (failed) when it cannot be written
 */
export function writeDefaultConfig(file: string, text: string): void {
  try {
    mkdirSync(pathOf(surroundings()).dirname(file), { recursive: true });
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
    chmodSync(file, 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST')
      throw new UserError(
        ExitCode.usage,
        `the config file ${file} exists; it is left as it is: edit it, or name another`,
      );
    throw new UserError(ExitCode.failed, `cannot write the config file ${file} (${code}); name another with --config`, {
      cause: error,
    });
  }
}
