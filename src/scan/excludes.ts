import * as fs from 'node:fs';
import { type ByteString, fromBytes, fromDisplay, toDisplay } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { closeFd, FileType, openFileAt, StatBuffer, statFd } from '../platform/index.js';
import { addLines, type Rule, RuleSet, type Trail } from './rules.js';

/** Name of the files of patterns that lie in the saved folders themselves. */
export const IGNORE_FILE = '.backupninjaignore';

/** Name of the files that mark caches. */
export const CACHE_TAG = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/ */
const CACHE_SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';

/** Longer ones are no files of patterns. */
const LONGEST_IGNORE_FILE = 1 << 20;

interface Level {
  readonly set: RuleSet;
  readonly trail: Trail;
}

/**
 * The rules that may still say something in one directory, strongest first, as git orders them: the command line's, then
 * the ignore files' from here upwards, then the config's. The first of these in which any rule matches decides.
 * null when there is none: then nothing needs to be asked.
 */
export type Excludes = readonly Level[] | null;

/** Where the rules of config and command line come from. */
export interface RuleSources {
  /** Patterns of the config's `exclude`. */
  readonly exclude: readonly string[];
  /** Its `exclude_file`s, with what they held when they were read. */
  readonly files: readonly { readonly name: string; readonly text: ByteString }[];
  /** Patterns of `--exclude`. */
  readonly commandLine: readonly string[];
}

/** Rules of the command line and of the config, at the root of the file system. */
export interface GlobalRules {
  readonly sources: RuleSources;
  readonly commandLine: RuleSet;
  readonly config: RuleSet;
}

/**
 * Reads the files of patterns that the config names.
 * @throws UserError (usage) when one cannot be read: leaving it out would save what should not be saved.
 */
export function readRuleSources(
  exclude: readonly string[],
  files: readonly string[],
  commandLine: readonly string[],
): RuleSources {
  return { exclude, files: files.map((name) => ({ name, text: readPatterns(name) })), commandLine };
}

/** The rules of config and command line. */
export function globalRules(sources: RuleSources): GlobalRules {
  const config = new RuleSet();
  for (const { name, text } of sources.files) addLines(config, text, name);
  for (const [i, pattern] of sources.exclude.entries()) config.add(fromDisplay(pattern), 'exclude', i + 1);
  const strongest = new RuleSet(true);
  for (const [i, pattern] of sources.commandLine.entries()) strongest.add(fromDisplay(pattern), '--exclude', i + 1);
  return { sources, commandLine: strongest, config };
}

function readPatterns(file: string): ByteString {
  try {
    return fromBytes(fs.readFileSync(file));
  } catch (error) {
    const message = `cannot read exclude_file ${file}: ${(error as Error).message}; make it, or take it out of the config`;
    throw new UserError(ExitCode.usage, message, { cause: error });
  }
}

/** What applies at the root of the file system. */
export function rootExcludes({ commandLine, config }: GlobalRules): Excludes {
  return keepLive([
    { set: commandLine, trail: commandLine.start() },
    { set: config, trail: config.start() },
  ]);
}

/** What applies in directory `name` of a directory. */
export function descend(excludes: Excludes, name: ByteString): Excludes {
  if (excludes === null) return null;
  return keepLive(excludes.map(({ set, trail }) => ({ set, trail: set.descend(trail, name) })));
}

/** What applies in a directory that has an ignore file. */
export function withIgnoreFile(excludes: Excludes, set: RuleSet): Excludes {
  if (set.isEmpty) return excludes;
  const levels = excludes ?? [];
  const stronger = levels.filter((level) => level.set.isCommandLine);
  return [...stronger, { set, trail: set.start() }, ...levels.slice(stronger.length)];
}

/** The rule that decides about `name` in a directory: it excludes it, or, negated, takes it in; undefined when no rule matches. */
export function decide(excludes: Excludes, name: ByteString, isDirectory: boolean): Rule | undefined {
  if (excludes === null) return undefined;
  for (let i = 0; i < excludes.length; i++) {
    const level = excludes[i];
    const rule = level.set.match(level.trail, name, isDirectory);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function keepLive(levels: Level[]): Excludes {
  const live = levels.filter(({ set, trail }) => !set.isDone(trail));
  return live.length === 0 ? null : live;
}

/**
 * The rules of a directory's ignore file. Symlinks are not followed.
 * @param path the directory, for naming the rules' source.
 * @returns undefined when there is no such file (any more).
 * @throws Error when it is there but cannot be read.
 */
export function readIgnoreFile(dir: number, path: ByteString): RuleSet | undefined {
  const bytes = readSmallFile(dir, IGNORE_FILE, LONGEST_IGNORE_FILE + 1);
  if (bytes === undefined) return undefined;
  if (bytes.length > LONGEST_IGNORE_FILE) throw new Error('it is over a mebibyte long');
  const set = new RuleSet();
  addLines(set, bytes, toDisplay(path === '/' ? `/${IGNORE_FILE}` : `${path}/${IGNORE_FILE}`));
  return set;
}

/** Whether an open directory, in which there is something named `CACHEDIR.TAG`, is marked as a cache. */
export function hasCacheTag(dir: number): boolean {
  try {
    return readSmallFile(dir, CACHE_TAG, CACHE_SIGNATURE.length) === CACHE_SIGNATURE;
  } catch {
    return false; // a tag that cannot be read marks nothing: better saved than lost
  }
}

/** The first `most` bytes of a regular file; undefined when it is none. */
function readSmallFile(dir: number, name: ByteString, most: number): ByteString | undefined {
  let fd: number;
  try {
    fd = openFileAt(dir, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENXIO') return undefined;
    throw error;
  }
  try {
    const status = new StatBuffer();
    statFd(fd, status);
    if (status.type !== FileType.file) return undefined;
    const bytes = Buffer.alloc(Math.min(status.size, most));
    let got = 0;
    while (got < bytes.length) {
      const read = fs.readSync(fd, bytes, got, bytes.length - got, got);
      if (read === 0) break;
      got += read;
    }
    return fromBytes(bytes.subarray(0, got));
  } finally {
    closeFd(fd);
  }
}
