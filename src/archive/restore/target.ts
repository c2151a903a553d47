import type { ByteString } from '../../bytes.js';
import { type Entry, EntryType } from '../../format/entry.js';
import {
  closeFd,
  FileType,
  linkAt,
  listXattrsAt,
  makeDeviceAt,
  makeFifoAt,
  makeSocketAt,
  openFileAt,
  pinNodeAt,
  readLinkAt,
  removeFileAt,
  StatBuffer,
  setTimesAt,
  statFd,
  symlinkAt,
  tryStatAt,
} from '../../platform/index.js';
import {
  type AttributeChange,
  type AttributeNotes,
  type Attributes,
  applyToNew,
  applyToNode,
  applyToOpen,
  changeOfNode,
  hasAttributes,
} from './attributes.js';
import { Conflict } from './conflict.js';
import { type Dir, type Directories, identityOf, ignoring, sameIdentity } from './directories.js';
import type { LinkGroup } from './links.js';
import { removeTree } from './removal.js';

/** Why there may be no second name: EPERM is what file systems without hard links say. */
const UNLINKABLE = ['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS', 'ENOENT', 'EACCES'];

export type Overwrite = 'always' | 'if-changed' | 'never';

/**
 * What is to be done at a place: nothing is there; what is there gives way; it already matches; it stays untouched.
 */
export type Decision = 'create' | 'replace' | 'matches' | 'keep';

const TYPES: Record<EntryType, FileType> = {
  [EntryType.dir]: FileType.directory,
  [EntryType.file]: FileType.file,
  [EntryType.symlink]: FileType.symlink,
  [EntryType.fifo]: FileType.fifo,
  [EntryType.socket]: FileType.socket,
  [EntryType.chardev]: FileType.charDevice,
  [EntryType.blockdev]: FileType.blockDevice,
};

/** Looks at what lies where something is to be restored, and makes what needs no content. */
export class Target {
  private readonly directories: Directories;
  private readonly overwrite: Overwrite;
  private readonly dryRun: boolean;
  private readonly verify: boolean;
  private readonly notes: AttributeNotes;
  private readonly isProtected: (stat: StatBuffer) => boolean;
  private readonly stat = new StatBuffer();
  private readonly scratch = new StatBuffer();
  /**
   * What had several names when one of them was to give way. Whether the others still are several depends on how far the
   * work has come; they count as several to the end, so that a dry run can tell what becomes of them.
   */
  private readonly shared = new Set<string>();

  /** @param options.isProtected what is never removed with the directory that it is in (the store, the catalog) */
  constructor(options: {
    directories: Directories;
    overwrite: Overwrite;
    dryRun: boolean;
    verify: boolean;
    notes: AttributeNotes;
    isProtected: (stat: StatBuffer) => boolean;
  }) {
    this.directories = options.directories;
    this.overwrite = options.overwrite;
    this.dryRun = options.dryRun;
    this.verify = options.verify;
    this.notes = options.notes;
    this.isProtected = options.isProtected;
  }

  /**
   * Decides about an entry that is no directory. A directory in its place is removed at once, with what is in it.
   * @throws Conflict, SystemError
   */
  decide(entry: Entry, dir: Dir, name: ByteString): Decision {
    // What this run has made holds only what this run has put there.
    if (dir.made) return 'create';
    const fd = this.directories.fd(dir);
    const { stat } = this;
    if (!tryStatAt(fd, name, stat)) return 'create';
    const sameType = stat.type === TYPES[entry.type];
    if (this.overwrite === 'never') {
      if (sameType) return 'keep';
      throw new Conflict('something of another type is there');
    }
    if (stat.isDirectory) return this.clear(fd, name);
    const matches = this.overwrite !== 'always' && sameType && this.matches(entry, fd, name);
    // What is still to be verified may give way, too.
    if (!matches || this.verify) this.noteNames(stat);
    return matches ? 'matches' : 'replace';
  }

  /**
   * Sets the attributes of what matches, where they differ. False when that would change a file that has further
   * names, which may lie outside: then it must be replaced instead.
   */
  refresh(entry: Entry, dir: Dir, name: ByteString, want: Attributes): boolean {
    const fd = this.directories.fd(dir);
    const { stat } = this;
    if (!tryStatAt(fd, name, stat) || stat.type !== TYPES[entry.type]) return false;
    return entry.type === EntryType.file ? this.refreshFile(fd, name, want) : this.refreshOther(fd, name, want);
  }

