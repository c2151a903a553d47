import * as fs from 'node:fs';
import type FastGlob from 'fast-glob';
import type picomatch from 'picomatch';
import { type ByteString, fromBytes, toBytes } from '../bytes.js';
import { lazily } from '../lazily.js';

const fastGlob = lazily<typeof FastGlob>('fast-glob');
const matcher = lazily<typeof picomatch>('picomatch');

/**
 * Glob patterns for roots: `*`, `?`, `[…]`, `{a,b}`, `**` and the extended ones of fast-glob, on bytes.
 *
 * Names that begin with a dot are matched too (unlike in a shell): a backup rather saves too much. Symlinks on the way
 * are followed, except by patterns with `**`, which would go round in circles.
 */

/** Whether there is anything in a path that a glob would take as more than itself. */
export function isGlob(path: ByteString): boolean {
  return SPECIAL.test(path) && fastGlob().isDynamicPattern(path, OPTIONS);
}

/** The directory below which the pattern's first wildcard is. */
export function globBase(pattern: ByteString): ByteString {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => isGlob(part));
  return unescapeGlob(parts.slice(0, first < 0 ? parts.length - 1 : first).join('/')) || '/';
}

/** Whether the pattern would match a path, were it there. */
export function globMatches(pattern: ByteString, path: ByteString): boolean {
  return matcher().isMatch(path, pattern, { dot: true });
}

/** What a pattern matches now, sorted; and the directories that could not be searched. */
export function expandGlob(pattern: ByteString): {
  paths: ByteString[];
  unreadable: { path: ByteString; error: Error }[];
} {
  const unreadable: { path: ByteString; error: Error }[] = [];
  const options = {
    ...OPTIONS,
    followSymbolicLinks: !pattern.includes('**'),
    fs: byteFileSystem((path, error) => unreadable.push({ path, error })),
  };
  return { paths: fastGlob().sync(pattern, options).sort(), unreadable };
}

/** What every glob has some of. */
const SPECIAL = /[*?[\]{}()!+@|\\]/;

const OPTIONS = { dot: true, onlyFiles: false, absolute: true, suppressErrors: true, cwd: '/' } as const;

function unescapeGlob(text: ByteString): ByteString {
  return text.replace(/\\(.)/g, '$1');
}

/** The file functions that fast-glob uses, with paths and names as byte strings. */
function byteFileSystem(onError: (path: ByteString, error: Error) => void): FastGlob.FileSystemAdapter {
  const readdirSync = (path: string): fs.Dirent[] => {
    try {
      // The type of a Dirent in Buffer mode is known to Node's typings only as a Dirent of strings.
      const entries: unknown = fs.readdirSync(toBytes(path), { withFileTypes: true, encoding: 'buffer' as 'utf8' });
      for (const entry of entries as fs.Dirent[]) {
        entry.name = fromBytes(entry.name as unknown as Uint8Array);
      }
      return entries as fs.Dirent[];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') onError(path, error as Error);
      throw error;
    }
  };
  return {
    readdirSync,
    statSync: (path: string) => fs.statSync(toBytes(path)),
    lstatSync: (path: string) => fs.lstatSync(toBytes(path)),
  } as unknown as FastGlob.FileSystemAdapter;
}
