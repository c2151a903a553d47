import { type ByteString, isUtf8, toDisplay } from '../bytes.js';
import { FormatError } from '../errors.js';

/**
 * How paths are stored, and where they go. Pure functions: what the running system is plays no part.
 *
 * A stored path is absolute: `/home/x` from POSIX; `C:/Users/x` or `//server/share/x` from Windows. Archives of the
 * older program also hold Windows paths with backslashes, which are taken as well. On POSIX a backslash is an ordinary
 * byte of a name, so it separates only in paths that begin like Windows ones.
 */
export type OsKind = 'posix' | 'windows';

/** The kind of system that this is. */
export const osKind: OsKind = process.platform === 'win32' ? 'windows' : 'posix';

const DRIVE = /^[A-Za-z]:(?=[\\/]|$)/;
// \\?\ and \\.\ in front of a path switch off Windows's own handling of it; they are no part of where it leads.
const VERBATIM = /^[\\/]{2}[?.][\\/](?:UNC(?=[\\/]))?/i;

/**
 * The components of a stored path, as they are on its own system: `/home/x` → `home`, `x`; `C:/Users/x` → `C:`,
 * `Users`, `x`; `//server/share/x` → `server`, `share`, `x`. Empty ones and `.` are dropped. Throws FormatError for
 * `..`, for a zero byte and for a path that is not absolute: each could lead out of where one restores to.
 */
export function storedComponents(stored: ByteString): ByteString[] {
  const plain = stored.replace(VERBATIM, '');
  const windows = plain !== stored || stored.startsWith('\\\\') || DRIVE.test(stored);
  if (!windows && !stored.startsWith('/')) throw new FormatError(`stored path is not absolute: ${toDisplay(stored)}`);
  const parts = plain.split(windows ? /[\\/]+/ : /\/+/).filter((part) => part !== '' && part !== '.');
  for (const part of parts) {
    if (part === '..' || part.includes('\0')) throw new FormatError(`stored path is not plain: ${toDisplay(stored)}`);
  }
  return parts;
}

/**
 * Where a stored path goes under a restore target, as components: `/home/x` → `home`, `x`; `C:/Users/x` → `C_`,
 * `Users`, `x`. With `platform` 'windows' every component is made one that Windows takes. None is ever `..`, `.`, empty
 * or holds a separator of that platform, so the result is always inside the target.
 */
export function restorePath(stored: ByteString, platform: OsKind = osKind): ByteString[] {
  const parts = storedComponents(stored);
  if (parts.length > 0 && /^[A-Za-z]:$/.test(parts[0]) && !stored.startsWith('/')) parts[0] = `${parts[0][0]}_`;
  return platform === 'windows' ? parts.map(windowsSafeName) : parts;
}

// CON, NUL and so on are devices in every directory, whatever follows after a dot; ¹²³ count as digits.
const RESERVED = /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])(?= *(?:\.|:|$))/i;

/**
 * A name that Windows takes, made from any name: what it refuses becomes `%` and two hex digits of the byte, as in URLs.
 * That is so for `<>:"/\|?*`, control characters, bytes that are not UTF-8, the last dot or space, and the first letter
 * of a reserved name; also for a `%` that would be read as such a code. So different names stay different (but for
 * upper and lower case), and names that Windows takes stay as they are.
 */
export function windowsSafeName(name: ByteString): ByteString {
  let safe = name.replace(/%(?=[0-9A-Fa-f]{2})/g, '%25');
  if (!isUtf8(safe)) safe = escapeBadUtf8(safe);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what Windows refuses
  safe = safe.replace(/[<>:"/\\|?*\x00-\x1f]/g, percent).replace(/[. ]$/, percent);
  return RESERVED.test(toDisplay(safe)) ? percent(safe) + safe.slice(1) : safe;
}

function percent(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

// What may be one character of several bytes, else a byte alone; of these the ones that are not UTF-8 are escaped.
const UTF8 = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|./gs;

function escapeBadUtf8(name: ByteString): ByteString {
  return name.replace(UTF8, (piece) => (isUtf8(piece) ? piece : Array.from(piece, percent).join('')));
}

/**
 * The stored form of an absolute path of this or another system: no doubled or closing separators and no `.`; on
 * Windows with `/`, a capital drive letter and without `\\?\`. Throws RangeError when it is not absolute or has `..`.
 */
export function toStored(path: ByteString, platform: OsKind = osKind): ByteString {
  const bad = () => new RangeError(`not a plain absolute path: ${toDisplay(path)}`);
  let head = '/';
  let rest = path;
  if (platform === 'windows') {
    const verbatim = VERBATIM.exec(path)?.[0] ?? '';
    rest = path.slice(verbatim.length);
    if (DRIVE.test(rest)) {
      head = `${rest[0].toUpperCase()}:/`;
      rest = rest.slice(2);
    } else if (/UNC$/i.test(verbatim) || /^[\\/]{2}[^\\/]/.test(path)) head = '//';
    else throw bad();
  } else if (!path.startsWith('/')) throw bad();
  const parts = rest.split(platform === 'windows' ? /[\\/]+/ : /\/+/).filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || path.includes('\0')) throw bad();
  return head + parts.join('/');
}

/**
 * A stored path as the file functions of its own system take it. POSIX: the same bytes. Windows: with backslashes, and,
 * when it is long, or has a component that Windows would change, with `\\?\` in front, which Windows then leaves alone.
 */
export function toNative(stored: ByteString, platform: OsKind = osKind): ByteString {
  if (platform === 'posix') return stored;
  const drive = DRIVE.test(stored) || VERBATIM.test(stored);
  const path = (drive ? '' : '\\\\') + storedComponents(stored).join('\\');
  return longPath(/^[A-Za-z]:$/.test(path) ? `${path}\\` : path);
}

// Windows refuses 260 UTF-16 units, and 248 for a directory, in paths without the prefix.
const WINDOWS_LIMIT = 247;

/** An absolute Windows path with `\\?\` (or `\\?\UNC\`) in front where it needs that to be taken as it is. */
export function longPath(path: ByteString): ByteString {
  if (VERBATIM.test(path)) return path;
  const back = path.replace(/\//g, '\\');
  const odd = back.split('\\').some((part) => /[. ]$/.test(part) || RESERVED.test(toDisplay(part)));
  if (toDisplay(back).length <= WINDOWS_LIMIT && !odd) return back;
  if (back.startsWith('\\\\')) return `\\\\?\\UNC\\${back.slice(2)}`;
  return DRIVE.test(back) ? `\\\\?\\${back}` : back;
}

/** `name` under directory `base`. */
export function joinPath(base: ByteString, name: ByteString): ByteString {
  return base.endsWith('/') ? base + name : `${base}/${name}`;
}

/** The last component of a stored path; empty for `/`. */
export function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What comes before the last component: `/a` → `/`, `C:/x` → `C:/`. */
export function parentPath(path: ByteString): ByteString {
  const cut = path.lastIndexOf('/');
  const head = path.slice(0, Math.max(cut, 0));
  return head === '' || /^[A-Za-z]:$/.test(head) ? `${head}/` : head;
}
