import type { ByteString } from '../../bytes.js';
import {
  chmodAt,
  chmodFd,
  closeFd,
  type DirEntry,
  openDirectoryAt,
  readDirectory,
  removeDirectoryAt,
  removeFileAt,
  StatBuffer,
  statFd,
  tryStatAt,
} from '../../platform/index.js';

/** Something that may have to stay. */
export interface Candidate<Place> {
  /** Relative to what removal began with, which is ''. */
  path: ByteString;
  stat: StatBuffer;
  /** The directory that it is in, open, and what the rules know of that. */
  dir: number;
  name: ByteString;
  place: Place;
}

/** What may be removed. `Place` is what they know of a directory. */
export interface RemovalRules<Place> {
  /** Only tell, remove nothing. */
  dryRun: boolean;
  /** Whether this stays, with all above it. */
  keeps(candidate: Candidate<Place>): boolean;
  /** What is known of a directory that does not stay, now that it is open. */
  enter(above: Place, name: ByteString, fd: number, names: readonly DirEntry[]): Place;
  /** Called for each path that is gone, or would be; what lies in a directory before the directory. */
  removed(path: ByteString): void;
  /** Called for each path at which something is mounted, which is left. */
  otherFileSystem?(path: ByteString): void;
}

interface Level<Place> {
  fd: number;
  place: Place;
  name: ByteString;
  path: ByteString;
  names: DirEntry[];
  next: number;
  /** Something in it stays, so it stays too. */
  keeps: boolean;
  /** Permission bits that it had before it was made writable; undefined when that was not needed. */
  loosened: number | undefined;
}

/**
 * Removes what is at `name` in `dir`, a directory with all that is in it. Symlinks are removed, never followed, and
 * nothing on another file system is touched: neither a mount point nor what lies in it.
 * @param place what the rules know of `dir`
 * @returns whether it is gone
 * @throws SystemError
 */
export function removeTree<Place>(dir: number, name: ByteString, place: Place, rules: RemovalRules<Place>): boolean {
  const stat = new StatBuffer();
  statFd(dir, stat);
  const home = { major: stat.devMajor, minor: stat.devMinor };
  const stays = (within: Pick<Level<Place>, 'fd' | 'place'>, at: ByteString, path: ByteString): boolean => {
    const isForeign = stat.devMajor !== home.major || stat.devMinor !== home.minor || stat.isMountRoot;
    if (isForeign) rules.otherFileSystem?.(path);
    return isForeign || rules.keeps({ path, stat, dir: within.fd, name: at, place: within.place });
  };

  if (!tryStatAt(dir, name, stat)) return true;
  if (stays({ fd: dir, place }, name, '')) return false;
  if (!stat.isDirectory) {
    if (!rules.dryRun) removeFileAt(dir, name);
    rules.removed('');
    return true;
  }
  const enter = (within: Pick<Level<Place>, 'fd' | 'place'>, at: ByteString, path: ByteString): Level<Place> => {
    const opened = open(within.fd, at, path, rules.dryRun);
    return { ...opened, place: rules.enter(within.place, at, opened.fd, opened.names) };
  };
  const levels = [enter({ fd: dir, place }, name, '')];
  try {
    for (;;) {
      const level = levels[levels.length - 1];
      if (level.next < level.names.length) {
        const child = level.names[level.next++];
        const path = level.path === '' ? child.name : `${level.path}/${child.name}`;
        if (!tryStatAt(level.fd, child.name, stat)) continue;
        if (stays(level, child.name, path)) level.keeps = true;
        else if (stat.isDirectory) levels.push(enter(level, child.name, path));
        else {
          if (!rules.dryRun) removeFileAt(level.fd, child.name);
          rules.removed(path);
        }
        continue;
      }
      levels.pop();
      leave(level);
      const above = levels.at(-1);
      if (level.keeps) {
        if (above === undefined) return false;
        above.keeps = true;
        continue;
      }
      if (!rules.dryRun) removeDirectoryAt(above?.fd ?? dir, level.name);
      rules.removed(level.path);
      if (above === undefined) return true;
    }
  } finally {
    for (const level of levels.reverse()) {
      level.keeps = true;
      leave(level);
    }
  }
}

/** One's own directories are opened up when they do not let one look into them, or take away what is in them. */
function open(dir: number, name: ByteString, path: ByteString, dryRun: boolean): Omit<Level<unknown>, 'place'> {
  const stat = new StatBuffer();
  const isShut = (): boolean =>
    !dryRun && stat.uid === process.geteuid?.() && stat.uid !== 0 && (stat.perm & 0o700) !== 0o700;
  let loosened: number | undefined;
  if (tryStatAt(dir, name, stat) && stat.isDirectory && (stat.perm & 0o500) !== 0o500 && isShut()) {
    loosened = stat.perm;
    chmodAt(dir, name, loosened | 0o700);
  }
  const fd = openDirectoryAt(dir, name);
  try {
    statFd(fd, stat);
    if (isShut()) {
      loosened = stat.perm;
      chmodFd(fd, loosened | 0o700);
    }
    return { fd, name, path, names: readDirectory(fd), next: 0, keeps: false, loosened };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Done with a directory; one that stays gets its permissions back. */
function leave(level: Omit<Level<unknown>, 'place'>): void {
  try {
    if (level.keeps && level.loosened !== undefined) chmodFd(level.fd, level.loosened);
  } finally {
    closeFd(level.fd);
  }
}
