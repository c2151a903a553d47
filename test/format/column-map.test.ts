import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CborValue, decode, encode } from '../../src/format/cbor.js';
import { columnEncoder } from '../../src/format/column-map.js';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(23, 24, 255, 256).map((length) => new Uint8Array(length).fill(7)),
);
const value = fc.oneof(
  { weight: 4, arbitrary: bytes },
  fc.maxSafeInteger(),
  fc.array(fc.tuple(fc.nat(), fc.string())),
  fc.constant(undefined),
);
type Columns = Record<string, CborValue | undefined>;
const name = fc.stringMatching(/^[a-z]{1,12}$/);

test('columns are encoded as any map is', () => {
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 23, noNullPrototype: true }), (columns) => {
      const encoded = columnEncoder<Columns>(Object.keys(columns))(columns);
      expect(Buffer.compare(encoded, encode(columns))).toBe(0);
      expect(() => decode(encoded)).not.toThrow();
    }),
  );
});

test.each([0, 65_535, 65_536, 70_000])('a column of %i bytes', (length) => {
  const columns = { key: new Uint8Array(length).fill(7), n: 1 };
  expect(Buffer.compare(columnEncoder<Columns>(Object.keys(columns))(columns), encode(columns))).toBe(0);
});

test('what does not fit into the short forms is refused', () => {
  expect(() => columnEncoder<Columns>(['x'.repeat(24)])).toThrow(RangeError);
  expect(() => columnEncoder<Columns>(Array.from({ length: 24 }, (_, i) => `c${i}`))).toThrow(RangeError);
});
