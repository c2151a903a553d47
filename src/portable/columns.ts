import { toChars } from './bytes.js';
import { damaged } from './errors.js';

/** Reads the values of a column one after the other (FORMAT.md, Varints and Path keys). */
export class Column {
  private at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isDone(): boolean {
    return this.at === this.bytes.length;
  }

  /** The next byte. */
  byte(): number {
    if (this.isDone) throw damaged('a column ends too early');
    return this.bytes[this.at++];
  }

  /** The next unsigned integer below 2^53. */
  unsigned(): number {
    return this.number(1, this.byte(), 128);
  }

  /** The next signed integer. */
  signed(): number {
    const first = this.byte();
    const magnitude = this.number(2, first, 64);
    if ((first & 1) === 0) return magnitude;
    if (magnitude === 0) throw damaged('minus zero');
    return -magnitude;
  }

  /** So many bytes, as a view. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw damaged('a column ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** Ends the reading: there must be nothing left. */
  end(): void {
    if (!this.isDone) throw damaged('a column goes on behind its last value');
  }

  /** The groups of a number whose first byte, without its `lowest` - 1 flag bits, is worth `scale` in all. */
  private number(lowest: number, first: number, scale: number): number {
    let value = Math.floor((first & 0x7f) / lowest);
    let place = scale;
    for (let byte = first; byte >= 0x80; place *= 128) {
      byte = this.byte();
      value += (byte & 0x7f) * place;
      if (byte === 0 || !(value <= Number.MAX_SAFE_INTEGER))
        throw damaged('an integer in another form than the shortest');
    }
    return value;
  }
}

/** `count` path keys, front-coded and ascending, as strings of one char per byte. */
export function readKeys(bytes: Uint8Array, count: number): string[] {
  const column = new Column(bytes);
  const keys: string[] = [];
  let last = '';
  for (let i = 0; i < count; i++) {
    const shared = column.unsigned();
    if (shared > last.length) throw damaged('a key shares more than there is');
    const key = last.slice(0, shared) + toChars(column.take(column.unsigned()));
    if (i > 0 && key <= last) throw damaged('keys that do not ascend');
    keys.push(key);
    last = key;
  }
  column.end();
  return keys;
}

/** `count` values, each read by `next`. */
export function readColumn<T>(bytes: Uint8Array, count: number, next: (column: Column) => T): T[] {
  const column = new Column(bytes);
  const values: T[] = [];
  for (let i = 0; i < count; i++) values.push(next(column));
  column.end();
  return values;
}
