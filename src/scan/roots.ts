import { type ByteString, toDisplay } from '../bytes.js';
import type { Config } from '../config/types.js';
import { CWD, StatBuffer, tryStatAt } from '../platform/index.js';
import {
  type Candidate,
  type Expansion,
  expandRoot,
  literalRoot,
  matchesGlob,
  rootPath,
  wouldExpandTo,
} from './candidates.js';
import { type GlobalRules, globalRules, readRuleSources } from './excludes.js';
import { isGlob } from './glob.js';
import { deviceOf } from './items.js';
import { afterSubtree, ancestorsOf, isWithin, keyOf, pathOf } from './keys.js';
import { OwnFiles } from './own-files.js';
import type { ScanPlan, ScanRoot } from './plan.js';
import { isThere, resolvePath } from './resolve.js';
import { exclusionOf } from './root-excludes.js';

/** A root as a snapshot names it. */
export interface SnapshotRoot {
  /** The absolute path, without symlinks in it (a root that is a symlink is named, and so is where it leads). */
  path: ByteString;
  /** Not of the config: given on the command line, or standard input's name. */
  adHoc: boolean;
}

export interface PlanOptions {
  config: Pick<
    Config,
    'backupRoots' | 'exclude' | 'excludeFiles' | 'excludeCaches' | 'excludeLargerThan' | 'oneFileSystem'
  >;
  /** ROOTs of the command line: absolute paths or globs. */
  roots: readonly ByteString[];
  /** Lines of `--files-from`: absolute paths, taken as they are. */
  filesFrom?: readonly ByteString[];
  /** The name of standard input. */
  stdin?: ByteString;
  /** Patterns of `--exclude`. */
  exclude: readonly string[];
  /** `--accept-empty` */
  acceptEmpty: readonly ByteString[];
  /** Those of the snapshot before; empty in a first run. */
  previousRoots: readonly SnapshotRoot[];
  /** Whether anything is active below the directory with this key. */
  hasEntries(key: ByteString): boolean;
  /** Whether earlier snapshots may have something of a root that is not active. Default: no. */
  isUnknown?(key: ByteString): boolean;
  /** Paths that are never saved. */
  neverSaved: readonly ByteString[];
  /** Asks a yes-or-no question; true with `--yes`. */
  confirm(question: string): Promise<boolean>;
  /** Have the scan yield what it leaves out. */
  reportExcluded?: boolean;
}

export interface RootPlan {
  scan: ScanPlan;
  /** What the new snapshot records as its roots, sorted. */
  roots: SnapshotRoot[];
  /** Some of the roots only: never the last full backup. */
  partial: boolean;
  /** What needs attention (exit 3) already; `path` is a key. */
  problems: { path: ByteString; message: string }[];
  /**
   * What an active version means that the scan yields nothing for, outside of the ranges that it has kept: true, the
   * path is gone (or is to go); false, it was not looked at, and stays.
   */
  covers(key: ByteString): boolean;
  /** Whether a directory is only recorded because it lies above a root. */
  isAbove(key: ByteString): boolean;
}

/**
 * Decides what a run scans, what stays as it was and what goes, from the config's roots, the command line and the roots
 * of the snapshot before. Reads directories only to expand globs and follow symlinks; whether a root is there, readable and
 * not empty, the scan finds out.
 */
export async function planRoots(options: PlanOptions): Promise<RootPlan> {
  const { config } = options;
  const rules = globalRules(readRuleSources(config.exclude, config.excludeFiles, options.exclude));
  const isPartial = options.roots.length > 0 || options.filesFrom !== undefined || options.stdin !== undefined;
  const plan = new Planning(options, rules, isPartial);
  if (isPartial) plan.planArguments();
  else await plan.planConfig();
  return plan.finish();
}

