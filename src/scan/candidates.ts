import { type ByteString, fromDisplay, toDisplay } from '../bytes.js';
import { osKind, toStored } from '../platform/index.js';
import type { GlobalRules } from './excludes.js';
import { expandGlob, globBase, globMatches, isGlob } from './glob.js';
import { isBelow, keyOf, pathOf } from './keys.js';
import { isThere, type Resolved, resolvePath } from './resolve.js';
import { exclusionOf } from './root-excludes.js';
import type { Rule } from './rules.js';

/** A path that a root pattern or an argument stands for. */
export interface Candidate {
  /** The place it leads to. */
  key: ByteString;
  /** Symlinks on the way there; they are saved too. */
  links: ByteString[];
  /** As in `ScanRoot`. */
  testedBelow: ByteString;
  isDirectory: boolean;
}

/** What a root pattern stands for. */
export interface Expansion {
  candidates: Candidate[];
  /** The pattern, if it was taken as a glob. */
  glob: ByteString | undefined;
  problems: { path: ByteString; message: string }[];
}

/** A root of the config as a byte string. */
export function rootPath(text: string): ByteString {
  const path = fromDisplay(text);
  return osKind === 'windows' ? toStored(path) : path;
}

/** The path alone; `directories` as in `resolvePath`. */
export function literalRoot(path: ByteString, directories?: Set<ByteString>): Candidate {
  return candidateOf(resolvePath(path, directories));
}

/**
 * A path as it is written, if something is there or there is no wildcard in it; else all that it matches and no rule
 * excludes.
 * @param wasRoot whether it was a root as it is written; then it is one that is missing now.
 */
export function expandRoot(path: ByteString, rules: GlobalRules, wasRoot: (key: ByteString) => boolean): Expansion {
  if (!isGlob(path) || isThere(path) || wasRoot(keyOf(path))) {
    return { candidates: [literalRoot(path)], glob: undefined, problems: [] };
  }
  const { paths, unreadable } = expandGlob(path);
  const base = keyOf(globBase(path));
  const problems = unreadable.map(({ path: at, error }) => ({
    path: keyOf(at),
    message: `cannot be searched for what matches ${toDisplay(path)}: ${(error as NodeJS.ErrnoException).code}`,
  }));
  const candidates: Candidate[] = [];
  for (const match of paths) {
    const resolved = resolvePath(match);
    if (globExclusion(rules, keyOf(match), base, resolved.isDirectory) !== undefined) continue;
    // Where a symlink led elsewhere, the rules have been asked about the path that matched; that will do.
    candidates.push({ ...candidateOf(resolved), testedBelow: isBelow(resolved.key, base) ? base : resolved.key });
  }
  return { candidates, glob: path, problems };
}

/** Whether the glob would match a path and no rule excludes it. */
export function wouldExpandTo(glob: ByteString, key: ByteString, rules: GlobalRules): boolean {
  return globMatches(glob, pathOf(key)) && globExclusion(rules, key, keyOf(globBase(glob)), true) === undefined;
}

/** Whether the glob would match a path. */
export function matchesGlob(glob: ByteString, key: ByteString): boolean {
  return globMatches(glob, pathOf(key));
}

function globExclusion(
  rules: GlobalRules,
  key: ByteString,
  base: ByteString,
  isDirectory: boolean,
): { rule: Rule } | undefined {
  return exclusionOf(rules, { key, testedBelow: base, rulesFrom: key }, isDirectory);
}

function candidateOf({ key, links, isDirectory }: Resolved): Candidate {
  return { key, links, testedBelow: key, isDirectory };
}
