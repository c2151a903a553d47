import type { ByteString } from '../bytes.js';
import { reasonOf } from '../errors.js';
import { CWD, closeFd, openParent, osKind, StatBuffer, tryStatAt } from '../platform/index.js';
import type { Agenda } from './agenda.js';
import { Frame, type Gap, type Place } from './frame.js';
import { ScanEntry } from './items.js';
import { afterSubtree, childKey, isBelow, nextName, pathOf } from './keys.js';
import type { ScanPlan, ScanRoot } from './plan.js';
import { isGone } from './reasons.js';
import { excludesAbove } from './root-excludes.js';
import type { FrameStack } from './stack.js';

/** Looks at what is called `name` in an open directory, which is a root. */
type Visit = (place: Frame, name: ByteString, root: ScanRoot) => ScanEntry | undefined;

const NOWHERE: Place = { dev: -1, mntId: -1, mountKey: '' };
const NOT_NOW = 'is not part of this run';

/**
 * The ways to roots, through directories that are not listed: those above all roots, and those that are left out, or
 * cannot be read, but have roots in them. Only what is on the way is looked at; directories need not be readable for that.
 */
export class Ways {
  readonly #plan: ScanPlan;
  readonly #agenda: Agenda;
  readonly #stack: FrameStack;
  readonly #visit: Visit;
  readonly #stat = new StatBuffer();

  constructor(plan: ScanPlan, agenda: Agenda, stack: FrameStack, visit: Visit) {
    this.#plan = plan;
    this.#agenda = agenda;
    this.#stack = stack;
    this.#visit = visit;
  }

  /** Starts at the root of the file system. */
  begin(): void {
    const { root } = this.#agenda;
    if (root === undefined) return;
    const nowhere = new Frame({ key: '', entries: [], fd: CWD, place: NOWHERE });
    if (root.key !== '') this.passThrough(nowhere, '/', '', null, false);
    else {
      this.#agenda.advance();
      if (root.mode === 'scan') this.#give(this.#visit(nowhere, '/', root));
      else this.passBy(nowhere, '/', root);
    }
  }

  /** Goes one step towards the next root. */
  follow(frame: Frame): void {
    const { root } = this.#agenda;
    if (root === undefined || !isBelow(root.key, frame.key)) {
      this.#stack.pop();
      if (frame.gap !== null && frame.ownsGap) this.#agenda.keepGap(frame.gap, frame.gap.end, frame.gap.end);
      return;
    }
    // Said before anything inside is yielded.
    if (frame.gap !== null) this.#agenda.keepGap(frame.gap, root.key, afterSubtree(root.key));
    const name = nextName(root.key, frame.key);
    const key = childKey(frame.key, name);
    if (key === root.key) this.#agenda.advance();
    let parent: { dir: number; name: ByteString };
    try {
      parent = openParent(pathOf(key));
    } catch (error) {
      this.#miss(frame, key, root, error);
      return;
    }
    try {
      if (key === root.key) this.takeRoot(frame, parent.dir, name, root);
      else this.passThrough(this.#placeIn(frame, parent.dir, undefined), name, key, frame.gap, false);
    } finally {
      closeFd(parent.dir);
    }
  }

  /** A root on its own, to which only its own rules apply, not those of what is around it. */
  takeRoot(frame: Frame, dir: number, name: ByteString, root: ScanRoot): void {
    const place = this.#placeIn(frame, dir, root);
    if (root.mode === 'scan') this.#give(this.#visit(place, name, root));
    else this.passBy(place, name, root);
  }

  /** A directory on the way to a root: its entry, then the way goes on below it. */
  passThrough(place: Frame, name: ByteString, key: ByteString, gap: Gap | null, ownsGap: boolean): void {
    let isDirectory = false;
    try {
      isDirectory = tryStatAt(place.fd, name, this.#stat) && this.#stat.isDirectory;
    } catch {
      // the root's own turn will tell
    }
    if (!isDirectory) {
      if (gap === null) this.#agenda.keepDirectory(key);
      this.from(key, place, gap, ownsGap);
      return;
    }
    if (this.#plan.ownFiles.has(this.#stat)) {
      this.#agenda.skipOwn(key, true);
      return;
    }
    const where = place.placeOf(this.#stat, key);
    if (key !== '' || osKind === 'posix') this.#give(ScanEntry.of(key, this.#stat, where.mountKey, undefined));
    this.from(key, where, gap, ownsGap);
  }

  /** A root that is not looked at in this run. */
  passBy(place: Frame | undefined, name: ByteString, root: ScanRoot): void {
    if (root.mode === 'stdin') this.#agenda.queue.push({ kind: 'stdin', key: root.key });
    else if (!this.#agenda.hasRootsBelow(root.key)) this.#agenda.keep(root.key, NOT_NOW, false);
    else {
      const gap: Gap = { from: root.key, end: afterSubtree(root.key), reason: NOT_NOW, error: false, root: true };
      if (place !== undefined) this.passThrough(place, name, root.key, gap, true);
      else this.from(root.key, NOWHERE, gap);
    }
  }

  /** Goes on to the roots below a directory, if there are any; closes a gap that has none. */
  from(key: ByteString, place: Place, gap: Gap | null, ownsGap = true): void {
    if (this.#agenda.hasRootsBelow(key)) {
      this.#stack.push(new Frame({ key, entries: null, fd: -1, place, gap, ownsGap }));
    } else if (gap !== null && ownsGap) this.#agenda.keepGap(gap, gap.end, gap.end);
  }

  /** The directory above `key`, which is the next root or on the way to it, cannot be opened. */
  #miss(frame: Frame, key: ByteString, root: ScanRoot, error: unknown): void {
    if (key !== root.key) {
      if (frame.gap === null) this.#agenda.keepDirectory(key);
      this.from(key, frame, frame.gap, false);
    } else if (root.mode !== 'scan') this.passBy(undefined, '', root);
    else if (isGone(error)) this.#agenda.takeMissing(key, root);
    else this.#agenda.keepAll(key, `cannot be looked at: ${reasonOf(error as Error)}`, root);
  }

  /** A directory that is open for the moment. */
  #placeIn(frame: Frame, fd: number, root: ScanRoot | undefined): Frame {
    const excludes = root === undefined ? null : excludesAbove(this.#plan.rules, root);
    const ownNames = this.#plan.ownFiles.namesIn(frame.key);
    return new Frame({ key: frame.key, entries: [], fd, place: frame, excludes, ownNames, hasRoots: true });
  }

  #give(entry: ScanEntry | undefined): void {
    if (entry !== undefined) this.#agenda.queue.push(entry);
  }
}
