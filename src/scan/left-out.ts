import type { ByteString } from '../bytes.js';
import { FileType, StatBuffer, tryStatAt } from '../platform/index.js';
import {
  CACHE_TAG,
  decide,
  descend,
  type Excludes,
  hasCacheTag,
  IGNORE_FILE,
  readIgnoreFile,
  rootExcludes,
  withIgnoreFile,
} from './excludes.js';
import { isBelow, isWithin, nameOf, pathOf } from './keys.js';
import type { ScanPlan } from './plan.js';
import { excludesAbove } from './root-excludes.js';

/** What says in one directory what is left out of it. */
export interface LeftOutHere {
  readonly excludes: Excludes;
  /** All that is in it is left out: it is excluded itself, or lies in what is. */
  readonly isOut: boolean;
  /** It is marked as a cache: all but the mark is left out. */
  readonly isCache: boolean;
  /** Files in it that say more: those that were there; undefined: it has not been looked at. */
  readonly told: ReadonlySet<ByteString> | undefined;
  /** Its ignore file is there, but cannot be read. */
  readonly isUnknown: boolean;
}

/**
 * What backups by a plan leave out, asked on the way down from the root of all paths, one directory after another. The
 * directories may lie anywhere: their keys are those that they have in a snapshot.
 */
export class LeftOut {
  readonly #plan: Pick<ScanPlan, 'roots' | 'rules' | 'excludeCaches' | 'excludeLargerThan' | 'oneFileSystem'>;
  /** Roots that are saved whatever the rules say. */
  readonly #literal: ReadonlySet<ByteString>;
  readonly #stat = new StatBuffer();

  constructor(plan: Pick<ScanPlan, 'roots' | 'rules' | 'excludeCaches' | 'excludeLargerThan' | 'oneFileSystem'>) {
    this.#plan = plan;
    this.#literal = new Set(plan.roots.filter((root) => root.testedBelow === root.key).map((root) => root.key));
  }

  /** Whether a root's other file systems are left out. */
  get oneFileSystem(): boolean {
    return this.#plan.oneFileSystem;
  }

  /** At the root of all paths. */
  top(): LeftOutHere {
    return {
      excludes: rootExcludes(this.#plan.rules),
      isOut: false,
      isCache: false,
      told: undefined,
      isUnknown: false,
    };
  }

  /** In a directory, before it is looked at. */
  below(above: LeftOutHere, key: ByteString): LeftOutHere {
    const name = nameOf(key);
    const isPassedBy = above.isOut || (above.isCache && name !== CACHE_TAG);
    const isLiteral = this.#literal.has(key);
    // A root that the walk from above does not come to is a beginning: ignore files above it say nothing. One that they
    // exclude is come to all the same.
    const begins = isPassedBy && isLiteral;
    const before = begins ? excludesAbove(this.#plan.rules, { key, testedBelow: key, rulesFrom: key }) : above.excludes;
    const isOut = !isLiteral && (isPassedBy || this.#isExcluded(above, key, name, true));
    return { excludes: descend(before, name), isOut, isCache: false, told: undefined, isUnknown: false };
  }

  /**
   * What the directory itself says, by its ignore file and as a cache.
   * @param names what is in it, where that is known
   */
  inside(here: LeftOutHere, key: ByteString, fd: number, names?: ReadonlySet<ByteString>): LeftOutHere {
    const told = new Set<ByteString>();
    let { excludes, isUnknown } = here;
    let isCache = false;
    const counts = (name: ByteString): boolean =>
      this.#counts(name, key) && (names?.has(name) ?? tryStatAt(fd, name, this.#stat));
    if (counts(IGNORE_FILE)) {
      try {
        const set = readIgnoreFile(fd, pathOf(key));
        if (set !== undefined) {
          told.add(IGNORE_FILE);
          excludes = withIgnoreFile(excludes, set);
        }
      } catch {
        isUnknown = true;
      }
    }
    if (counts(CACHE_TAG)) {
      isCache = hasCacheTag(fd);
      told.add(CACHE_TAG);
    }
    return { ...here, excludes, isCache, told, isUnknown };
  }

  /** Names of files that would say more in a directory that has been looked at, and were not there. */
  untold(here: LeftOutHere, key: ByteString): ByteString[] {
    const { told, isOut } = here;
    if (told === undefined || isOut) return [];
    return [IGNORE_FILE, CACHE_TAG].filter((name) => !told.has(name) && this.#counts(name, key));
  }

  /** Whether backups leave out what is at `key` in this directory. */
  has(here: LeftOutHere, key: ByteString, stat: StatBuffer): boolean {
    const name = nameOf(key);
    const { excludeLargerThan } = this.#plan;
    return (
      here.isOut ||
      (here.isCache && name !== CACHE_TAG) ||
      this.#isExcluded(here, key, name, stat.isDirectory) ||
      (excludeLargerThan !== undefined && stat.type === FileType.file && stat.size > excludeLargerThan)
    );
  }

  #isExcluded(above: LeftOutHere, key: ByteString, name: ByteString, isDirectory: boolean): boolean {
    if (above.excludes === null) return false;
    if (!this.#plan.roots.some((root) => isBelow(key, root.testedBelow))) return false;
    return decide(above.excludes, name, isDirectory)?.negated === false;
  }

  /** Whether a file of this name says something in the directory `key`. */
  #counts(name: ByteString, key: ByteString): boolean {
    const { roots, excludeCaches } = this.#plan;
    if (name === CACHE_TAG) return excludeCaches && roots.some((root) => isWithin(key, root.key));
    return roots.some((root) => isWithin(key, root.rulesFrom));
  }
}
