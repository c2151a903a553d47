import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('cbor', () => {
  it('writes the examples of RFC 8949, appendix A', () => {
    const examples: [unknown, string][] = [
      [0, '00'],
      [23, '17'],
      [24, '1818'],
      [1000000, '1a000f4240'],
      [18446744073709551615n, '1bffffffffffffffff'],
      [-18446744073709551616n, '3bffffffffffffffff'],
      [-1000, '3903e7'],
      [false, 'f4'],
      [null, 'f6'],
      [hex('01020304'), '4401020304'],
      ['ü', '62c3bc'],
      [[1, [2, 3], [4, 5]], '8301820203820405'],
      [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
    ];
    for (const [value, bytes] of examples) {
      expect(toHex(encode(value))).toBe(bytes);
      expect(decode(hex(bytes))).toEqual(value);
    }
  });

  it('sorts keys by their encoded bytes and leaves out undefined properties', () => {
    expect(toHex(encode({ bb: 1, a: undefined, c: 2 }))).toBe('a261630262626201');
  });

  it('gives an integer as number while that is exact, else as bigint', () => {
    expect(decode(encode(2n ** 53n - 1n))).toBe(2 ** 53 - 1);
    expect(decode(encode(2n ** 53n))).toBe(2n ** 53n);
    expect(decode(encode(-(2n ** 60n)))).toBe(-(2n ** 60n));
  });

  it('refuses to write what the format lacks', () => {
    for (const value of [0.5, Number.NaN, 2 ** 53, [undefined], new Date(), 2n ** 64n]) {
      expect(() => encode(value), String(value)).toThrow();
    }
  });

  const refused: [string, string][] = [
    ['nothing', ''],
    ['trailing bytes', '0000'],
    ['a cut array', '8201'],
    ['a cut byte string', '4401'],
    ['a huge array that is not there', '9b00000fffffffffff01'],
    ['a longer form of an integer', '1801'],
    ['a longer form of a length', '580101'],
    ['a half float', 'f93c00'],
    ['a double float', 'fb3ff199999999999a'],
    ['undefined', 'f7'],
    ['a tag', 'c100'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite byte string', '5f4101ff'],
    ['a repeated key', 'a2616101616102'],
    ['keys out of order', 'a2616201616101'],
    ['a longer key before a shorter', 'a262616101616202'],
    ['keys out of order in an inner map', '81a2616201616101'],
    ['keys out of order after an inner map', 'a26162a1616101616101'],
    ['an integer key', 'a10101'],
    ['text that is not UTF-8', '62c328'],
    ['a lone break', 'ff'],
    ['deep nesting', '81'.repeat(100_000)],
  ];
  for (const [what, bytes] of refused) {
    it(`refuses ${what}`, () => expect(() => decode(hex(bytes))).toThrow(FormatError));
  }

  it('accepts text that holds U+FFFD itself', () => {
    expect(decode(encode({ a: '\ufffd!' }))).toEqual({ a: '\ufffd!' });
  });

  it('keeps a key named __proto__ an ordinary key', () => {
    const value = decode(hex('a1695f5f70726f746f5f5fa1616101')) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__']);
  });

  const leaf = fc.oneof(
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }).map((n) => (isSafe(n) ? Number(n) : n)),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.boolean(),
    fc.constant(null),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('tree')),
      fc.dictionary(fc.string(), tie('tree'), { noNullPrototype: true }),
    ),
  }));

  it('round-trips any value, and the bytes are the only ones it accepts for it', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const bytes = encode(value);
        expect(decode(bytes)).toEqual(value);
        expect(toHex(encode(decode(bytes)))).toBe(toHex(bytes));
      }),
    );
  });

  it('either refuses mutated bytes or they are the encoding of what it returns', () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, mask) => {
        const bytes = Uint8Array.from(encode(value));
        bytes[at % bytes.length] ^= mask;
        let back: unknown;
        try {
          back = decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          return;
        }
        expect(toHex(encode(back))).toBe(toHex(bytes));
      }),
      { numRuns: 2000 },
    );
  });
});

function isSafe(n: bigint): boolean {
  return n >= -(2n ** 53n) + 1n && n <= 2n ** 53n - 1n;
}
