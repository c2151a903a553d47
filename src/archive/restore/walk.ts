import type { ByteString } from '../../bytes.js';
import { type Entry, EntryType, NO_CONTENT } from '../../format/entry.js';
import { baseName, type DirEntry, parentPath, readDirectory, type StatBuffer } from '../../platform/index.js';
import { childKey, isBelow, nameOf, nextName, parentKey } from '../../scan/keys.js';
import type { LeftOut, LeftOutHere } from '../../scan/left-out.js';
import type { AttributePlan } from './attributes.js';
import { Conflict } from './conflict.js';
import { type Dir, type Directories, isCrossing } from './directories.js';
import type { Mapping } from './mapping.js';
import { type Candidate, removeTree } from './removal.js';
import type { Selected, Selection } from './selection.js';
import type { ClosedDir } from './session.js';
import type { Overwrite } from './target.js';

/** Where a walk sends what it comes by. */
export interface Destination {
  readonly attributes: AttributePlan;
  item(entry: Entry, dir: Dir, name: ByteString): Promise<void> | undefined;
  closeDirectory(closed: ClosedDir): Promise<void> | undefined;
  error(entry: Entry, message: string): void;
  problem(entry: Entry, error: unknown): void;
}

/** How to walk. */
export interface WalkOptions {
  directories: Directories;
  mapping: Mapping;
  selection: Selection;
  overwrite: Overwrite;
  /** The entry of a directory that is above what is restored: it is made as it was, if it is missing. */
  ancestor(key: ByteString): Entry | undefined;
  /** Remove what the snapshot does not have; undefined: leave it. */
  removal: Removal | undefined;
}

/** What `--delete` may do. */
export interface Removal {
  dryRun: boolean;
  isProtected(stat: StatBuffer): boolean;
  /**
   * Whether this directory was saved with all that was in it. Those above the roots were not: that the snapshot lacks
   * their other contents says nothing.
   */
  isWhole(key: ByteString): boolean;
  /** Whether the user has named this very path to be restored. */
  isNamed(key: ByteString): boolean;
  /**
   * Whether it may go on in a directory where another file system begins than that of the directory above. Of what
   * happens to be mounted there nobody knows whether it was when the snapshot was made.
   */
  mayCross(key: ByteString, place: { path: ByteString; fd: number }): boolean;
  /** Called with the path of each file system in which all is left. */
  otherFileSystem(path: ByteString): void;
  /** What backups leave out. */
  leftOut: LeftOut;
  /** Whether a backup of today, by this user, could read what is found, or is not. */
  canRead(dir: number, name: ByteString, stat: StatBuffer): boolean;
  /** Called with the path of what is left because no backup can have read it. */
  unread(path: ByteString): void;
  /** Called with the path of each directory of which nobody knows what backups leave out of it. */
  unruled(path: ByteString): void;
  /** Called with the path of each thing that is gone, or would be. */
  removed(path: ByteString): void;
}

/** What tells in a directory what stays there. */
interface Place {
  key: ByteString;
  selected: Selected;
  /** undefined when nothing is removed anywhere. */
  leftOut: LeftOutHere | undefined;
}

/** A directory of the archive on the way to the current entry. */
interface Level extends Place {
  entry: Entry | undefined;
  /** Whether it is to be restored itself, not only for the sake of what is in it. */
  wanted: boolean;
  /** Where it is restored, once something made that necessary; `failed` when it cannot be. */
  dir: Dir | 'failed' | undefined;
  /** Names that are there and have not come by. */
  left: Set<ByteString> | undefined;
  /** Another file system begins here, or did so above, on which nothing is removed. */
  isForeign: boolean;
  /** Another file system begins here, which may be another than when the snapshot was made. */
  crosses: boolean;
  /** The snapshot has nothing in it. */
  isEmpty: boolean;
}

/**
 * Goes through entries in key order, keeping the directories above the current one, and finds each its place.
 * Directories that nothing is restored from are not made.
 */
export class TreeWalk {
  private readonly destination: Destination;
  private readonly options: WalkOptions;
  private readonly levels: Level[];
  /** The last entry that was no directory. */
  private lastItem: ByteString | undefined;

  constructor(destination: Destination, options: WalkOptions) {
    this.destination = destination;
    this.options = options;
    const { selection, removal } = options;
    this.levels = [
      {
        key: '',
        entry: undefined,
        selected: selection.root(),
        leftOut: removal?.leftOut.top(),
        wanted: false,
        dir: undefined,
        left: undefined,
        isForeign: false,
        crosses: false,
        isEmpty: true,
      },
    ];
  }

  /** The next entry. Waits only where it must: undefined means that the next may follow at once. */
  step(entry: Entry): Promise<void> | undefined {
    const closing = this.leaveFor(entry.key);
    if (closing !== undefined) return closing.then(() => this.enter(entry));
    return this.enter(entry);
  }

  /** Closes what is open. */
  async finish(): Promise<void> {
    while (this.levels.length > 0) await this.close(this.levels.pop()!);
  }

