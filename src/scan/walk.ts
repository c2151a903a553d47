import type { ByteString } from '../bytes.js';
import { reasonOf } from '../errors.js';
import {
  closeFd,
  type DirEntry,
  FileType,
  readDirectory,
  readLinkAt,
  StatBuffer,
  statFd,
  tryStatAt,
} from '../platform/index.js';
import { Agenda } from './agenda.js';
import {
  CACHE_TAG,
  decide,
  descend,
  hasCacheTag,
  IGNORE_FILE,
  readIgnoreFile,
  rootExcludes,
  withIgnoreFile,
} from './excludes.js';
import { Frame, findName, type Gap } from './frame.js';
import { deviceOf, inodeOf, ScanEntry, type ScanItem } from './items.js';
import { afterSubtree, childKey, pathOf } from './keys.js';
import { Mounts } from './mounts.js';
import type { ScanPlan, ScanRoot } from './plan.js';
import { emptyRoot, unreachable } from './reasons.js';
import type { Rule } from './rules.js';
import { FrameStack } from './stack.js';
import { Ways } from './ways.js';

/** How often something is looked at that is another thing each time. */
const MOST_LOOKS = 5;

/** What was looked at has become another thing in between. */
const CHANGED = Symbol('changed');
type Taken = ScanEntry | undefined | typeof CHANGED;

/**
 * Yields what is on disk at and below the plan's roots, and the directories above them, in the order of path keys.
 *
 * Each directory is read once and each entry looked at once, without following symlinks; nothing is opened but
 * directories (and ignore files). Memory is bounded by the depth times the largest directory. What a listing has but is
 * gone when looked at was removed in between: nothing is yielded for it.
 */
export function* scan(plan: ScanPlan): Generator<ScanItem, void, undefined> {
  const walker = new Walker(plan);
  try {
    for (let item = walker.next(); item !== undefined; item = walker.next()) yield item;
  } finally {
    walker.close();
  }
}

class Walker {
  readonly #plan: ScanPlan;
  readonly #agenda: Agenda;
  readonly #queue: ScanItem[];
  readonly #stack = new FrameStack();
  readonly #ways: Ways;
  readonly #stat = new StatBuffer();
  readonly #opened = new StatBuffer();
  readonly #mounts = new Mounts();

