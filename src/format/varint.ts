import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';

/**
 * Integers as little-endian base-128 groups (LEB128), exact up to 2^53 - 1.
 *
 * A signed integer v is written as the unsigned 2·|v| + (v < 0 ? 1 : 0), without ever computing 2·|v|, so that it is
 * exact over the same range.
 */
export class ByteWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(capacity = 256) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  /** Forgets what was written; the memory is kept for the next use. */
  reset(): void {
    this.length = 0;
  }

  /** How many bytes were written. */
  get size(): number {
    return this.length;
  }

  /** Appends one byte. */
  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  /** Appends an unsigned integer below 2^53; RangeError for anything else, as nobody could read it again. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    if ((value | 0) !== value || value < 0) {
      if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an integer of 0 to 2^53 - 1: ${value}`);
    }
    while (rest > 0x7fffffff) {
      this.buffer[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    let small = rest | 0;
    while (small > 0x7f) {
      this.buffer[this.length++] = (small & 0x7f) | 0x80;
      small >>>= 7;
    }
    this.buffer[this.length++] = small;
  }

  /** Appends a signed integer of a magnitude below 2^53; RangeError for anything else. */
  signed(value: number): void {
    const negative = value < 0;
    const magnitude = negative ? -value : value;
    if (magnitude < 0x40000000 && (value | 0) === value) {
      this.varint(magnitude * 2 + (negative ? 1 : 0));
      return;
    }
    if (!Number.isSafeInteger(magnitude)) throw new RangeError(`not an integer below 2^53: ${value}`);
    this.byte(((magnitude % 64) << 1) | (negative ? 1 : 0) | 0x80);
    this.varint(Math.floor(magnitude / 64));
  }

  /** Appends bytes. */
  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /** Appends the bytes from `from` to `to` of an array: without making a view of it when they are few. */
  range(source: Uint8Array, from: number, to: number): void {
    const size = to - from;
    if (size > 64) {
      this.bytes(source.subarray(from, to));
      return;
    }
    this.reserve(size);
    for (let i = 0; i < size; i++) this.buffer[this.length + i] = source[from + i];
    this.length += size;
  }

  /** Appends a byte string from its char `from` on. */
  text(value: ByteString, from = 0): void {
    const size = value.length - from;
    this.reserve(size);
    if (size < 24) {
      for (let i = 0; i < size; i++) this.buffer[this.length + i] = value.charCodeAt(from + i);
    } else {
      this.buffer.latin1Write(from === 0 ? value : value.slice(from), this.length);
    }
    this.length += size;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.buffer, 0, this.length);
  }

  private reserve(size: number): void {
    if (this.length + size <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + size));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}

/** Reads what ByteWriter wrote; anything cut or out of range is a FormatError. */
export class ByteReader {
  private position = 0;
  private readonly data: Uint8Array;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  /** Whether everything has been read. */
  get done(): boolean {
    return this.position >= this.data.length;
  }

  byte(): number {
    if (this.position >= this.data.length) throw new FormatError('a column ends too early');
    return this.data[this.position++];
  }

  varint(): number {
    const data = this.data;
    const at = this.position;
    const first = data[at];
    if (first < 0x80) {
      this.position = at + 1;
      return first;
    }
    // Two to four bytes, the usual lengths, without floating point. A zero at the end is not the shortest form.
    const second = data[at + 1];
    if (second > 0 && second < 0x80) {
      this.position = at + 2;
      return (first & 0x7f) | (second << 7);
    }
    const third = data[at + 2];
    if (second >= 0x80 && third > 0 && third < 0x80) {
      this.position = at + 3;
      return (first & 0x7f) | ((second & 0x7f) << 7) | (third << 14);
    }
    return this.longVarint();
  }

  signed(): number {
    const first = this.byte();
    let magnitude = (first & 0x7f) >> 1;
    if (first >= 0x80) {
      const high = this.varint();
      if (high === 0 || high >= 2 ** 47) throw outOfRange();
      magnitude += high * 64;
    }
    if ((first & 1) === 0) return magnitude;
    if (magnitude === 0) throw outOfRange();
    return -magnitude;
  }

  /** Passes over `count` integers, signed or not. */
  skip(count: number): void {
    const { data } = this;
    let at = this.position;
    for (let left = count; left > 0; at++) {
      if (at >= data.length) throw new FormatError('a column ends too early');
      if (data[at] < 0x80) left--;
    }
    this.position = at;
  }

  /** Passes over `count` integers if those that `other` comes to are the same; else neither moves. */
  skipEqual(other: ByteReader, count: number): boolean {
    const { data, position } = this;
    const shift = other.position - position;
    let at = position;
    for (let left = count; left > 0; at++) {
      const byte = data[at];
      if (byte !== other.data[at + shift] || at >= data.length) return false;
      if (byte < 0x80) left--;
    }
    this.position = at;
    other.position = at + shift;
    return true;
  }

  /** How many bytes have been read. */
  get at(): number {
    return this.position;
  }

  /** How many bytes are still to be read. */
  get left(): number {
    return this.data.length - this.position;
  }

  /** The next `size` bytes, as a view. */
  bytes(size: number): Uint8Array {
    const end = this.position + size;
    if (end > this.data.length) throw new FormatError('a column ends too early');
    const view = this.data.subarray(this.position, end);
    this.position = end;
    return view;
  }

  /** Copies the next `size` bytes, of which there must be so many left, to `target` at `at`. */
  copy(size: number, target: Uint8Array, at: number): void {
    const { data, position } = this;
    if (size < 64) for (let i = 0; i < size; i++) target[at + i] = data[position + i];
    else target.set(data.subarray(position, position + size), at);
    this.position += size;
  }

  private longVarint(): number {
    const { data, position } = this;
    // Five bytes: nanoseconds.
    if (position + 5 <= data.length) {
      const high = data[position + 4];
      const all = data[position + 1] & data[position + 2] & data[position + 3] & 0x80;
      if (all !== 0 && high > 0 && high < 0x80) {
        this.position = position + 5;
        const low =
          (data[position] & 0x7f) |
          ((data[position + 1] & 0x7f) << 7) |
          ((data[position + 2] & 0x7f) << 14) |
          ((data[position + 3] & 0x7f) << 21);
        return low + high * 0x10000000;
      }
    }
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value) || (byte === 0 && i > 0)) break;
        return value;
      }
      scale *= 128;
    }
    throw outOfRange();
  }
}

function outOfRange(): FormatError {
  return new FormatError('an integer is out of range or not in its shortest form');
}

/** Fails unless a column was read to its end. */
export function expectEnd(reader: ByteReader): void {
  if (!reader.done) throw new FormatError('a column is longer than its count says');
}
