import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/errors.js';
import { ByteReader, ByteWriter, expectEnd } from '../../src/format/varint.js';
import { byteString, size } from './arbitrary.js';

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const LARGEST = Number.MAX_SAFE_INTEGER;

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1);
  write(writer);
  return writer.take();
}

describe('varints', () => {
  it('are little-endian groups of seven bits', () => {
    const examples: [number, string][] = [
      [0, '00'],
      [1, '01'],
      [127, '7f'],
      [128, '8001'],
      [300, 'ac02'],
      [2 ** 31 - 1, 'ffffffff07'],
      [2 ** 31, '8080808008'],
      [2 ** 32, '8080808010'],
      [LARGEST, 'ffffffffffffff0f'],
    ];
    for (const [value, bytes] of examples) {
      expect(toHex(written((w) => w.varint(value)))).toBe(bytes);
      expect(new ByteReader(hex(bytes)).varint()).toBe(value);
    }
  });

  it('have the sign in the lowest bit when signed', () => {
    const examples: [number, string][] = [
      [0, '00'],
      [-1, '03'],
      [1, '02'],
      [63, '7e'],
      [-63, '7f'],
      [64, '8001'],
      [-64, '8101'],
      [2 ** 30, '8080808008'],
      [-(2 ** 30), '8180808008'],
      [LARGEST, 'feffffffffffff1f'],
      [-LARGEST, 'ffffffffffffff1f'],
    ];
    for (const [value, bytes] of examples) {
      expect(toHex(written((w) => w.signed(value)))).toBe(bytes);
      expect(new ByteReader(hex(bytes)).signed()).toBe(value);
    }
  });

  it('come back as they were, whatever stands around them', () => {
    const value = fc.oneof(
      size.map((n) => ({ kind: 'varint' as const, n })),
      fc.tuple(size, fc.boolean()).map(([n, minus]) => ({ kind: 'signed' as const, n: minus && n > 0 ? -n : n })),
    );
    fc.assert(
      fc.property(fc.array(value), byteString(60), fc.uint8Array(), (values, text, bytes) => {
        const writer = new ByteWriter(1);
        for (let round = 0; round < 2; round++) {
          writer.reset();
          for (const { kind, n } of values) writer[kind](n);
          writer.text(text);
          writer.bytes(bytes);
          writer.text(text, Math.floor(text.length / 2));
        }
        const reader = new ByteReader(writer.take());
        for (const { kind, n } of values) expect(reader[kind]()).toBe(n);
        expect(Buffer.from(reader.bytes(text.length)).latin1Slice()).toBe(text);
        expect([...reader.bytes(bytes.length)]).toEqual([...bytes]);
        const half = Math.floor(text.length / 2);
        expect(Buffer.from(reader.bytes(text.length - half)).latin1Slice()).toBe(text.slice(half));
        expectEnd(reader);
      }),
    );
  });

  it('gives a copy that later writing does not change', () => {
    const writer = new ByteWriter();
    writer.varint(5);
    const first = writer.take();
    writer.reset();
    writer.varint(6);
    expect([...first]).toEqual([5]);
  });

  it('cannot be written where they could not be read again', () => {
    for (const value of [2 ** 53, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => written((w) => w.varint(value))).toThrow(RangeError);
    }
    for (const value of [2 ** 53, -(2 ** 53), 0.5, Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(() => written((w) => w.signed(value))).toThrow(RangeError);
    }
  });

  it.each([
    ['cut', '80'],
    ['nothing', ''],
    ['a longer form than needed', '8000'],
    ['nine groups', '808080808080808001'],
  ])('refuses %s', (_, bytes) => {
    expect(() => new ByteReader(hex(bytes)).varint()).toThrow(FormatError);
    expect(() => new ByteReader(hex(bytes)).signed()).toThrow(FormatError);
  });

  it('refuses 2^53', () => {
    expect(() => new ByteReader(hex('8080808080808010')).varint()).toThrow(FormatError);
  });

  it('refuses signed integers out of range, and minus zero', () => {
    for (const bytes of ['01', '8100', '8000', '8080808080808020', '8180808080808020']) {
      expect(() => new ByteReader(hex(bytes)).signed()).toThrow(FormatError);
    }
  });

  it('reads every integer in one form only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.boolean(), (bytes, signed) => {
        const reader = new ByteReader(bytes);
        let value: number;
        try {
          value = signed ? reader.signed() : reader.varint();
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          return;
        }
        const again = written((w) => (signed ? w.signed(value) : w.varint(value)));
        expect(toHex(bytes).startsWith(toHex(again))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('does not read over the end', () => {
    expect(() => new ByteReader(hex('0102')).bytes(3)).toThrow(FormatError);
    expect(() => new ByteReader(hex('')).byte()).toThrow(FormatError);
    expect(() => expectEnd(new ByteReader(hex('00')))).toThrow(FormatError);
  });
});
