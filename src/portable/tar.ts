import { display, fromChars, join, utf8 } from './bytes.js';
import type { EntryType, PortableEntry } from './listing.js';

/** Writes entries as a tar archive (POSIX.1-2001: ustar with pax headers where a field is too small). */
const BLOCK = 512;
const FLAGS: Partial<Record<EntryType, string>> = {
  file: '0',
  symlink: '2',
  chardev: '3',
  blockdev: '4',
  dir: '5',
  fifo: '6',
};

/** What goes into the archive, and under which name. */
export interface TarItem {
  entry: PortableEntry;
  /** Bytes of the path, without leading slash. */
  name: Uint8Array;
}

/**
 * The bytes of an archive. What tar has no place for (sockets) is left out. Where a file's content fails in the middle, the
 * rest of it is filled with zeros so that the archive stays whole, and `failed` is told.
 */
export async function* writeTar(
  items: AsyncIterable<TarItem>,
  content: (entry: PortableEntry) => AsyncIterable<Uint8Array>,
  failed: (entry: PortableEntry, error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  for await (const { entry, name } of items) {
    const flag = FLAGS[entry.type];
    if (flag === undefined) continue;
    const size = entry.type === 'file' ? entry.size : 0;
    yield header(entry, name, flag, size);
    let written = 0;
    try {
      if (size > 0) {
        for await (const bytes of content(entry)) {
          yield bytes;
          written += bytes.length;
        }
      }
    } catch (error) {
      failed(entry, error);
    }
    yield* zeros(size - written + padding(size));
  }
  yield new Uint8Array(2 * BLOCK);
}

function* zeros(length: number): Generator<Uint8Array> {
  const most = 1024 * 1024;
  for (let left = length; left > 0; left -= most) yield new Uint8Array(Math.min(left, most));
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function header(entry: PortableEntry, name: Uint8Array, flag: string, size: number): Uint8Array {
  const path = entry.type === 'dir' ? join(name, utf8('/')) : name;
  const target = entry.target ?? new Uint8Array(0);
  const seconds = entry.mtime / 1_000_000_000n - (entry.mtime % 1_000_000_000n < 0n ? 1n : 0n);
  const nanoseconds = entry.mtime - seconds * 1_000_000_000n;
  const extra: Uint8Array[] = [];
  const texts = [path, target].some((bytes) => bytes.length > 100);
  if (texts && [path, target].some((bytes) => display(bytes).includes('\ufffd')))
    extra.push(pax('hdrcharset', 'BINARY'));
  if (path.length > 100) extra.push(pax('path', path));
  if (target.length > 100) extra.push(pax('linkpath', target));
  if (size >= 8 ** 11) extra.push(pax('size', String(size)));
  if (nanoseconds !== 0n || seconds < 0n || seconds >= 8n ** 11n) extra.push(pax('mtime', decimal(entry.mtime)));
  if (entry.uid >= 8 ** 7) extra.push(pax('uid', String(entry.uid)));
  if (entry.gid >= 8 ** 7) extra.push(pax('gid', String(entry.gid)));
  const main = block(path, flag, entry, size, Number(seconds), target);
  if (extra.length === 0) return main;
  const records = join(...extra);
  const before = block(utf8('PaxHeader'), 'x', { ...entry, mode: 0o600 }, records.length, 0, new Uint8Array(0));
  return join(before, records, new Uint8Array(padding(records.length)), main);
}

function block(
  path: Uint8Array,
  flag: string,
  entry: PortableEntry,
  size: number,
  seconds: number,
  target: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const octal = (value: number, at: number, digits: number) => {
    const fits = value >= 0 && value < 8 ** digits ? value : 0;
    bytes.set(utf8(fits.toString(8).padStart(digits, '0')), at);
  };
  bytes.set(path.subarray(0, 100), 0);
  octal(entry.mode, 100, 7);
  octal(entry.uid, 108, 7);
  octal(entry.gid, 116, 7);
  octal(size, 124, 11);
  octal(seconds, 136, 11);
  bytes.fill(0x20, 148, 156);
  bytes.set(utf8(flag), 156);
  bytes.set(target.subarray(0, 100), 157);
  bytes.set(fromChars('ustar\x0000'), 257);
  bytes.set(utf8(entry.user ?? '').subarray(0, 31), 265);
  bytes.set(utf8(entry.group ?? '').subarray(0, 31), 297);
  octal(entry.rdev?.major ?? 0, 329, 7);
  octal(entry.rdev?.minor ?? 0, 337, 7);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return bytes;
}

/** One record of a pax header; its length, in decimal, counts itself. */
function pax(key: string, value: string | Uint8Array): Uint8Array {
  const rest = join(utf8(` ${key}=`), typeof value === 'string' ? utf8(value) : value, utf8('\n'));
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return join(utf8(String(length)), rest);
}

/** Nanoseconds as decimal seconds. */
function decimal(time: bigint): string {
  const magnitude = time < 0n ? -time : time;
  const fraction = String(magnitude % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${time < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}
