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

/** The key at a position among those written by writeKey, without making the others. */
export function readKeyAt(column: Uint8Array, position: number): ByteString {
  const reader = new ByteReader(column);
  let current = Buffer.allocUnsafe(512);
  let length = 0;
  for (let i = 0; i <= position; i++) {
    const shared = reader.varint();
    const rest = reader.varint();
    if (shared > length || rest > reader.left) throw new FormatError('a key shares more bytes than its neighbour has');
    length = shared + rest;
    if (length > current.length) current = Buffer.concat([current], length * 2);
    reader.copy(rest, current, shared);
  }
  return current.latin1Slice(0, length);
}

/** Reads `count` keys written one after the other by writeKey; checks that they ascend. */
export function readKeys(column: Uint8Array, count: number): ByteString[] {
  const reader = new ByteReader(column);
  const keys: ByteString[] = new Array(count);
  let current = Buffer.allocUnsafe(512);
  let length = 0;
  for (let i = 0; i < count; i++) {
    const shared = reader.varint();
    const rest = reader.varint();
    if (shared > length) throw new FormatError('a key shares more bytes than its neighbour has');
    if (rest > reader.left) throw new FormatError('a column ends too early');
    length = shared + rest;
    if (length > current.length) current = Buffer.concat([current], length * 2);
    reader.copy(rest, current, shared);
    keys[i] = current.latin1Slice(0, length);
    if (i > 0 && keys[i] <= keys[i - 1]) throw new FormatError('keys do not ascend');
  }
  expectEnd(reader);
  return keys;
}
