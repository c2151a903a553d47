import type { ByteString } from '../bytes.js';
import { osKind } from '../platform/index.js';

/**
 * Path keys: the components of an absolute path joined by byte 0 (`/home/x` is `home\0x`, `/` the empty key). Since no
 * name holds a zero byte, and every other byte is greater, a directory's key comes right before the keys of all that is
 * below it, and those before the next sibling's.
 */

/** The key of an absolute path; doubled and closing slashes do not matter. */
export function keyOf(path: ByteString): ByteString {
  return path
    .split('/')
    .filter((part) => part !== '')
    .join('\0');
}

/** The absolute path of a key. */
export function pathOf(key: ByteString): ByteString {
  const path = key.replaceAll('\0', '/');
  if (osKind === 'windows' && /^[A-Za-z]:/.test(path)) return path.length === 2 ? `${path}/` : path;
  return `/${path}`;
}

/** The key of `name` in the directory with the key `parent`. */
export function childKey(parent: ByteString, name: ByteString): ByteString {
  return parent === '' ? name : `${parent}\0${name}`;
}

/** The key of the directory that holds what `key` names; the root is its own. */
export function parentKey(key: ByteString): ByteString {
  return key.slice(0, Math.max(key.lastIndexOf('\0'), 0));
}

/** The last component of a key. */
export function nameOf(key: ByteString): ByteString {
  return key.slice(key.lastIndexOf('\0') + 1);
}

/** Whether `key` is below the directory with the key `directory`, not that itself. */
export function isBelow(key: ByteString, directory: ByteString): boolean {
  if (directory === '') return key !== '';
  return key.length > directory.length && key.charCodeAt(directory.length) === 0 && key.startsWith(directory);
}

/** Whether `key` is `directory` or below it. */
export function isWithin(key: ByteString, directory: ByteString): boolean {
  return key === directory || isBelow(key, directory);
}

/** No key is as great as this: names are at most 255 bytes long on every system that we know. */
const AFTER_ALL: ByteString = '\xff'.repeat(1024);

/** The least string that is greater than `key` and everything below it. */
export function afterSubtree(key: ByteString): ByteString {
  return key === '' ? AFTER_ALL : `${key}\x01`;
}

/** The least string that is greater than `key`, so that `[key, afterKey)` holds it alone. */
export function afterKey(key: ByteString): ByteString {
  return `${key}\0`;
}

/** The component of `key` that follows those of `directory`, which it is below of. */
export function nextName(key: ByteString, directory: ByteString): ByteString {
  const start = directory === '' ? 0 : directory.length + 1;
  const end = key.indexOf('\0', start);
  return end < 0 ? key.slice(start) : key.slice(start, end);
}

/** The keys of the directories above `key`, outermost first, beginning with the root. */
export function ancestorsOf(key: ByteString): ByteString[] {
  const ancestors: ByteString[] = [];
  for (let at = key; at !== ''; ) {
    at = parentKey(at);
    ancestors.push(at);
  }
  return ancestors.reverse();
}