  /** Makes a symlink, fifo, socket or device with its attributes. */
  make(entry: Entry, dir: Dir, name: ByteString, want: Attributes, decision: Decision): void {
    const fd = this.directories.fd(dir);
    if (decision === 'replace') ignoring('ENOENT', () => removeFileAt(fd, name));
    try {
      makeNode(entry, fd, name);
    } catch (error) {
      // Names that differ here may be one where it is restored (upper and lower case).
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || this.overwrite === 'never') throw error;
      removeFileAt(fd, name);
      makeNode(entry, fd, name);
    }
    const place = { isForeign: !dir.made, inheritsAcl: dir.handsAclDown };
    applyToNew(fd, name, want, TYPES[entry.type], place, this.notes);
    setTimesAt(fd, name, want.mtimeSec, want.mtimeNsec);
  }

  /**
   * Makes a further name of a file.
   * @returns `same` when it was one already, `impossible` when it must be a file of its own (another file system, no
   *   hard links, too many of them; or the first name is gone)
   * @throws Conflict, SystemError
   */
  link(group: LinkGroup, dir: Dir, name: ByteString, decision: Decision): 'made' | 'same' | 'impossible' {
    const from = this.directories.fd(group.dir);
    this.directories.pin(group.dir);
    try {
      const to = this.directories.fd(dir);
      if (decision !== 'create') {
        if (this.sameFile(group.dir, group.name, dir, name)) return 'same';
        if (!tryStatAt(from, group.name, this.stat)) return 'impossible';
        this.giveWay(dir, name);
        ignoring('ENOENT', () => removeFileAt(to, name));
      }
      linkAt(from, group.name, to, name);
      return 'made';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== undefined && UNLINKABLE.includes(code)) return 'impossible';
      throw error;
    } finally {
      this.directories.unpin(group.dir);
    }
  }

  /** Whether two names are one file. */
  sameFile(dirA: Dir, nameA: ByteString, dirB: Dir, nameB: ByteString): boolean {
    if (!tryStatAt(this.directories.fd(dirA), nameA, this.scratch)) return false;
    const identity = identityOf(this.scratch);
    return tryStatAt(this.directories.fd(dirB), nameB, this.scratch) && sameIdentity(identity, this.scratch);
  }

  /** Takes note that what is there is to be replaced after all. */
  giveWay(dir: Dir, name: ByteString): void {
    if (tryStatAt(this.directories.fd(dir), name, this.scratch)) this.noteNames(this.scratch);
  }

  private noteNames(stat: StatBuffer): void {
    if (stat.nlink > 1) this.shared.add(textOf(stat));
  }

  /** Whether it has further names, which may lie outside of the target. */
  private isShared(stat: StatBuffer): boolean {
    return stat.nlink > 1 || (this.shared.size > 0 && this.shared.has(textOf(stat)));
  }

  private clear(fd: number, name: ByteString): Decision {
    let kept = '';
    const gone = removeTree(fd, name, undefined, {
      dryRun: this.dryRun,
      keeps: ({ path, stat }) => {
        if (!stat.isDirectory) this.noteNames(stat);
        if (!this.isProtected(stat)) return false;
        kept = path;
        return true;
      },
      enter: () => undefined,
      removed: () => undefined,
    });
    if (gone) return 'create';
    throw new Conflict(
      `a directory has its place, and holds what must not be removed${kept === '' ? '' : `: ${kept}`}`,
    );
  }

  private matches(entry: Entry, fd: number, name: ByteString): boolean {
    const { stat } = this;
    switch (entry.type) {
      case EntryType.file:
        return stat.size === entry.size && stat.mtimeSec === entry.mtimeSec && stat.mtimeNsec === entry.mtimeNsec;
      case EntryType.symlink:
        return readLinkAt(fd, name) === entry.target;
      case EntryType.chardev:
      case EntryType.blockdev:
        return stat.rdevMajor === entry.rdev?.major && stat.rdevMinor === entry.rdev.minor;
      default:
        return true;
    }
  }

  private refreshFile(dir: number, name: ByteString, want: Attributes): boolean {
    const { stat } = this;
    const identity = identityOf(stat);
    if (
      (want.uid === -1 || (stat.uid === want.uid && stat.gid === want.gid)) &&
      stat.perm === want.perm &&
      want.xattrs.length === 0 &&
      listXattrsAt(dir, name).length === 0
    )
      return true;
    let fd: number;
    try {
      fd = openFileAt(dir, name);
    } catch {
      return false;
    }
    try {
      statFd(fd, stat);
      if (!sameIdentity(identity, stat)) return false;
      if (hasAttributes(fd, stat, want)) return true;
      // A further name may lie outside of the target, put there so that its owner changes.
      if (this.isShared(stat)) {
        this.noteNames(stat);
        return false;
      }
      if (!this.dryRun) applyToOpen(fd, want, stat, this.notes);
      return true;
    } finally {
      closeFd(fd);
    }
  }

  private refreshOther(dir: number, name: ByteString, want: Attributes): boolean {
    const { stat } = this;
    const change = changeOfNode(dir, name, stat, want);
    const touch = stat.mtimeSec !== want.mtimeSec || stat.mtimeNsec !== want.mtimeNsec;
    if (change === undefined && !touch) return true;
    if (this.isShared(stat)) {
      this.noteNames(stat);
      return false;
    }
    if (this.dryRun) return true;
    if (change !== undefined && !this.changeNode(dir, name, change)) return false;
    if (touch) setTimesAt(dir, name, want.mtimeSec, want.mtimeNsec);
    return true;
  }

  /** False when what was looked at has been replaced, perhaps by a further name of what lies outside. */
  private changeNode(dir: number, name: ByteString, change: AttributeChange): boolean {
    const { stat } = this;
    const { type } = stat;
    const identity = identityOf(stat);
    const pin = pinNodeAt(dir, name);
    try {
      if (pin !== undefined) {
        statFd(pin, stat);
        if (!sameIdentity(identity, stat) || stat.nlink > 1) return false;
      }
      applyToNode({ dir, name, pin, type }, change, this.notes);
      return true;
    } finally {
      if (pin !== undefined) closeFd(pin);
    }
  }
}

function textOf({ inoLow, inoHigh, devMajor, devMinor }: StatBuffer): string {
  return `${devMajor}:${devMinor}:${inoHigh}:${inoLow}`;
}

function makeNode(entry: Entry, dir: number, name: ByteString): void {
  switch (entry.type) {
    case EntryType.symlink:
      symlinkAt(entry.target ?? '', dir, name);
      break;
    case EntryType.fifo:
      makeFifoAt(dir, name, 0o600);
      break;
    case EntryType.socket:
      makeSocketAt(dir, name, 0o600);
      break;
    case EntryType.chardev:
    case EntryType.blockdev: {
      const { major, minor } = entry.rdev ?? { major: 0, minor: 0 };
      makeDeviceAt(dir, name, (TYPES[entry.type] << 12) | 0o600, major, minor);
      break;
    }
  }
}
