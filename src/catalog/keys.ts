import type { ByteString } from '../bytes.js';

/**
 * How path keys lie in the database: as TEXT without U+0000, whose order is that of the keys.
 *
 * SQLite's GLOB works on TEXT only, and stops at U+0000. So the separator (byte 0) becomes U+0001, the rare bytes 1 and
 * 2 are escaped by U+0002, and every other byte is the code point of its number. Each step keeps the order, and SQLite
 * compares the UTF-8 of the result, whose order is that of the code points.
 */
export type KeyText = string;

/** The separator of path keys. */
export const SEPARATOR = '\0';

const ESCAPED = ['\u0001', '\u0002'];

/** A path key as the database holds it. */
export function keyText(key: ByteString): KeyText {
  let text: string = key;
  if (key.includes(ESCAPED[0]) || key.includes(ESCAPED[1])) {
    text = key.replaceAll('\u0002', '\u0002\u0002').replaceAll('\u0001', '\u0002\u0001');
  }
  return text.replaceAll('\0', '\u0001');
}

/** The path key of a KeyText. */
export function keyOf(text: KeyText): ByteString {
  if (!text.includes('\u0002')) return text.replaceAll('\u0001', '\0');
  let key = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\u0002') key += text[++i];
    else key += text[i] === '\u0001' ? '\0' : text[i];
  }
  return key;
}

/** The least text above another; for paging, since the empty key has nothing below it to begin above. */
export function justAbove(text: KeyText): KeyText {
  return `${text}\0`;
}

/** A half-open range of path keys: from ≤ key < to. */
export interface KeyRange {
  from: ByteString;
  to: ByteString;
}

/** Above every path key, as key and as text. */
const LAST = '\u0100';

/** All keys. */
export const ALL_KEYS: KeyRange = { from: '', to: LAST };

/** The first key that may come after everything below a path. */
export function pastSubtree(key: ByteString): ByteString {
  return key === '' ? LAST : `${key}\u0001`;
}

/** A path and everything below it. */
export function atOrBelow(key: ByteString): KeyRange {
  return { from: key, to: pastSubtree(key) };
}

/** Everything below a directory, without the directory itself. */
export function below(key: ByteString): KeyRange {
  return { from: `${key}\0`, to: pastSubtree(key) };
}

/** Ranges without those that lie in others, in key order. */
export function distinctRanges(keys: readonly ByteString[]): KeyRange[] {
  const ranges: KeyRange[] = [];
  for (const key of [...keys].sort(compareKeys)) {
    const last = ranges[ranges.length - 1];
    if (last === undefined || key >= last.to) ranges.push(atOrBelow(key));
  }
  return ranges;
}

/** Key order, for sort. */
export function compareKeys(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The last component of a path key. */
export function nameOf(key: ByteString): ByteString {
  return key.slice(key.lastIndexOf(SEPARATOR) + 1);
}

/** Whether `key` is `ancestor` or lies below it. */
export function isAtOrBelow(key: ByteString, ancestor: ByteString): boolean {
  if (ancestor === '') return true;
  return key.startsWith(ancestor) && (key.length === ancestor.length || key[ancestor.length] === SEPARATOR);
}

/** The absolute path of a key, with slashes: `home\0x` is `/home/x`, `C:\0x` is `C:/x`. */
export function pathOf(key: ByteString): ByteString {
  const path = key.replaceAll(SEPARATOR, '/');
  return /^[A-Za-z]:(\/|$)/.test(path) ? path : `/${path}`;
}
