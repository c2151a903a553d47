import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';
import { ByteReader, type ByteWriter, expectEnd } from './varint.js';

/** Writes a key as (length shared with the previous key, length of the rest, rest). */
export function writeKey(writer: ByteWriter, previous: ByteString, key: ByteString): void {
  const most = Math.min(previous.length, key.length);
  let shared = 0;
  while (shared < most && previous.charCodeAt(shared) === key.charCodeAt(shared)) shared++;
  writer.varint(shared);
  writer.varint(key.length - shared);
  writer.text(key, shared);
}

/** Reads keys written one after the other by writeKey; other things may lie between them. */
export class KeyReader {
  private readonly reader: ByteReader;
  private current = Buffer.allocUnsafe(512);
  private length = 0;

  constructor(reader: ByteReader) {
    this.reader = reader;
  }

  /** The next key. */
  next(): ByteString {
    this.skip();
    return this.text();
  }

  /** The key that was read or passed over last. */
  text(): ByteString {
    return this.current.latin1Slice(0, this.length);
  }

  /** What comes in it after the last separator. */
  lastComponent(): ByteString {
    const { current, length } = this;
    let from = length;
    while (from > 0 && current[from - 1] !== 0) from--;
    return current.latin1Slice(from, length);
  }

  /** Whether that key is the bytes from `from` to `to` of an array. */
  equals(bytes: Uint8Array, from: number, to: number): boolean {
    const { current, length } = this;
    if (to - from !== length) return false;
    // From the end: neighbours differ there.
    for (let i = length - 1; i >= 0; i--) if (current[i] !== bytes[from + i]) return false;
    return true;
  }

  /** Passes over the next key. */
  skip(): void {
    const { reader } = this;
    const shared = reader.varint();
    const rest = reader.varint();
    if (shared > this.length) throw new FormatError('a key shares more bytes than its neighbour has');
    if (rest > reader.left) throw new FormatError('a column ends too early');
    this.length = shared + rest;
    if (this.length > this.current.length) this.current = Buffer.concat([this.current], this.length * 2);
    reader.copy(rest, this.current, shared);
  }
}

/** Some of the keys written by writeKey, asked for in ascending order: the others are not made. */
export class KeyWalk {
  private readonly reader: KeyReader;
  /** The key that was asked for last, and where it is. */
  private position = -1;
  private key: ByteString = '';

  constructor(column: Uint8Array) {
    this.reader = new KeyReader(new ByteReader(column));
  }

  /** @param position not below the one before */
  at(position: number): ByteString {
    if (position === this.position) return this.key;
    while (++this.position < position) this.reader.skip();
    this.key = this.reader.next();
    return this.key;
  }
}

/** The key at a position among those written by writeKey, without making the others. */
export function readKeyAt(column: Uint8Array, position: number): ByteString {
  const reader = new KeyReader(new ByteReader(column));
  for (let i = 0; i < position; i++) reader.skip();
  return reader.next();
}

/** Reads `count` keys written one after the other by writeKey; checks that they ascend. */
export function readKeys(column: Uint8Array, count: number): ByteString[] {
  const bytes = new ByteReader(column);
  const reader = new KeyReader(bytes);
  const keys: ByteString[] = new Array(count);
  for (let i = 0; i < count; i++) {
    keys[i] = reader.next();
    if (i > 0 && keys[i] <= keys[i - 1]) throw new FormatError('keys do not ascend');
  }
  expectEnd(bytes);
  return keys;
}
