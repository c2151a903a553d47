import { type ByteString, fromDisplay } from '../bytes.js';
import { type OsKind, toStored } from '../platform/index.js';
import { parseRfc3339 } from '../report/time.js';

/**
 * A path as Python's `json` wrote it, as the bytes that the file system had. Python holds a byte that is not UTF-8 as a
 * lone surrogate, U+DC80 to U+DCFF ("surrogateescape"); everything else is its UTF-8.
 */
export function pythonPath(text: string): ByteString {
  if (!/[\ud800-\udfff]/.test(text)) return fromDisplay(text);
  let bytes = '';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    bytes += code >= 0xdc80 && code <= 0xdcff ? String.fromCharCode(code & 0xff) : fromDisplay(char);
  }
  return bytes;
}

/** Which system an absolute path is from; undefined for a relative one. On POSIX, backslashes are bytes of a name. */
export function systemOf(path: ByteString): OsKind | undefined {
  if (path.startsWith('/')) return 'posix';
  return /^(?:[A-Za-z]:[\\/]|\\\\[^\\/])/.test(path) ? 'windows' : undefined;
}

/**
 * The stored form (`/home/x`, `C:/Users/x`) of a path of the archive, which may come from another system than this one;
 * a relative one counts from `base`.
 * @param base absolute, in stored form
 * @throws RangeError when it has `..` or a zero byte
 */
export function archivePath(text: string, base: ByteString): ByteString {
  const path = pythonPath(text);
  const system = systemOf(path);
  if (system !== undefined) return toStored(path, system);
  return toStored(`${base}/${path}`, systemOf(base));
}

/**
 * A time of the archive's log as nanoseconds since 1970: what Python's `datetime.isoformat()` writes. One without an
 * offset is local time. Null when it is none.
 */
export function logTime(text: string): bigint | null {
  const zoned = parseRfc3339(text);
  if (zoned !== null) return zoned;
  const local = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?$/.exec(text);
  if (local === null) return null;
  const [, date, time, fraction = ''] = local;
  const ms = Date.parse(`${date}T${time}`);
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/**
 * A file's time as Python's `st_mtime` has it, seconds as a double, in nanoseconds. The shortest decimal that gives the
 * double is taken, as is written in the archive; it is good to about 200 ns, since the double has no more.
 */
export function statTime(seconds: number): bigint {
  const [mantissa, exponent = '0'] = String(seconds).split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  const digits = BigInt(whole.replace('-', '') + fraction);
  const shift = 9 + Number(exponent) - fraction.length;
  const ns = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  return seconds < 0 ? -ns : ns;
}