  /** Closes the directories that this key is not below of. */
  private leaveFor(key: ByteString): Promise<void> | undefined {
    while (!isBelow(key, this.levels[this.levels.length - 1].key) && this.levels.length > 1) {
      const closing = this.close(this.levels.pop()!);
      if (closing !== undefined) return closing.then(() => this.leaveFor(key));
    }
    return undefined;
  }

  private enter(entry: Entry): Promise<void> | undefined {
    const { key } = entry;
    if (key === '') {
      this.levels[0].entry = entry;
      return undefined;
    }
    if (this.lastItem !== undefined && isBelow(key, this.lastItem)) {
      this.destination.error(entry, `its place is taken: what lies above it is no directory in the snapshot`);
      return undefined;
    }
    const parent = parentKey(key);
    for (let top = this.levels[this.levels.length - 1]; top.key !== parent; top = this.levels[this.levels.length - 1]) {
      const name = nextName(key, top.key);
      this.push(top, top.key === '' ? name : `${top.key}\0${name}`, undefined);
    }
    const above = this.levels[this.levels.length - 1];
    if (entry.type === EntryType.dir) {
      const level = this.push(above, key, entry);
      if (level.wanted) this.place(level);
      return undefined;
    }
    this.lastItem = key;
    return this.item(entry, above);
  }

  private push(above: Level, key: ByteString, entry: Entry | undefined): Level {
    const { selection, removal } = this.options;
    const name = nameOf(key);
    const selected = selection.child(above.selected, name, true);
    const level: Level = {
      key,
      entry,
      selected,
      leftOut: above.leftOut && removal?.leftOut.below(above.leftOut, key),
      wanted: entry !== undefined && selected.included && !selected.excluded,
      dir: above.dir === 'failed' ? 'failed' : undefined,
      left: undefined,
      isForeign: false,
      crosses: false,
      isEmpty: true,
    };
    this.notice(above, name);
    this.levels.push(level);
    return level;
  }

  private item(entry: Entry, above: Level): Promise<void> | undefined {
    const { selection, mapping } = this.options;
    const component = nameOf(entry.key);
    this.notice(above, component);
    const selected = selection.child(above.selected, component, false);
    if (!selected.included || selected.excluded) return undefined;
    const mapped = mapping.exact(entry.key);
    if (mapped !== undefined) {
      const dir = this.options.directories.root(parentPath(mapped));
      return this.destination.item(entry, dir, baseName(mapped));
    }
    const name = mapping.nameFor(component, above.key === '');
    if (name === undefined) {
      this.destination.error(entry, 'its name is none that a file can have');
      return undefined;
    }
    const dir = this.place(above);
    return dir === undefined ? undefined : this.destination.item(entry, dir, name);
  }

  /** What has come by stays, selected or not. */
  private notice(above: Level, component: ByteString): void {
    above.isEmpty = false;
    if (above.left === undefined) return;
    const name = this.options.mapping.nameFor(component, above.key === '');
    if (name !== undefined) above.left.delete(name);
  }

  /** Where a directory is restored, made if need be, with those above it. undefined when it cannot be. */
  private place(level: Level): Dir | undefined {
    if (level.dir === undefined) {
      const index = this.levels.indexOf(level);
      let first = index;
      while (first > 0 && this.levels[first - 1].dir === undefined && !this.isRoot(this.levels[first])) first--;
      for (let i = first; i <= index; i++) this.placeOne(this.levels[i], this.levels[i - 1]);
    }
    return level.dir === 'failed' ? undefined : level.dir;
  }

  private isRoot(level: Level): boolean {
    return level.key === '' || this.options.mapping.exact(level.key) !== undefined;
  }

  private placeOne(level: Level, above: Level | undefined): void {
    const { directories, mapping, overwrite, removal } = this.options;
    const path = mapping.exact(level.key) ?? (level.key === '' ? mapping.target : undefined);
    const name = mapping.nameFor(nameOf(level.key), above?.key === '');
    try {
      if (path !== undefined) level.dir = directories.root(path);
      else if (above === undefined || above.dir === undefined || above.dir === 'failed') level.dir = 'failed';
      else if (name === undefined) throw new Conflict('its name is none that a directory can have');
      else level.dir = directories.child(above.dir, name, overwrite !== 'never');
      if (level.dir === 'failed') return;
      if (removal === undefined || level.dir.made) return;
      if (path === undefined) this.lookForMount(level, level.dir, above!, removal);
      if (level.wanted && removal.isWhole(level.key) && !level.isForeign) this.readNames(level, level.dir, removal);
      // Once more: when this level was come to, those above may not have been looked at yet.
      const here = above === undefined ? level.leftOut! : removal.leftOut.below(above.leftOut!, level.key);
      level.leftOut = removal.leftOut.inside(here, level.key, directories.fd(level.dir), level.left);
    } catch (error) {
      level.dir = 'failed';
      this.destination.problem(this.entryOf(level), error);
    }
  }

