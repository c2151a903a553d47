import type { ByteString } from '../bytes.js';
import type { Gap } from './frame.js';
import type { ScanItem } from './items.js';
import { afterKey, afterSubtree, ancestorsOf, isBelow, nextName } from './keys.js';
import type { ScanPlan, ScanRoot } from './plan.js';
import { missingRoot } from './reasons.js';
import type { Rule } from './rules.js';

/** The roots that a walk has still to come to, and what it has found but not yet yielded. Both in key order. */
export class Agenda {
  readonly queue: ScanItem[] = [];
  readonly #plan: ScanPlan;
  #next = 0;
  /** The last directory above a missing root that was kept: others above the same root follow it. */
  #lastKept: ByteString | undefined;

  constructor(plan: ScanPlan) {
    this.#plan = plan;
  }

  /** The next root. */
  get root(): ScanRoot | undefined {
    return this.#plan.roots[this.#next];
  }

  /** Goes on to the root after it. */
  advance(): void {
    this.#next++;
  }

  /** Whether a root that has still to come is below a directory. */
  hasRootsBelow(directory: ByteString): boolean {
    return this.root !== undefined && isBelow(this.root.key, directory);
  }

  /** Names in a directory that are roots still to come, or lead to such. */
  waysBelow(directory: ByteString): Set<ByteString> {
    const names = new Set<ByteString>();
    for (let i = this.#next; i < this.#plan.roots.length; i++) {
      const { key } = this.#plan.roots[i];
      if (!isBelow(key, directory)) break;
      names.add(nextName(key, directory));
    }
    return names;
  }

  /**
   * Takes the roots before key `end`, which the listings of the directories above them do not have.
   * @param directory the nearest directory above them that is there.
   */
  takeUnlisted(directory: ByteString, end: ByteString): void {
    for (let root = this.root; root !== undefined && root.key < end; root = this.root) {
      this.advance();
      for (const above of ancestorsOf(root.key)) if (isBelow(above, directory)) this.keepDirectory(above);
      if (root.mode === 'stdin') this.queue.push({ kind: 'stdin', key: root.key });
      else if (root.mode === 'carry') this.keep(root.key, 'is not part of this run', false);
      else this.takeMissing(root.key, root);
    }
  }

  /** Something is not there. For a root that means: keep its versions. What its parent's listing does not have is gone. */
  takeMissing(key: ByteString, root: ScanRoot | undefined): void {
    if (root !== undefined && !this.#plan.acceptEmpty.has(key)) {
      this.keepAll(key, missingRoot(root), root);
    } else this.takeUnlisted(key, afterSubtree(key));
  }

  /** Keeps all versions at and below `key`, roots in it too. */
  keepAll(key: ByteString, reason: string, root: ScanRoot | undefined, error = true): void {
    while (this.hasRootsBelow(key)) this.advance();
    this.keep(key, reason, error, root !== undefined);
  }

  /** Keeps the versions at and below `key`. */
  keep(key: ByteString, reason: string, error: boolean, root = false): void {
    this.queue.push({ kind: 'keep', key, end: afterSubtree(key), reason, error, root });
  }

  /** Keeps the entry of a directory above a root, without what is below it. */
  keepDirectory(key: ByteString): void {
    if (this.#lastKept !== undefined && key <= this.#lastKept) return;
    this.#lastKept = key;
    this.queue.push({ kind: 'keep', key, end: afterKey(key), reason: 'holds a root', error: false, root: false });
  }

  /** Keeps what of a gap comes before `key`, unless that is done; the gap goes on behind `behind`. */
  keepGap(gap: Gap, key: ByteString, behind: ByteString): void {
    if (gap.from >= key) return;
    this.queue.push({ kind: 'keep', key: gap.from, end: key, reason: gap.reason, error: gap.error, root: gap.root });
    gap.error = false;
    gap.from = behind;
  }

  /** Passes over what belongs to the backup itself, and roots in it. */
  skipOwn(key: ByteString, isAsked: boolean): void {
    const reason = 'belongs to the backup itself (store or table_dir): never saved';
    if (isAsked) this.queue.push({ kind: 'failed', key, reason });
    else this.reportExcluded(key, reason, undefined);
    while (this.hasRootsBelow(key)) this.advance();
  }

  /** Says that something is left out, if that is wanted. */
  reportExcluded(key: ByteString, reason: string, rule: Rule | undefined): void {
    if (this.#plan.reportExcluded) this.queue.push({ kind: 'excluded', key, reason, rule });
  }
}
