import { type ByteString, toDisplay } from '../bytes.js';
import {
  closeFd,
  FileType,
  openDirectory,
  openParent,
  readDirectory,
  StatBuffer,
  tryStatAt,
} from '../platform/index.js';
import {
  CACHE_TAG,
  decide,
  descend,
  type Excludes,
  hasCacheTag,
  readIgnoreFile,
  rootExcludes,
  withIgnoreFile,
} from './excludes.js';
import { findName } from './frame.js';
import { deviceOf } from './items.js';
import { isBelow, isWithin, keyOf, nameOf, nextName, pathOf } from './keys.js';
import { Mounts } from './mounts.js';
import type { ScanPlan, ScanRoot } from './plan.js';
import type { Rule } from './rules.js';

/** Whether a path is saved, and what decides that. */
export interface Explanation {
  saved: boolean;
  /** For people, in one line. */
  reason: string;
  /** The rule that excludes the path or a directory above it, or takes back what another excludes. */
  rule?: Rule;
  /** The path that decides: the one asked for, or a directory above it. */
  at: ByteString;
}

/** Tells whether a scan by this plan would save a path, and why. Looks at the directories on the way there, as a scan does. */
export function explain(plan: ScanPlan, path: ByteString): Explanation {
  const key = keyOf(path);
  let answer: Explanation | undefined;
  for (const root of plan.roots) {
    if (root.mode !== 'scan' || !isWithin(key, root.key)) continue;
    // A root within another is part of that one's walk, unless that does not come to it.
    if (answer !== undefined && (answer.saved || !isBelow(root.key, keyOf(answer.at)))) continue;
    answer = { saved: true, reason: `in the backup root ${toDisplay(pathOf(root.key))}`, at: pathOf(root.key) };
    for (const step of new Way(plan, root, key).steps()) {
      answer = step;
      if (!step.saved) break;
    }
  }
  if (answer?.saved !== true && plan.roots.some((root) => isBelow(root.key, key))) {
    return { saved: true, reason: 'a directory above a backup root: its entry is saved', at: pathOf(key) };
  }
  return answer ?? { saved: false, reason: 'not in any backup root', at: pathOf(key) };
}

class Way {
  readonly #plan: ScanPlan;
  readonly #root: ScanRoot;
  readonly #key: ByteString;
  readonly #mounts = new Mounts();
  readonly #stat = new StatBuffer();
  #excludes: Excludes;
  #rootDev = -1;
  #aboveDev = -1;

  constructor(plan: ScanPlan, root: ScanRoot, key: ByteString) {
    this.#plan = plan;
    this.#root = root;
    this.#key = key;
    this.#excludes = rootExcludes(plan.rules);
  }

  /** What each component from the root on says; the last one is the answer, or the first that does not save. */
  *steps(): Generator<Explanation> {
    for (let at: ByteString = ''; ; ) {
      if (isWithin(at, this.#root.key)) {
        const found = this.#lookAt(at);
        if (found !== undefined) yield found;
        if (at === this.#key || found?.saved === false) return;
        const cache = this.#cacheRule(at);
        if (cache !== undefined) {
          yield cache;
          return;
        }
      }
      if (isWithin(at, this.#root.rulesFrom)) this.#readRules(at);
      const name = nextName(this.#key, at);
      const next = at === '' ? name : `${at}\0${name}`;
      if (isBelow(next, this.#root.testedBelow) && !this.#isLiteralRoot(next)) {
        const ruled = this.#askRules(next, name);
        if (ruled !== undefined) yield ruled;
        if (ruled?.saved === false) return;
      }
      this.#excludes = descend(this.#excludes, name);
      at = next;
    }
  }

  /** What is named literally is saved whatever the rules say. */
  #isLiteralRoot(key: ByteString): boolean {
    return this.#plan.roots.some((root) => root.key === key && root.testedBelow === key && root.mode === 'scan');
  }

  #askRules(key: ByteString, name: ByteString): Explanation | undefined {
    const isDirectory = key !== this.#key || this.#statOf(key)?.isDirectory === true;
    const rule = decide(this.#excludes, name, isDirectory);
    if (rule === undefined) return undefined;
    const where = `'${toDisplay(rule.pattern)}' (${rule.source}, line ${rule.line})`;
    const reason = rule.negated ? `taken back in by ${where}` : `excluded by ${where}`;
    return { saved: rule.negated, reason, rule, at: pathOf(key) };
  }

  #lookAt(key: ByteString): Explanation | undefined {
    const no = (reason: string): Explanation => ({ saved: false, reason, at: pathOf(key) });
    const { ownFiles, oneFileSystem, excludeLargerThan } = this.#plan;
    if (ownFiles.hasKey(key)) return no('belongs to the backup itself (store or table_dir): never saved');
    const stat = this.#statOf(key);
    if (stat === undefined) return no('is not there, or cannot be looked at');
    if (ownFiles.has(stat)) return no('belongs to the backup itself (store or table_dir): never saved');
    const isRoot = key === this.#root.key;
    const dev = deviceOf(stat);
    if (isRoot) this.#rootDev = dev;
    const isCrossing = isRoot || dev !== this.#aboveDev;
    this.#aboveDev = dev;
    if (stat.isDirectory && isCrossing && (isRoot || key !== this.#key)) {
      const pseudo = this.#mounts.pseudoType(key, stat);
      if (pseudo !== undefined) return no(`on a pseudo file system (${pseudo}): never saved`);
      if (oneFileSystem && dev !== this.#rootDev)
        return no('on another file system than its root (one_file_system is set)');
    }
    const tooLarge = stat.type === FileType.file && excludeLargerThan !== undefined && stat.size > excludeLargerThan;
    if (tooLarge && this.#root.testedBelow !== key)
      return no(`larger than ${excludeLargerThan} bytes (exclude_larger_than)`);
    return undefined;
  }

  #cacheRule(key: ByteString): Explanation | undefined {
    const next = nextName(this.#key, key);
    if (!this.#plan.excludeCaches || (next === CACHE_TAG && nameOf(this.#key) === next)) return undefined;
    const isCache = withDirectory(key, (fd) => findName(readDirectory(fd), CACHE_TAG) >= 0 && hasCacheTag(fd));
    return isCache === true
      ? { saved: false, reason: `in a cache, as its ${CACHE_TAG} tells (exclude_caches)`, at: pathOf(key) }
      : undefined;
  }

  #readRules(directory: ByteString): void {
    const set = withDirectory(directory, (fd) => readIgnoreFile(fd, pathOf(directory)));
    if (set !== undefined) this.#excludes = withIgnoreFile(this.#excludes, set);
  }

  #statOf(key: ByteString): StatBuffer | undefined {
    let dir = -1;
    try {
      const parent = key === '' ? { dir: openDirectory('/'), name: '.' } : openParent(pathOf(key));
      dir = parent.dir;
      return tryStatAt(dir, parent.name, this.#stat) ? this.#stat : undefined;
    } catch {
      return undefined;
    } finally {
      if (dir >= 0) closeFd(dir);
    }
  }
}

function withDirectory<T>(key: ByteString, use: (fd: number) => T): T | undefined {
  let fd = -1;
  try {
    fd = openDirectory(pathOf(key));
    return use(fd);
  } catch {
    return undefined;
  } finally {
    if (fd >= 0) closeFd(fd);
  }
}
