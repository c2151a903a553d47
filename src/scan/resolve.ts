import type { ByteString } from '../bytes.js';
import { closeFd, openParent, readLinkAt, StatBuffer, tryStatAt } from '../platform/index.js';
import { childKey, keyOf, parentKey, pathOf } from './keys.js';

/** After so many symlinks the kernel, too, takes it for a circle. */
const MOST_HOPS = 40;

/** Where a path leads. */
export interface Resolved {
  /** Key of the place without symlinks. What is not there is taken as it is written. */
  key: ByteString;
  /** Keys of the symlinks that were followed on the way, each itself without symlinks above it. */
  links: ByteString[];
  /** Whether something is there; undefined when that cannot be told. */
  exists: boolean | undefined;
  isDirectory: boolean;
}

/**
 * Follows all symlinks of an absolute path, and tells which. A circle of links leads to where it was noticed.
 * @param directories keys that are known to be directories and no symlinks; more are added.
 */
export function resolvePath(path: ByteString, directories = new Set<ByteString>()): Resolved {
  const stat = new StatBuffer();
  const links: ByteString[] = [];
  let key: ByteString = '';
  let left = keyOf(path).split('\0');
  let exists: boolean | undefined = true;
  let isDirectory = true;
  let hops = 0;
  while (left.length > 0) {
    const [name, ...rest] = left;
    left = rest;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      key = parentKey(key);
      continue;
    }
    const at = childKey(key, name);
    if (exists === true && !directories.has(at)) {
      const target = lookAt(at, stat);
      if (target === null || target === undefined) exists = target === null ? false : undefined;
      else {
        isDirectory = stat.isDirectory;
        if (isDirectory) directories.add(at);
        if (target !== '' && hops < MOST_HOPS) {
          hops++;
          if (!links.includes(at)) links.push(at);
          left = [...target.split('/'), ...left];
          if (target.startsWith('/')) key = '';
          continue;
        }
      }
    } else if (exists === true) isDirectory = true;
    key = at;
  }
  return { key, links, exists, isDirectory: exists === true && isDirectory };
}

/** Whether there is something with this name, be it a symlink that leads nowhere. What cannot be looked at is not there. */
export function isThere(path: ByteString): boolean {
  const key = keyOf(path);
  return key === '' || typeof lookAt(key, new StatBuffer()) === 'string';
}

/** A symlink's target, '' for anything else, null when nothing is there, undefined when that cannot be told. */
function lookAt(key: ByteString, stat: StatBuffer): ByteString | null | undefined {
  let dir = -1;
  try {
    const parent = openParent(pathOf(key));
    dir = parent.dir;
    if (!tryStatAt(dir, parent.name, stat)) return null;
    return stat.isSymlink ? readLinkAt(dir, parent.name) : '';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? null : undefined;
  } finally {
    if (dir >= 0) closeFd(dir);
  }
}
