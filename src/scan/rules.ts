import type { ByteString } from '../bytes.js';
import { parseComponents, type Wildcard } from './wildcard.js';

/**
 * Rules of one file of gitignore patterns, or one list of them, and how far each has been matched on the way down.
 *
 * A pattern without a slash concerns names at any depth. Any other is matched component by component while the walk
 * descends (a small automaton): in a directory only those rules are looked at that have matched its path so far, so a
 * rule for `/home/x/cache` costs nothing in `/usr`. What is decided for a directory is not asked again below it: the
 * walk does not enter what is excluded.
 */

/** One line that excludes something, or, negated, takes it back in. */
export interface Rule {
  /** The file (or `exclude`, `--exclude`) that has it. */
  readonly source: string;
  /** Line in the file, or place in the list; from 1. */
  readonly line: number;
  /** As written. */
  readonly pattern: ByteString;
  readonly negated: boolean;
}

/** In place of a component: any number of directories. */
const GLOBSTAR = Symbol('**');

interface CompiledRule extends Rule {
  readonly index: number;
  readonly directoryOnly: boolean;
  /** One component that any name may match, or the path from the set's folder on. */
  readonly name: Wildcard | undefined;
  readonly path: (Wildcard | typeof GLOBSTAR)[];
}

/** A rule whose first `at` components match a directory's path: the next name is to match component `at`. */
interface Progress {
  readonly rule: CompiledRule;
  readonly at: number;
}

/** How far the rules with paths have come in one directory; null: none of them can match anything in or below it. */
export type Trail = readonly Progress[] | null;

/** A list of rules that apply in and below one folder. */
export class RuleSet {
  readonly #names: CompiledRule[] = [];
  /** Rules for one exact name, each list in ascending order. */
  readonly #literals = new Map<ByteString, CompiledRule[]>();
  readonly #paths: CompiledRule[] = [];
  #count = 0;
  /** Whether its rules are those of the command line, which are stronger than any file's. */
  readonly isCommandLine: boolean;

  constructor(isCommandLine = false) {
    this.isCommandLine = isCommandLine;
  }

  /** Adds one line. Empty lines and comments are none. */
  add(line: ByteString, source: string, number: number): void {
    const rule = compile(line, source, number, this.#count);
    if (rule === undefined) return;
    this.#count++;
    if (rule.name === undefined) this.#paths.push(rule);
    else if (rule.name.literal === undefined) this.#names.push(rule);
    else {
      const same = this.#literals.get(rule.name.literal);
      if (same === undefined) this.#literals.set(rule.name.literal, [rule]);
      else same.push(rule);
    }
  }

  /** Whether there is no rule. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Whether nothing can match anything where the rules with paths have come to `trail`. */
  isDone(trail: Trail): boolean {
    return trail === null && this.#names.length === 0 && this.#literals.size === 0;
  }

  /** The trail in the folder that the rules belong to. */
  start(): Trail {
    return trailOf(this.#paths.map((rule) => ({ rule, at: 0 })));
  }

  /** The trail in directory `name` of a directory with this trail. */
  descend(trail: Trail, name: ByteString): Trail {
    if (trail === null) return null;
    const next: Progress[] = [];
    for (const progress of trail) {
      const part = progress.rule.path[progress.at];
      if (part === GLOBSTAR) next.push(progress);
      else if (progress.at + 1 < progress.rule.path.length && part.matches(name)) {
        next.push({ rule: progress.rule, at: progress.at + 1 });
      }
    }
    return trailOf(next);
  }

  /** The last rule that matches `name` in a directory with this trail. */
  match(trail: Trail, name: ByteString, isDirectory: boolean): Rule | undefined {
    let best: CompiledRule | undefined;
    const literals = this.#literals.size > 0 ? this.#literals.get(name) : undefined;
    if (literals !== undefined) {
      best = literals.findLast((rule) => isDirectory || !rule.directoryOnly);
    }
    for (let i = this.#names.length - 1; i >= 0; i--) {
      const rule = this.#names[i];
      if (best !== undefined && rule.index < best.index) break;
      if ((isDirectory || !rule.directoryOnly) && rule.name!.matches(name)) {
        best = rule;
        break;
      }
    }
    if (trail === null) return best;
    for (const { rule, at } of trail) {
      if (at !== rule.path.length - 1 || (best !== undefined && rule.index < best.index)) continue;
      if (rule.directoryOnly && !isDirectory) continue;
      const part = rule.path[at];
      if (part === GLOBSTAR || part.matches(name)) best = rule;
    }
    return best;
  }
}

/** Where a `**` stands it may also be left out. */
function trailOf(progress: Progress[]): Trail {
  const trail: Progress[] = [];
  const add = ({ rule, at }: Progress): void => {
    if (trail.some((known) => known.rule === rule && known.at === at)) return;
    trail.push({ rule, at });
    if (rule.path[at] === GLOBSTAR && at + 1 < rule.path.length) add({ rule, at: at + 1 });
  };
  progress.forEach(add);
  return trail.length === 0 ? null : trail;
}

/** Reads one line as gitignore(5) tells; undefined when it is no rule, or one that can match nothing. */
function compile(line: ByteString, source: string, number: number, index: number): CompiledRule | undefined {
  if (line.startsWith('#')) return undefined;
  let body = trimSpaces(line);
  const negated = body.startsWith('!');
  if (negated) body = body.slice(1);
  const directoryOnly = body.endsWith('/');
  if (directoryOnly) body = body.slice(0, -1);
  if (body === '') return undefined;
  const anchored = body.includes('/');
  if (body.startsWith('/')) body = body.slice(1);
  const components = parseComponents(body);
  if (components?.every(({ text }) => text !== '') !== true) return undefined;
  const rule = { source, line: number, pattern: line, negated, index, directoryOnly };
  if (!anchored) return { ...rule, name: components[0].wildcard, path: [] };
  const path: (Wildcard | typeof GLOBSTAR)[] = [];
  for (const { text, wildcard } of components) {
    if (!/^\*{2,}$/.test(text)) path.push(wildcard);
    else if (path.at(-1) !== GLOBSTAR) path.push(GLOBSTAR);
  }
  return { ...rule, name: undefined, path };
}

/** Takes closing spaces away, but for one after a backslash. */
function trimSpaces(line: ByteString): ByteString {
  let end = 0;
  for (let i = 0; i < line.length; i++) {
    const escaped = line[i] === '\\';
    if (escaped) i++;
    if (escaped || line[i] !== ' ') end = i + 1;
  }
  return line.slice(0, end);
}

/** Adds the lines of a file of patterns: `\n` or `\r\n` between them, a byte order mark ignored. */
export function addLines(set: RuleSet, text: ByteString, source: string): void {
  const lines = (text.startsWith('\xef\xbb\xbf') ? text.slice(3) : text).split('\n');
  lines.forEach((line, i) => {
    set.add(line.endsWith('\r') ? line.slice(0, -1) : line, source, i + 1);
  });
}
