import { isUtf8 } from 'node:buffer';
import { readFileSync, readlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import nodePath from 'node:path';
import { type ByteString, fromBytes } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';

/*
 * Arguments are bytes, but Node decodes them as UTF-8 and loses the rest. Here such a byte is carried through strings as
 * a lone surrogate U+DC80 to U+DCFF (as Python does), and becomes the byte again in `toByteString`.
 */

/** The arguments of this process after the script's name. */
export function processArguments(): string[] {
  const args = process.argv.slice(2);
  if (!args.some((arg) => arg.includes('\ufffd'))) return args;
  try {
    const raw = splitZero(readFileSync('/proc/self/cmdline')).slice(-args.length);
    return args.map((arg, i) => (arg.includes('\ufffd') ? decodeArgument(raw[i]) : arg));
  } catch {
    return args;
  }
}

/** Bytes as text, with a lone surrogate for each byte that is not part of UTF-8. */
export function decodeArgument(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return Buffer.from(bytes).toString('utf8');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at]);
    const sequence = bytes.subarray(at, at + length);
    if (sequence.length === length && isUtf8(sequence)) {
      text += Buffer.from(sequence).toString('utf8');
      at += length;
    } else {
      text += String.fromCharCode(0xdc00 + bytes[at++]);
    }
  }
  return text;
}

/** The bytes of a text that `decodeArgument` made. */
export function encodeArgument(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts = text.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part, 'utf8'))),
  );
}

/** An argument as the byte string that the file system has for it. */
export function toByteString(text: string): ByteString {
  return fromBytes(encodeArgument(text));
}

/** Whether an argument that may be a snapshot or a path is a path: it starts with `/`, `~`, `.` or `X:`. */
export function looksLikePath(argument: string): boolean {
  return /^(?:[/~.\\]|[A-Za-z]:)/.test(argument);
}

/** A glob that does not count from the current folder although it does not begin with `/`. */
const ANYWHERE = /^(?:\*\*|[@!+?*]?[({]\/)/;

/** What paths of arguments are resolved against. */
export interface Place {
  cwd: string;
  home: string;
  windows: boolean;
}

/** The place of this process; `cwd` may hold lone surrogates. */
export function processPlace(): Place {
  return { cwd: currentFolder(), home: homedir(), windows: process.platform === 'win32' };
}

/**
 * A path argument as an absolute path of the archive: normalised, `/` between components, no `/` at its end. `~` is the
 * home folder; a path with a drive letter is a Windows path on every system, so that archives of Windows can be read
 * elsewhere. Wildcards pass unchanged.
 * @throws UserError (usage) for an empty one: it would be the current folder, which nobody means who gives an unset variable
 */
export function archivePath(argument: string, place: Place = processPlace()): ByteString {
  requireNamed(argument);
  const text = /^~(?=$|[/\\])/.test(argument) ? place.home + argument.slice(1) : argument;
  if (place.windows || /^[A-Za-z]:(?=$|[/\\])/.test(text)) {
    const base = place.windows ? place.cwd : 'C:\\';
    const resolved = nodePath.win32.resolve(base, /^[A-Za-z]:$/.test(text) ? `${text}\\` : text);
    const path = resolved.replaceAll('\\', '/');
    return toByteString(path[1] === ':' ? path[0].toUpperCase() + path.slice(1) : path);
  }
  return toByteString(nodePath.posix.resolve(place.cwd, text));
}

/**
 * A glob of whole paths, absolute as `archivePath` makes paths; what it counts from is no pattern. Globs of names, without
 * `/`, those that begin with `**`, and those of alternatives that are absolute themselves stay as they are.
 */
export function archiveGlob(pattern: string, place: Place = processPlace()): ByteString {
  requireNamed(pattern);
  if (!pattern.includes('/') || ANYWHERE.test(pattern)) return toByteString(pattern);
  return archivePath(pattern, { ...place, cwd: literalGlob(place.cwd), home: literalGlob(place.home) });
}

/** Refuses an empty argument. @param what the argument, for people */
export function requireNamed(argument: string, what = 'a path'): void {
  if (argument === '')
    throw new UserError(
      ExitCode.usage,
      `${what} was given that is empty, perhaps by a variable that is not set; name it (the current folder is .)`,
    );
}

/** A path as a glob that only it matches. A backslash is a separator on Windows, and cannot be put before a character. */
function literalGlob(path: string): string {
  return path.includes('\\') ? path : path.replace(/[*?[\]{}()!+@|]/g, '\\$&');
}

function currentFolder(): string {
  const cwd = process.cwd();
  if (!cwd.includes('\ufffd')) return cwd;
  try {
    return decodeArgument(readlinkSync('/proc/self/cwd', { encoding: 'buffer' }));
  } catch {
    return cwd;
  }
}

function splitZero(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    parts.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    start = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}

/** Length of the UTF-8 sequence that a byte begins. */
function sequenceLength(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
