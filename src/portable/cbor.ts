import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { hex, same } from './bytes.js';
import { damaged } from './errors.js';

const ENCODE = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    number(value: number): null {
      if (!Number.isSafeInteger(value)) throw damaged('a number that is not an integer');
      return null;
    },
  },
};
const DECODE = { strict: true, allowIndefinite: false, allowUndefined: false, rejectDuplicateMapKeys: true };

/** The one encoding of a value. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, ENCODE);
}

/** The fields of a CBOR map. Bytes that are not the one encoding of what they say are refused. */
export function decodeMap(bytes: Uint8Array, what: string): Fields {
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let value: unknown;
  try {
    value = decode(plain, DECODE);
    if (!same(encodeCbor(value), plain)) throw damaged('not the shortest or not the sorted form');
  } catch (error) {
    throw damaged(`${what} is not the CBOR of this format (${error instanceof Error ? error.message : error})`);
  }
  return new Fields(value, what);
}

/** Checked access to the fields of a decoded map. */
export class Fields {
  readonly what: string;
  readonly values: Readonly<Record<string, unknown>>;

  constructor(value: unknown, what: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
      throw damaged(`${what} is not a map`);
    this.values = value as Record<string, unknown>;
    this.what = what;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.values, name) && this.values[name] !== null;
  }

  /** Bytes, `length` of them if that is given. */
  bytes(name: string, length?: number): Uint8Array {
    return asBytes(this.get(name), this.label(name), length);
  }

  /** Bytes as hex digits. */
  hex(name: string, length: number): string {
    return hex(this.bytes(name, length));
  }

  text(name: string): string {
    return asText(this.get(name), this.label(name));
  }

  /** An integer from 0 to `most`. */
  count(name: string, most = Number.MAX_SAFE_INTEGER): number {
    return asCount(this.get(name), this.label(name), most);
  }

  flag(name: string): boolean {
    const value = this.get(name);
    if (typeof value !== 'boolean') throw damaged(`${this.label(name)} is neither true nor false`);
    return value;
  }

  /** Nanoseconds since 1970. */
  time(name: string): bigint {
    return asTime(this.get(name), this.label(name));
  }

  list(name: string): unknown[] {
    const value = this.get(name);
    if (!Array.isArray(value)) throw damaged(`${this.label(name)} is not a list`);
    return value;
  }

  /** A list of byte strings of `length` bytes, as hex digits. */
  hexList(name: string, length: number): string[] {
    return this.list(name).map((item) => hex(asBytes(item, this.label(name), length)));
  }

  texts(name: string): string[] {
    return this.list(name).map((item) => asText(item, this.label(name)));
  }

  map(name: string): Fields {
    return new Fields(this.get(name), this.label(name));
  }

  private get(name: string): unknown {
    if (!Object.hasOwn(this.values, name)) throw damaged(`${this.what} has no '${name}'`);
    return this.values[name];
  }

  private label(name: string): string {
    return `'${name}' of ${this.what}`;
  }
}

/** The value as bytes, `length` of them if that is given; an error naming `what` for anything else. */
export function asBytes(value: unknown, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw damaged(`${what} is not bytes, or not as many as it should be`);
  return value;
}

/** The value as text. */
export function asText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(`${what} is not a text`);
  return value;
}

/** The value as an integer from 0 to `most`. */
export function asCount(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > most)
    throw damaged(`${what} is not an integer from 0 to ${most}`);
  return value;
}

/** The value as nanoseconds since 1970. */
export function asTime(value: unknown, what: string): bigint {
  const time = typeof value === 'number' ? BigInt(value) : value;
  if (typeof time !== 'bigint' || BigInt.asIntN(64, time) !== time) throw damaged(`${what} is not a time`);
  return time;
}