  constructor(plan: ScanPlan) {
    this.#plan = plan;
    this.#agenda = new Agenda(plan);
    this.#queue = this.#agenda.queue;
    plan.rootsRead = 0;
    this.#ways = new Ways(plan, this.#agenda, this.#stack, (place, name, root) =>
      this.#visit(place, name, root.key, FileType.unknown, root),
    );
    this.#ways.begin();
  }

  next(): ScanItem | undefined {
    for (;;) {
      if (this.#queue.length > 0) return this.#queue.shift();
      const frame = this.#stack.top;
      if (frame === undefined) return undefined;
      if (frame.entries === null) this.#ways.follow(frame);
      else {
        const entry = this.#step(frame, frame.entries);
        if (entry !== undefined) return entry;
      }
    }
  }

  close(): void {
    this.#stack.close();
  }

  // ---- Directories that are listed. What a method returns comes next; rarer things go through the queue. ----

  #step(frame: Frame, entries: readonly DirEntry[]): ScanEntry | undefined {
    if (frame.next === entries.length) {
      this.#leave(frame);
      return undefined;
    }
    const { name, type } = entries[frame.next];
    const key = frame.prefix + name;
    let root: ScanRoot | undefined;
    if (frame.hasRoots) {
      this.#agenda.takeUnlisted(frame.key, key);
      if (this.#queue.length > 0) return undefined;
      if (this.#agenda.root?.key === key) {
        root = this.#agenda.root;
        this.#agenda.advance();
      }
    }
    frame.next++;
    if (root !== undefined && frame.isCache) this.#ways.takeRoot(frame, frame.fd, name, root);
    else if (root !== undefined && root.mode !== 'scan') this.#ways.passBy(frame, name, root);
    else if (frame.isCache && name !== CACHE_TAG) this.#ways.passThrough(frame, name, key, null, false);
    else return this.#visit(frame, name, key, type, root);
    return undefined;
  }

  #visit(
    frame: Frame,
    name: ByteString,
    key: ByteString,
    listed: FileType,
    root: ScanRoot | undefined,
  ): ScanEntry | undefined {
    if (frame.ownNames?.has(name) === true) return this.#skipOwn(key, root);
    const excludes = root !== undefined && root.testedBelow === key ? null : frame.excludes;
    let asked = listed;
    // The listing mostly tells the type, so that what is excluded need not be looked at.
    if (excludes !== null && listed !== FileType.unknown) {
      const rule = decide(excludes, name, listed === FileType.directory);
      if (rule !== undefined && !rule.negated) return this.#exclude(frame, name, key, rule);
    }
    const stat = this.#stat;
    for (let looks = 1; ; looks++) {
      try {
        if (!tryStatAt(frame.fd, name, stat)) {
          this.#agenda.takeMissing(key, root);
          return undefined;
        }
      } catch (error) {
        this.#agenda.keepAll(key, unreachable('cannot be looked at', error, root), root);
        return undefined;
      }
      const type = stat.type;
      if (excludes !== null && type !== asked) {
        asked = type;
        const rule = decide(excludes, name, type === FileType.directory);
        if (rule !== undefined && !rule.negated) return this.#exclude(frame, name, key, rule);
      }
      const last = looks === MOST_LOOKS;
      const taken =
        type === FileType.directory
          ? this.#enter(frame, name, key, root, last)
          : this.#take(frame, name, key, root, last);
      if (taken !== CHANGED) return taken;
    }
  }

  /** Anything but a directory. */
  #take(frame: Frame, name: ByteString, key: ByteString, root: ScanRoot | undefined, last: boolean): Taken {
    const stat = this.#stat;
    const plan = this.#plan;
    if (plan.ownFiles.hasFiles && plan.ownFiles.has(stat)) return this.#skipOwn(key, root);
    const type = stat.type;
    if (plan.excludeLargerThan !== undefined && type === FileType.file && stat.size > plan.excludeLargerThan) {
      if (root?.testedBelow !== key) {
        this.#agenda.reportExcluded(key, `larger than ${plan.excludeLargerThan} bytes`, undefined);
        return undefined;
      }
    }
    let target: ByteString | undefined;
    if (type === FileType.symlink) {
      try {
        target = readLinkAt(frame.fd, name);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (!last && (code === 'ENOENT' || code === 'EINVAL')) return CHANGED;
        this.#agenda.keepAll(key, unreachable('cannot be read', error, root), root);
        return undefined;
      }
    }
    // A single file can be a mount, too.
    const mountKey = stat.nlink > 1 && frame.isCrossing(stat) ? key : frame.mountKey;
    const entry = ScanEntry.of(key, stat, mountKey, target);
    if (root === undefined && !frame.hasRoots) return entry;
    if (root !== undefined) plan.rootsRead++;
    this.#queue.push(entry);
    this.#agenda.takeUnlisted(key, afterSubtree(key));
    return undefined;
  }

  /** A directory: opens and reads it before its entry is given, so that what is known of it is of one and the same. */
  #enter(frame: Frame, name: ByteString, key: ByteString, root: ScanRoot | undefined, last: boolean): Taken {
    const plan = this.#plan;
    const stat = this.#stat;
    if (plan.ownFiles.has(stat)) return this.#skipOwn(key, root);
    const foreign = this.#foreignFileSystem(frame, key, root);
    if (foreign !== undefined) return this.#skip(frame, key, foreign, root);

    let fd = -1;
    let entries: readonly DirEntry[];
    try {
      fd = this.#stack.open(frame.fd, name);
      statFd(fd, this.#opened);
      if (inodeOf(this.#opened) !== inodeOf(stat) || deviceOf(this.#opened) !== deviceOf(stat)) throw new Replaced();
      entries = readDirectory(fd);
    } catch (error) {
      if (fd >= 0) closeFd(fd);
      if (!last && isChange(error)) return CHANGED;
      const reason = unreachable('cannot be read', error, root);
      this.#queue.push(ScanEntry.of(key, stat, frame.placeOf(stat, key).mountKey, undefined));
      const gap: Gap = { from: key, end: afterSubtree(key), reason, error: true, root: root !== undefined };
      this.#ways.from(key, frame.placeOf(stat, key), gap);
      return undefined;
    }
    stat.copyFrom(this.#opened);

    if (root !== undefined) {
      if (entries.length === 0 && !plan.acceptEmpty.has(key) && (root.isUnknown || plan.hasEntries(key))) {
        closeFd(fd);
        this.#agenda.keepAll(key, emptyRoot(root), root);
        return undefined;
      }
      plan.rootsRead++;
    }
    const place = frame.placeOf(stat, key);
    const entry = ScanEntry.of(key, stat, place.mountKey, undefined);
    const isCache = plan.excludeCaches && findName(entries, CACHE_TAG) >= 0 && hasCacheTag(fd);
    if (isCache) {
      this.#queue.push(entry);
      this.#agenda.reportExcluded(key, `marked as a cache by ${CACHE_TAG}: its content is left out`, undefined);
      const ways = this.#agenda.waysBelow(key);
      entries = entries.filter((item) => item.name === CACHE_TAG || ways.has(item.name));
    }
    let excludes = key === '' ? rootExcludes(plan.rules) : descend(frame.excludes, name);
    if (findName(entries, IGNORE_FILE) >= 0) {
      try {
        const set = readIgnoreFile(fd, pathOf(key));
        if (set !== undefined) excludes = withIgnoreFile(excludes, set);
      } catch (error) {
        const reason = `cannot be read, so nothing is left out by it: ${reasonOf(error as Error)}`;
        if (!this.#queue.includes(entry)) this.#queue.push(entry);
        this.#queue.push({ kind: 'failed', key: childKey(key, IGNORE_FILE), reason });
      }
    }
    const hasRoots = this.#agenda.hasRootsBelow(key);
    const rootDev = root === undefined ? frame.rootDev : place.dev;
    const ownNames = plan.ownFiles.namesIn(key);
    this.#stack.push(
      new Frame({ key, entries, fd, ino: inodeOf(stat), place, excludes, rootDev, ownNames, hasRoots, isCache }),
    );
    if (this.#queue.length === 0) return entry;
    if (!this.#queue.includes(entry)) this.#queue.push(entry);
    return undefined;
  }

  /** Why a directory is not entered, if it is where another file system begins that is not wanted. */
  #foreignFileSystem(frame: Frame, key: ByteString, root: ScanRoot | undefined): string | undefined {
    const isCrossing = frame.isCrossing(this.#stat);
    if (!isCrossing && root === undefined) return undefined;
    const pseudo = this.#mounts.pseudoType(key, this.#stat);
    if (pseudo !== undefined) return `pseudo file system (${pseudo}), never saved`;
    const isOther = root === undefined && deviceOf(this.#stat) !== frame.rootDev;
    return isOther && this.#plan.oneFileSystem ? 'another file system (one_file_system is set)' : undefined;
  }

  #leave(frame: Frame): void {
    if (frame.hasRoots) {
      this.#agenda.takeUnlisted(frame.key, afterSubtree(frame.key));
      if (this.#queue.length > 0) return;
    }
    const lost = this.#stack.pop();
    if (lost === undefined) return;
    // What is still to come of it cannot be looked at any more.
    let isFirst = true;
    for (; lost.next < lost.entries!.length; lost.next++) {
      const key = lost.prefix + lost.entries![lost.next].name;
      this.#agenda.keepAll(key, 'its directory was moved away while it was read', undefined, isFirst);
      isFirst = false;
    }
  }

  // ---- What is left out ----

  #skipOwn(key: ByteString, root: ScanRoot | undefined): undefined {
    this.#agenda.skipOwn(key, root !== undefined);
  }

  #exclude(frame: Frame, name: ByteString, key: ByteString, rule: Rule): undefined {
    this.#agenda.reportExcluded(key, 'excluded by a rule', rule);
    if (!this.#agenda.hasRootsBelow(key)) return;
    // Not so the roots in it that are named literally, and the directories on the way to them.
    this.#ways.passThrough(frame, name, key, null, false);
  }

  #skip(frame: Frame, key: ByteString, reason: string, root: ScanRoot | undefined): undefined {
    const place = frame.placeOf(this.#stat, key);
    this.#queue.push(ScanEntry.of(key, this.#stat, place.mountKey, undefined));
    this.#queue.push({ kind: root === undefined ? 'skipped' : 'failed', key, reason });
    this.#ways.from(key, place, null);
  }
}

/** Another directory was opened than the one that had been looked at. */
class Replaced extends Error {
  override readonly message = 'it was replaced again and again';
}

function isChange(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return error instanceof Replaced || code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP';
}
