import fs from 'node:fs';
import { type ByteString, toDisplay } from '../../bytes.js';
import { ExitCode, UserError } from '../../errors.js';
import {
  chmodAt,
  chmodFd,
  closeFd,
  getXattrFd,
  joinPath,
  makeDirectoryAt,
  openDirectory,
  openDirectoryAt,
  openParent,
  removeFileAt,
  removeXattrFd,
  StatBuffer,
  statFd,
  syncFileSystem,
  tryStatAt,
} from '../../platform/index.js';
import { DEFAULT_ACL } from './attributes.js';
import { Conflict } from './conflict.js';

/** A directory that restored things go into. */
export interface Dir {
  readonly parent: Dir | undefined;
  /** Its name in the parent; of a root its path. */
  readonly name: ByteString;
  /** In a dry run: it is not there, and would be made. */
  readonly virtual: boolean;
  /** Made by this run, so that it holds nothing but what this run has put there. */
  readonly made: boolean;
  /** The group that new files in it get. */
  readonly groupOfNew: number;
  /** New files in it get an ACL from it. */
  readonly handsAclDown: boolean;
  /** Permission bits it had before it was made writable; undefined when that was not needed. */
  readonly loosened: number | undefined;
  /** Open descriptor, or -1: see Directories.fd. */
  fd: number;
  pins: number;
  readonly identity: Identity;
  /** Whether something is mounted at it, as far as the kernel tells. */
  readonly isMountRoot: boolean;
}

/** Tells whether a directory is still the one that was opened first. */
export interface Identity {
  inoLow: number;
  inoHigh: number;
  devMajor: number;
  devMinor: number;
}

const NO_IDENTITY: Identity = { inoLow: 0, inoHigh: 0, devMajor: 0, devMinor: 0 };
const SETGID = 0o2000;
const TRIES = 8;

/**
 * The directories under the targets, each reached by openat from the one above and never through a symlink, so that
 * nothing that happens to the tree meanwhile leads outside. Only what is pinned and what was used last is kept open;
 * the rest is opened again, by the same way, when it is needed, and must be the same directory then.
 */
export class Directories {
  private readonly dryRun: boolean;
  private readonly limit: number;
  private readonly stat = new StatBuffer();
  /** Open ones that nobody has pinned, least recently used first. */
  private readonly idle = new Set<Dir>();
  private readonly roots = new Map<ByteString, Dir>();
  /** The first directory met of each file system, kept open. */
  private readonly fileSystems = new Map<string, Dir>();
  /** Whether new files get their directory's group in any case (macOS; Linux mounted with grpid). */
  private groupsFromDirectory = process.platform === 'darwin';

  /** @param limit how many unpinned directories stay open */
  constructor(options: { dryRun: boolean; limit: number }) {
    this.dryRun = options.dryRun;
    this.limit = options.limit;
  }