  /** Finds out whether a directory, which is neither the target nor mapped, is on a file system of its own. */
  private lookForMount(level: Level, dir: Dir, above: Level, removal: Removal): void {
    level.crosses = isCrossing(dir, above.dir as Dir);
    if (!level.crosses && !above.isForeign) return;
    const { directories } = this.options;
    const path = directories.bytesOf(dir);
    level.isForeign = !removal.mayCross(level.key, { path, fd: directories.fd(dir) });
    if (level.isForeign && level.crosses && level.wanted && removal.isWhole(level.key)) removal.otherFileSystem(path);
  }

  private readNames(level: Level, dir: Dir, removal: Removal): void {
    // To whom it did not open itself, it was not saved either.
    const isShut = [dir.loosened, level.entry?.mode].some((mode) => mode !== undefined && (mode & 0o500) !== 0o500);
    if (isShut) removal.unread(this.options.directories.bytesOf(dir));
    else level.left = new Set(readDirectory(this.options.directories.fd(dir)).map(({ name }) => name));
  }

  private close(level: Level): Promise<void> | undefined {
    const { dir } = level;
    if (dir === undefined || dir === 'failed') return undefined;
    if (level.left !== undefined) this.removeLeft(level, dir, level.left);
    // The target itself stays as the user has made it.
    if (level.key === '') return undefined;
    const isOurs = dir.made || (level.wanted && this.options.overwrite !== 'never');
    const entry = isOurs ? (level.entry ?? this.options.ancestor(level.key)) : undefined;
    if (entry === undefined && dir.loosened === undefined) return undefined;
    const want = entry === undefined ? undefined : this.destination.attributes.of(entry);
    return this.destination.closeDirectory({ entry: entry ?? this.entryOf(level), dir, want });
  }

  private removeLeft(level: Level, dir: Dir, left: Set<ByteString>): void {
    const { directories } = this.options;
    const removal = this.options.removal!;
    // A root that was saved while its disk was not mounted.
    if (level.crosses && level.isEmpty && !removal.isNamed(level.key)) {
      if (left.size > 0) removal.otherFileSystem(directories.bytesOf(dir));
      return;
    }
    const isUnruled = left.size > 0 && [...this.levels, level].some((above) => this.lacksRules(above, removal));
    if (isUnruled) {
      removal.unruled(directories.bytesOf(dir));
      return;
    }
    for (const name of left) {
      const pathOf = (path: ByteString): ByteString => directories.bytesOf(dir, path === '' ? name : `${name}/${path}`);
      try {
        removeTree<Place>(directories.pin(dir), name, level, {
          dryRun: removal.dryRun,
          keeps: (candidate) => this.keeps(candidate, removal, pathOf),
          enter: (above, child, fd, names) => this.look(above, child, fd, names, removal),
          removed: (path) => removal.removed(pathOf(path)),
          otherFileSystem: (path) => removal.otherFileSystem(pathOf(path)),
        });
      } catch (error) {
        this.destination.problem({ ...this.entryOf(level), key: `${level.key}\0${name}` }, error);
      } finally {
        directories.unpin(dir);
      }
    }
  }

  /** Whether something that the snapshot does not have stays. */
  private keeps(candidate: Candidate<Place>, removal: Removal, pathOf: (path: ByteString) => ByteString): boolean {
    const { path, stat, dir, name, place } = candidate;
    if (removal.isProtected(stat)) return true;
    const { included, excluded } = this.options.selection.child(place.selected, name, stat.isDirectory);
    if (!included || excluded) return true;
    if (removal.leftOut.has(place.leftOut!, childKey(place.key, name), stat)) return true;
    if (removal.canRead(dir, name, stat)) return false;
    removal.unread(pathOf(path));
    return true;
  }

  /** What tells what stays in a directory that the snapshot does not have. */
  private look(above: Place, name: ByteString, fd: number, names: readonly DirEntry[], removal: Removal): Place {
    const key = childKey(above.key, name);
    const there = new Set(names.map((entry) => entry.name));
    return {
      key,
      selected: this.options.selection.child(above.selected, name, true),
      leftOut: removal.leftOut.inside(removal.leftOut.below(above.leftOut!, key), key, fd, there),
    };
  }

  /**
   * Whether it is not known what backups leave out of a directory: what says so cannot be read, or is in the snapshot
   * and was not in its place.
   */
  private lacksRules({ key, leftOut }: Level, removal: Removal): boolean {
    if (leftOut === undefined) return false;
    const isLost = (name: ByteString): boolean => this.options.ancestor(childKey(key, name))?.type === EntryType.file;
    return leftOut.isUnknown || removal.leftOut.untold(leftOut, key).some(isLost);
  }

  /** The directory's entry, or as much of one as messages need. */
  private entryOf(level: Level): Entry {
    return level.entry ?? bareDirectory(level.key);
  }
}

function bareDirectory(key: ByteString): Entry {
  return {
    ...NO_CONTENT,
    key,
    type: EntryType.dir,
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    ino: 0,
  };
}