class Planning {
  readonly #options: PlanOptions;
  readonly #rules: GlobalRules;
  readonly #isPartial: boolean;
  /** Roots of the snapshot before. */
  readonly #previous = new Map<ByteString, { adHoc: boolean }>();
  readonly #scanned = new Map<ByteString, ScanRoot>();
  readonly #recorded = new Map<ByteString, { adHoc: boolean }>();
  readonly #retired: ByteString[] = [];
  readonly #problems: RootPlan['problems'] = [];
  readonly #acceptEmpty = new Set<ByteString>();
  /** Roots of the config, and its globs. */
  readonly #configured = new Map<ByteString, Candidate>();
  readonly #globs: ByteString[] = [];

  constructor(options: PlanOptions, rules: GlobalRules, isPartial: boolean) {
    this.#options = options;
    this.#rules = rules;
    this.#isPartial = isPartial;
    for (const { path, adHoc } of options.previousRoots) this.#previous.set(keyOf(path), { adHoc });
    for (const path of options.acceptEmpty) {
      this.#acceptEmpty.add(keyOf(path)).add(resolvePath(path).key);
      if (!isGlob(path)) continue;
      for (const key of this.#previous.keys()) if (matchesGlob(path, key)) this.#acceptEmpty.add(key);
    }
    for (const root of options.config.backupRoots) this.#configure(rootPath(root));
  }

  #configure(path: ByteString): void {
    const { candidates, glob, problems } = this.#expand(path);
    for (const candidate of candidates) this.#addConfigured(candidate);
    if (glob === undefined) return;
    this.#globs.push(glob);
    let found = candidates.length + problems.length;
    for (const [key, { adHoc }] of this.#previous) {
      if (adHoc || !wouldExpandTo(glob, key, this.#rules)) continue;
      found++;
      // What matched before and is not there now is a missing root like any other.
      if (!this.#acceptEmpty.has(key)) this.#addConfigured(literalRoot(pathOf(key)));
    }
    if (found === 0) {
      this.#problems.push({ path: keyOf(path), message: 'matches nothing: correct the pattern in backup_roots' });
    }
  }

  #expand(path: ByteString): Expansion {
    const expansion = expandRoot(path, this.#rules, (key) => this.#previous.has(key));
    this.#problems.push(...expansion.problems);
    return expansion;
  }

  /** What is named literally, too, is stronger than what a glob matched. */
  #addConfigured(root: Candidate): void {
    const known = this.#configured.get(root.key);
    if (known === undefined) this.#configured.set(root.key, root);
    else if (root.testedBelow === root.key)
      this.#configured.set(root.key, { ...root, links: [...known.links, ...root.links] });
    else known.links.push(...root.links);
  }

  // ---- a run over all roots of the config ----

  async planConfig(): Promise<void> {
    for (const root of this.#configured.values()) this.#scanConfigured(root);
    const gone: ByteString[] = [];
    for (const [key, { adHoc }] of this.#previous) {
      if (this.#scanned.has(key)) continue;
      const container = this.#containerOf(key);
      if (container !== undefined && !this.#isOutOfReach(key, container, adHoc)) continue;
      if (this.#acceptEmpty.has(key) || (!adHoc && this.#isNewlyExcluded(key))) this.#retired.push(key);
      else if (adHoc) this.#carry(key, true);
      else gone.push(key);
    }
    if (gone.length === 0) return;
    const names = gone.map((key) => toDisplay(pathOf(key))).join(', ');
    if (await this.#options.confirm(`No longer among the backup roots: ${names}. Let their files pass into history?`)) {
      this.#retired.push(...gone);
      return;
    }
    for (const key of gone) {
      this.#carry(key, false);
      const message = 'is no longer among the backup roots; its files stay active until that is confirmed with --yes';
      this.#problems.push({ path: key, message });
    }
  }

  #scanConfigured(root: Candidate): void {
    this.#scan(root.key, root.testedBelow, root.key, false);
    for (const link of root.links) this.#scan(link, link, link, false);
  }

  /** A glob still matches it, but a rule excludes it now. */
  #isNewlyExcluded(key: ByteString): boolean {
    return this.#globs.some((glob) => matchesGlob(glob, key) && !wouldExpandTo(glob, key, this.#rules));
  }

  // ---- a run over what the command line names ----

  planArguments(): void {
    const { roots, filesFrom = [], stdin } = this.#options;
    for (const [key, { adHoc }] of this.#previous) this.#recorded.set(key, { adHoc });
    for (const path of roots) {
      const { candidates, glob, problems } = this.#expand(path);
      if (glob !== undefined && candidates.length + problems.length === 0) {
        this.#problems.push({ path: keyOf(path), message: 'matches nothing, and nothing of that name is there' });
      }
      for (const candidate of candidates) this.#planArgument(candidate);
    }
    const directories = new Set<ByteString>();
    for (const path of filesFrom) this.#planArgument(literalRoot(path, directories));
    // Roots of the config inside are not merely part of what is around them: they may be excluded there, or another mount.
    for (const root of this.#configured.values()) {
      if (this.#containerOf(root.key) !== undefined) this.#scanConfigured(root);
    }
    for (const [key, { adHoc }] of this.#previous) {
      if (this.#scanned.has(key)) continue;
      const container = this.#containerOf(key);
      if (this.#acceptEmpty.has(key) && !this.#configured.has(key)) {
        this.#retired.push(key);
        this.#recorded.delete(key);
      } else if (container !== undefined && this.#isOutOfReach(key, container, adHoc)) this.#carry(key, adHoc);
    }
    if (stdin === undefined) return;
    const key = keyOf(stdin);
    this.#scanned.set(key, { key, mode: 'stdin', testedBelow: key, rulesFrom: key });
    if (!this.#recorded.has(key)) this.#recorded.set(key, { adHoc: true });
  }

  #planArgument({ key, links, testedBelow, isDirectory }: Candidate): void {
    const place = this.#placeOf(key);
    const root = place === undefined ? { key, testedBelow, rulesFrom: key } : { ...place, key };
    const exclusion = exclusionOf(this.#rules, root, isDirectory);
    if (exclusion !== undefined) {
      const { rule } = exclusion;
      const message = `is not saved: excluded by '${toDisplay(rule.pattern)}' (${rule.source}, line ${rule.line})`;
      this.#problems.push({ path: key, message });
      return;
    }
    const adHoc = place?.adHoc ?? true;
    this.#scan(key, root.testedBelow, root.rulesFrom, adHoc);
    for (const link of links) this.#scan(link, link, link, this.#placeOf(link)?.adHoc ?? adHoc);
  }

  /** The root of the config, or an earlier one, that a path is or is in. */
  #placeOf(key: ByteString): { testedBelow: ByteString; rulesFrom: ByteString; adHoc: boolean } | undefined {
    for (const around of [key, ...ancestorsOf(key).reverse()]) {
      const root = this.#configured.get(around);
      if (root !== undefined) return { testedBelow: root.testedBelow, rulesFrom: around, adHoc: false };
    }
    for (const around of [key, ...ancestorsOf(key).reverse()]) {
      const root = this.#previous.get(around);
      if (root !== undefined) return { testedBelow: around, rulesFrom: around, adHoc: root.adHoc };
    }
    return undefined;
  }

  // ---- both ----

  #scan(key: ByteString, testedBelow: ByteString, rulesFrom: ByteString, adHoc: boolean): void {
    const known = this.#scanned.get(key);
    if (known?.mode === 'scan' && known.testedBelow === key) return; // named literally: nothing is stronger
    const isUnknown = this.#options.isUnknown?.(key) === true;
    this.#scanned.set(key, { key, mode: 'scan', testedBelow, rulesFrom, ...(isUnknown && { isUnknown }) });
    this.#record(key, adHoc);
  }

  #record(key: ByteString, adHoc: boolean): void {
    const known = this.#recorded.get(key);
    if (known !== undefined) known.adHoc &&= adHoc;
    else if (!this.#isPartial || !ancestorsOf(key).some((above) => this.#recorded.has(above))) {
      this.#recorded.set(key, { adHoc });
    }
  }

  #carry(key: ByteString, adHoc: boolean): void {
    this.#scanned.set(key, { key, mode: 'carry', testedBelow: key, rulesFrom: key });
    this.#recorded.set(key, { adHoc });
  }

  /** The scanned root that a path is in. */
  #containerOf(key: ByteString): ByteString | undefined {
    return ancestorsOf(key).findLast((above) => this.#scanned.get(above)?.mode === 'scan');
  }

  /**
   * Whether a walk through the root around it would not come to an earlier root: another file system begins there, or
   * it is no file at all but what came from standard input.
   */
  #isOutOfReach(key: ByteString, container: ByteString, adHoc: boolean): boolean {
    if (adHoc && !isThere(pathOf(key))) return true;
    if (!this.#options.config.oneFileSystem) return false;
    const [inner, outer] = [deviceAt(key), deviceAt(container)];
    return inner !== undefined && inner !== outer;
  }

  finish(): RootPlan {
    const { config, neverSaved, hasEntries, reportExcluded = false } = this.#options;
    this.#checkAcceptEmpty();
    const roots = [...this.#scanned.values()].sort((a, b) => byBytes(a.key, b.key));
    const scan: ScanPlan = {
      roots,
      rules: this.#rules,
      excludeCaches: config.excludeCaches,
      excludeLargerThan: config.excludeLargerThan,
      oneFileSystem: config.oneFileSystem,
      ownFiles: new OwnFiles(neverSaved),
      acceptEmpty: this.#acceptEmpty,
      hasEntries,
      reportExcluded,
      rootsRead: 0,
    };
    const recorded = [...this.#recorded]
      .map(([key, { adHoc }]) => ({ key, adHoc }))
      .sort((a, b) => byBytes(a.key, b.key));
    const isWhole = ({ key }: { key: ByteString }) =>
      this.#scanned.get(key)?.mode === 'scan' || this.#containerOf(key) !== undefined;
    return {
      scan,
      roots: recorded.map(({ key, adHoc }) => ({ path: pathOf(key), adHoc })),
      partial: this.#isPartial && ![...recorded, ...this.#configured.values()].every(isWhole),
      problems: this.#problems,
      covers: this.#coverage(roots.filter((root) => root.mode === 'scan').map((root) => root.key)),
      isAbove: this.#above(roots),
    };
  }

  #above(roots: readonly ScanRoot[]): (key: ByteString) => boolean {
    const above = new Set(roots.flatMap(({ key }) => ancestorsOf(key)));
    for (const key of above) if (this.#scanned.has(key) || this.#containerOf(key) !== undefined) above.delete(key);
    return (key) => above.has(key);
  }

  #checkAcceptEmpty(): void {
    for (const path of this.#options.acceptEmpty) {
      const keys = [keyOf(path), resolvePath(path).key];
      const isKnown = keys.some(
        (key) => this.#previous.has(key) || this.#configured.has(key) || this.#scanned.has(key),
      );
      if (isKnown || isGlob(path)) continue;
      this.#problems.push({ path: keyOf(path), message: 'is no backup root: --accept-empty has no effect' });
    }
  }

  #coverage(scanned: ByteString[]): (key: ByteString) => boolean {
    const subtrees: ByteString[] = [];
    for (const key of [...scanned, ...this.#retired].sort(byBytes)) {
      const last = subtrees.at(-1);
      if (last === undefined || !isWithin(key, last)) subtrees.push(key);
    }
    // Directories above roots that are gone. A run over some of the roots leaves them.
    const needed = new Set([...this.#recorded.keys()].flatMap((key) => [...ancestorsOf(key), key]));
    const above = this.#isPartial ? [] : [...this.#previous.keys()].flatMap(ancestorsOf);
    const stale = new Set(above.filter((key) => !needed.has(key)));
    return (key) => {
      const at = countUpTo(subtrees, key);
      return (at > 0 && key < afterSubtree(subtrees[at - 1])) || stale.has(key);
    };
  }
}

/** How many of the sorted keys are not greater than `key`. */
function countUpTo(keys: readonly ByteString[], key: ByteString): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function byBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function deviceAt(key: ByteString): number | undefined {
  const stat = new StatBuffer();
  try {
    return tryStatAt(CWD, pathOf(key), stat) ? deviceOf(stat) : undefined;
  } catch {
    return undefined;
  }
}