  /**
   * A directory that the user named: symlinks on the way to it are followed, and it is made when missing.
   * @throws UserError when that is not possible
   */
  root(path: ByteString): Dir {
    const known = this.roots.get(path);
    if (known !== undefined) return known;
    let dir: Dir;
    try {
      dir = this.openRoot(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      throw new UserError(
        ExitCode.failed,
        `cannot restore into ${toDisplay(path)}: ${message}; choose another target`,
        {
          cause: error,
        },
      );
    }
    this.roots.set(path, dir);
    return dir;
  }

  /**
   * The directory `name` in `parent`: opened, or made when it is missing.
   * @param replace something else in its place gives way; otherwise it is a Conflict
   * @throws SystemError
   */
  child(parent: Dir, name: ByteString, replace: boolean): Dir {
    if (parent.virtual) return this.virtual(parent, name);
    const within = this.fd(parent);
    for (let tries = 0; tries < TRIES; tries++) {
      if (!parent.made || tries > 0) {
        const found = this.openChild(parent, within, name);
        if (found !== undefined) return found;
        if (tryStatAt(within, name, this.stat)) {
          if (this.stat.isDirectory) continue;
          if (!replace) throw new Conflict(`${this.pathOf(parent, name)} is there and is not a directory`);
          if (this.dryRun) return this.virtual(parent, name);
          ignoring('ENOENT', () => removeFileAt(within, name));
        } else if (this.dryRun) return this.virtual(parent, name);
      }
      if (!ignoring('EEXIST', () => makeDirectoryAt(within, name, 0o700))) continue;
      const made = this.openMade(parent, within, name);
      if (made !== undefined) return made;
    }
    throw new Conflict(`${this.pathOf(parent, name)} is being changed by someone else`);
  }

  /** A descriptor of the directory, good until the next call unless it is pinned. */
  fd(dir: Dir): number {
    if (dir.fd < 0) {
      // Not by recursion: directories can be nested by the thousand.
      const closed: Dir[] = [];
      for (let at: Dir | undefined = dir; at !== undefined && at.fd < 0; at = at.parent) closed.push(at);
      for (const next of closed.reverse()) this.reopen(next);
    } else if (this.idle.delete(dir)) this.idle.add(dir);
    return dir.fd;
  }

  /** Keeps the directory open until `unpin`; returns its descriptor. */
  pin(dir: Dir): number {
    const fd = this.fd(dir);
    dir.pins++;
    this.idle.delete(dir);
    return fd;
  }

  unpin(dir: Dir): void {
    dir.pins--;
    if (dir.pins === 0) this.rest(dir);
  }

  /** Path of a directory, or of a name in it, for people. */
  pathOf(dir: Dir, name?: ByteString): string {
    return toDisplay(this.bytesOf(dir, name));
  }

  /** The same as bytes. */
  bytesOf(dir: Dir, name?: ByteString): ByteString {
    const names: ByteString[] = name === undefined ? [] : [name];
    let at = dir;
    for (; at.parent !== undefined; at = at.parent) names.push(at.name);
    return names.length === 0 ? at.name : joinPath(at.name, names.reverse().join('/'));
  }

  /** Waits until what was written is on the disk, on that of each file system. @throws SystemError */
  async sync(): Promise<void> {
    for (const dir of this.fileSystems.values()) await syncFileSystem(dir.fd);
  }

  /** Closes what is open and idle, and the roots. */
  close(): void {
    for (const dir of this.idle) this.shut(dir);
    this.idle.clear();
    for (const dir of [...this.roots.values(), ...this.fileSystems.values()]) if (dir.fd >= 0) this.shut(dir);
  }

  private openRoot(path: ByteString): Dir {
    let fd: number;
    let made = false;
    try {
      fd = openDirectory(path, { follow: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (this.dryRun) return { ...this.virtual(undefined, path), pins: 1 };
      made = makePath(path);
      fd = openDirectory(path, { follow: true });
    }
    const dir = this.adopt(undefined, path, fd, made);
    this.pin(dir);
    return dir;
  }

  private openChild(parent: Dir, within: number, name: ByteString): Dir | undefined {
    let fd: number;
    let loosened: number | undefined;
    try {
      fd = openDirectoryAt(within, name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
      // One's own directory without permission to look into it can be opened up; it is closed again at the end.
      if (code !== 'EACCES' || this.dryRun || !tryStatAt(within, name, this.stat) || !this.stat.isDirectory)
        throw error;
      loosened = this.stat.perm;
      chmodAt(within, name, loosened | 0o700);
      fd = openDirectoryAt(within, name);
    }
    return this.adopt(parent, name, fd, false, loosened);
  }

  private openMade(parent: Dir, within: number, name: ByteString): Dir | undefined {
    let fd: number;
    try {
      fd = openDirectoryAt(within, name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined; // swapped
      throw error;
    }
    if (parent.handsAclDown) removeXattrFd(fd, DEFAULT_ACL);
    return this.adopt(parent, name, fd, true);
  }

  /** Makes a Dir of an open descriptor. */
  private adopt(parent: Dir | undefined, name: ByteString, fd: number, made: boolean, loosened?: number): Dir {
    const { stat } = this;
    statFd(fd, stat);
    const ownGroup = process.getegid?.() ?? 0;
    if (made && stat.gid !== ownGroup && (stat.perm & SETGID) === 0) this.groupsFromDirectory = true;
    const mine = process.geteuid === undefined || process.geteuid() === stat.uid;
    let before = loosened;
    if (!this.dryRun && mine && made && stat.perm !== 0o700 && parent !== undefined) {
      chmodFd(fd, 0o700); // a setgid bit handed down, or an odd umask
      statFd(fd, stat);
    } else if (!this.dryRun && mine && (stat.perm & 0o700) !== 0o700 && process.geteuid?.() !== 0) {
      before ??= stat.perm;
      chmodFd(fd, stat.perm | 0o700);
    }
    const dir: Dir = {
      parent,
      name,
      virtual: false,
      made,
      groupOfNew: this.groupsFromDirectory || (stat.perm & SETGID) !== 0 ? stat.gid : ownGroup,
      handsAclDown: (!made || parent === undefined) && getXattrFd(fd, DEFAULT_ACL) !== null,
      loosened: before,
      fd,
      pins: 0,
      identity: identityOf(stat),
      isMountRoot: stat.isMountRoot,
    };
    const fileSystem = `${stat.devMajor}:${stat.devMinor}`;
    if (this.fileSystems.has(fileSystem)) this.rest(dir);
    else {
      this.fileSystems.set(fileSystem, dir);
      dir.pins++;
    }
    return dir;
  }

  private virtual(parent: Dir | undefined, name: ByteString): Dir {
    return {
      parent,
      name,
      virtual: true,
      made: true,
      groupOfNew: 0,
      handsAclDown: false,
      loosened: undefined,
      fd: -1,
      pins: 0,
      identity: NO_IDENTITY,
      isMountRoot: false,
    };
  }

  private reopen(dir: Dir): void {
    if (dir.parent === undefined || dir.virtual) throw new Error(`${this.pathOf(dir)} is not open`);
    const fd = openDirectoryAt(dir.parent.fd, dir.name);
    statFd(fd, this.stat);
    if (!sameIdentity(dir.identity, this.stat)) {
      closeFd(fd);
      throw new Conflict(`${this.pathOf(dir)} was replaced by someone else`);
    }
    dir.fd = fd;
    this.rest(dir);
  }

  private rest(dir: Dir): void {
    this.idle.add(dir);
    if (this.idle.size <= this.limit) return;
    for (const oldest of this.idle) {
      if (oldest === dir) continue;
      this.idle.delete(oldest);
      this.shut(oldest);
      break;
    }
  }

  private shut(dir: Dir): void {
    closeFd(dir.fd);
    dir.fd = -1;
  }
}

export function identityOf(stat: StatBuffer): Identity {
  const { inoLow, inoHigh, devMajor, devMinor } = stat;
  return { inoLow, inoHigh, devMajor, devMinor };
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return a.inoLow === b.inoLow && a.inoHigh === b.inoHigh && a.devMajor === b.devMajor && a.devMinor === b.devMinor;
}

/** Whether another file system begins at a directory than the one above it lies on. */
export function isCrossing(dir: Dir, above: Dir): boolean {
  const [here, there] = [dir.identity, above.identity];
  return dir.isMountRoot || here.devMajor !== there.devMajor || here.devMinor !== there.devMinor;
}

/** Whether the call went through; false when it failed with this code. */
export function ignoring(code: string, call: () => void): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) throw error;
    return false;
  }
}

/** Makes a directory with those above it, as `mkdir -p` does; whether it was not there before. */
function makePath(path: ByteString): boolean {
  const make = (): boolean => {
    const { dir, name } = openParent(path);
    try {
      return ignoring('EEXIST', () => makeDirectoryAt(dir, name, 0o777));
    } finally {
      closeFd(dir);
    }
  };
  try {
    return make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    makePath(path.slice(0, Math.max(1, path.replace(/\/+$/, '').lastIndexOf('/'))));
    return make();
  }
}

/** How many descriptors this process may have, as far as that is known. */
export function descriptorLimit(): number {
  try {
    const limits = fs.readFileSync('/proc/self/limits', 'utf8');
    const found = /^Max open files\s+(\d+)/m.exec(limits);
    if (found !== null) return Number(found[1]);
  } catch {
    // no Linux
  }
  return 1024;
}
