import { homedir } from 'node:os';
import nodePath from 'node:path';
import { ExitCode, UserError } from '../errors.js';

/** What expanding and finding paths depends on; by default this process's. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  cwd: string;
  windows: boolean;
}

/** The surroundings of this process, perhaps with other variables. */
export function surroundings(env: Surroundings['env'] = process.env): Surroundings {
  return { env, home: homedir(), cwd: process.cwd(), windows: process.platform === 'win32' };
}

/** `node:path` of the surroundings' operating system. */
export function pathOf(around: Surroundings): nodePath.PlatformPath {
  return around.windows ? nodePath.win32 : nodePath.posix;
}

/**
 * A path as written in the config, made absolute: `~` and the variables `$NAME`, `${NAME}`, `%NAME%` are expanded, and a
 * relative path counts from `base`. HOME and USERPROFILE fall back to the user's home folder. `%NAME%` of an unknown
 * name stays as it is (it is a valid file name), as does `$NAME` with `lenient`.
 * @throws UserError (usage) for an unset variable, and for `~name`
 */
export function expandPath(text: string, base: string, where: string, around: Surroundings, lenient = false): string {
  const expanded = expandVariables(expandHome(text, where, around), where, around, lenient);
  return pathOf(around).resolve(base, expanded);
}

/** Expands `${NAME}` only (a URL may hold `~`, `%` and `$` of its own). */
export function expandUrl(url: string, where: string, around: Surroundings): string {
  return url.replace(/\$\{(\w+)\}/g, (_, name: string) => variable(name, around) ?? unset(name, where));
}

/** Whether a store is named by a URL rather than a path. Drive letters are no schemes. */
export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text) || /^rclone:/i.test(text);
}

function expandHome(text: string, where: string, around: Surroundings): string {
  if (!text.startsWith('~')) return text;
  if (text === '~' || text[1] === '/' || (around.windows && text[1] === '\\')) return around.home + text.slice(1);
  throw new UserError(
    ExitCode.usage,
    `${where}: cannot expand \`${text}\`; write the folder out, or ./${text} for a name that begins with ~`,
  );
}

function expandVariables(text: string, where: string, around: Surroundings, lenient: boolean): string {
  return text
    .replace(/\$(?:\{(\w+)\}|([A-Za-z_]\w*))/g, (whole, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? '';
      return variable(name, around) ?? (lenient ? whole : unset(name, where));
    })
    .replace(/%(\w+)%/g, (whole, name: string) => variable(name, around) ?? whole);
}

function variable(name: string, around: Surroundings): string | undefined {
  const value = around.env[name];
  if (value !== undefined && value !== '') return value;
  return name === 'HOME' || name === 'USERPROFILE' ? around.home : undefined;
}

function unset(name: string, where: string): never {
  throw new UserError(
    ExitCode.usage,
    `${where}: the environment variable ${name} is not set; set it or write the path out`,
  );
}
