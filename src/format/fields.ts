import { fromHex, toHex } from '../crypto/octets.js';
import { FormatError } from '../errors.js';

/**
 * Reads the fields of a decoded CBOR map, checking types and lengths. Every method throws FormatError naming the
 * object and the field. Fields that nobody asks for are ignored: later versions may add some.
 */
export class Fields {
  readonly #map: Readonly<Record<string, unknown>>;
  readonly #what: string;

  /** `what` names the object in messages: 'a snapshot header'. */
  constructor(value: unknown, what: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
      throw new FormatError(`${what} is not a map`);
    }
    this.#map = value as Record<string, unknown>;
    this.#what = what;
  }

  /** Whether the field is there and not null. */
  has(key: string): boolean {
    return Object.hasOwn(this.#map, key) && this.#map[key] !== null;
  }

  /** A byte string, of exactly `length` bytes if given. */
  bytes(key: string, length?: number): Uint8Array {
    return asBytes(this.#get(key), this.#name(key), length);
  }

  /** A byte string of `length` bytes as lowercase hex digits. */
  hex(key: string, length: number): string {
    return toHex(this.bytes(key, length));
  }

  /** Text of at most 64 KiB. */
  text(key: string): string {
    return asText(this.#get(key), this.#name(key));
  }

  /** Whether the field is a text. */
  isText(key: string): boolean {
    return typeof this.#get(key) === 'string';
  }

  /** One of these texts. */
  oneOf<const T extends string>(key: string, allowed: readonly T[]): T {
    const text = this.text(key);
    const found = allowed.find((candidate) => candidate === text);
    if (found === undefined) throw new FormatError(`${this.#name(key)} has a value this version does not know`);
    return found;
  }

  boolean(key: string): boolean {
    const value = this.#get(key);
    if (typeof value !== 'boolean') throw new FormatError(`${this.#name(key)} is not true or false`);
    return value;
  }

  /** An integer from `min` (default 0) to `max` (default 2^53 − 1). */
  integer(key: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new FormatError(`${this.#name(key)} is not an integer from ${min} to ${max}`);
    }
    return value;
  }

  /** A time: nanoseconds since 1970, a signed integer of 64 bits. */
  time(key: string): bigint {
    const value = this.#get(key);
    const time = typeof value === 'number' ? BigInt(value) : value;
    if (typeof time !== 'bigint' || BigInt.asIntN(64, time) !== time) {
      throw new FormatError(`${this.#name(key)} is not a time`);
    }
    return time;
  }

  /** An array, each item read by `read`. */
  list<T>(key: string, read: (item: unknown, what: string) => T): T[] {
    const value = this.#get(key);
    if (!Array.isArray(value)) throw new FormatError(`${this.#name(key)} is not a list`);
    return value.map((item) => read(item, `an item of ${this.#name(key)}`));
  }

  /** A list of byte strings of `length` bytes, as hex digits. */
  hexList(key: string, length: number): string[] {
    return this.list(key, (item, what) => toHex(asBytes(item, what, length)));
  }

  /** A list of texts. */
  textList(key: string): string[] {
    return this.list(key, asText);
  }

  /** A map of its own. */
  map(key: string): Fields {
    return new Fields(this.#get(key), this.#name(key));
  }

  /** All entries of a map from text to integers that are not negative. */
  counts(): Record<string, number> {
    return Object.fromEntries(Object.keys(this.#map).map((key) => [key, this.integer(key)]));
  }

  /** What `read` makes of the field, or undefined when it is absent. */
  optional<T>(key: string, read: (fields: Fields) => T): T | undefined {
    return this.has(key) ? read(this) : undefined;
  }

  #get(key: string): unknown {
    if (!Object.hasOwn(this.#map, key)) throw new FormatError(`${this.#what} lacks the field '${key}'`);
    return this.#map[key];
  }

  #name(key: string): string {
    return `'${key}' of ${this.#what}`;
  }
}

function asBytes(value: unknown, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) {
    throw new FormatError(`${what} is not a byte string${length === undefined ? '' : ` of ${length} bytes`}`);
  }
  return value;
}

function asText(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.length > 65_536) throw new FormatError(`${what} is not a text`);
  return value;
}

/** Hex digits as the byte string that objects hold; TypeError when they are not `length` bytes (a bug here). */
export function hexBytes(text: string, length: number): Uint8Array {
  const bytes = fromHex(text, length);
  if (bytes === undefined) throw new TypeError(`not ${length} bytes in lowercase hex digits`);
  return bytes;
}
