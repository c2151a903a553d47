import {
  decode as cborgDecode,
  encode as cborgEncode,
  type DecodeOptions,
  type EncodeOptions,
  rfc8949EncodeOptions,
  type Token,
  Tokenizer,
  Type,
} from 'cborg';
import { FormatError } from '../errors.js';

/**
 * The part of CBOR that objects use: integers of 64 bits, byte strings, text, arrays, maps with text keys, booleans
 * and null. No floats, tags or undefined. One value has exactly one encoding (RFC 8949, section 4.2.1).
 */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue | undefined };

const ENCODE: EncodeOptions = {
  ...rfc8949EncodeOptions,
  ignoreUndefinedProperties: true,
  typeEncoders: {
    number(value: number) {
      if (!Number.isSafeInteger(value)) throw new TypeError(`not an exact integer: ${value}`);
      return null;
    },
    undefined() {
      throw new TypeError('undefined has no place in an object of the store');
    },
  },
};

const DECODE: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: true,
  rejectDuplicateMapKeys: true,
};

/**
 * The deterministic encoding of a value (RFC 8949, section 4.2.1: shortest forms, map keys sorted bytewise).
 * Properties that are undefined are left out. Throws TypeError for what the format has no place for (a bug here).
 */
export function encode(value: unknown): Uint8Array {
  return cborgEncode(value, ENCODE);
}

/**
 * The value of exactly these bytes. Integers beyond 2^53 come as bigint, byte strings as copies in plain Uint8Arrays.
 * Throws FormatError for whatever `encode` would not have written: cut or trailing bytes, floats, tags, undefined,
 * indefinite lengths, longer forms than needed, map keys that repeat or are out of order, text that is not UTF-8.
 */
export function decode(bytes: Uint8Array): unknown {
  // A Buffer's slice() would be a view, not a copy.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return cborgDecode(plain, { ...DECODE, tokenizer: new StrictTokenizer(plain, DECODE) });
  } catch (error) {
    throw new FormatError(`not the CBOR of this format: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface OpenContainer {
  /** Items still to come, keys and values alike. */
  left: number;
  isMap: boolean;
  /** Where the last key of a map began and ended. */
  keyStart: number;
  keyEnd: number;
}

/** Adds what cborg does not check: no floats, map keys in order, text that survives decoding. */
class StrictTokenizer extends Tokenizer {
  readonly #bytes: Uint8Array;
  readonly #open: OpenContainer[] = [];

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    super(bytes, options);
    this.#bytes = bytes;
  }

  override next(): Token {
    const start = this.pos();
    const token = super.next();
    const type = token.type;
    if (type === Type.float) throw new Error('a float');
    if (type === Type.string) this.#checkText(token, start);
    this.#place(start);
    if (type === Type.array || type === Type.map) {
      const count = Number(token.value);
      const isMap = type === Type.map;
      if (count > 0) this.#open.push({ left: isMap ? count * 2 : count, isMap, keyStart: 0, keyEnd: 0 });
    }
    return token;
  }

  /** Counts the item that begins at `start` into its container; a map's key must come after the key before it. */
  #place(start: number): void {
    const open = this.#open;
    const top = open[open.length - 1];
    if (top === undefined) return;
    if (top.isMap && top.left % 2 === 0) {
      const end = this.pos();
      if (top.keyEnd > 0 && !isBefore(this.#bytes, top.keyStart, top.keyEnd, start, end)) {
        throw new Error('map keys out of order');
      }
      top.keyStart = start;
      top.keyEnd = end;
    }
    if (--top.left === 0) open.pop();
  }

  #checkText(token: Token, start: number): void {
    const text = token.value as string;
    if (!text.includes('\ufffd')) return;
    const encoded = new TextEncoder().encode(text);
    const at = this.pos() - encoded.length;
    if (at <= start || encoded.some((byte, i) => byte !== this.#bytes[at + i]))
      throw new Error('text that is not UTF-8');
  }
}

function isBefore(bytes: Uint8Array, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
  const length = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < length; i++) {
    const difference = bytes[aStart + i] - bytes[bStart + i];
    if (difference !== 0) return difference < 0;
  }
  return aEnd - aStart < bEnd - bStart;
}
