import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeRow, encodeRow } from '../../src/catalog/entry-row.js';
import { decodeFroms, encodeFroms } from '../../src/catalog/froms.js';
import {
  atOrBelow,
  below,
  compareKeys,
  distinctRanges,
  isAtOrBelow,
  keyOf,
  keyText,
  pathOf,
} from '../../src/catalog/keys.js';
import { decodeEntry, encodeEntry } from '../../src/format/segment.js';
import { directory, file } from './helpers.js';

const key = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x2e, 0x61, 0x80, 0xff), fc.integer({ min: 0, max: 255 })), {
    maxLength: 8,
  })
  .map((bytes) => String.fromCharCode(...bytes));

test('key texts hold no NUL, give the key back and have its order, in JavaScript and as UTF-8', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const [x, y] = [keyText(a), keyText(b)];
      expect(x).not.toContain('\0');
      expect(keyOf(x)).toBe(a);
      expect(compareKeys(x, y)).toBe(compareKeys(a, b));
      expect(Math.sign(Buffer.compare(Buffer.from(x), Buffer.from(y)))).toBe(compareKeys(a, b));
    }),
    { numRuns: 2000 },
  );
});

test('ranges hold what is at and below a path and nothing else', () => {
  fc.assert(
    fc.property(key, key, (path, other) => {
      const isIn = (range: { from: string; to: string }): boolean => other >= range.from && other < range.to;
      expect(isIn(atOrBelow(path))).toBe(isAtOrBelow(other, path));
      // A name cannot be empty, so a key does not begin with the separator.
      if (!other.startsWith('\0')) expect(isIn(below(path))).toBe(other !== path && isAtOrBelow(other, path));
      const text = keyText(other);
      expect(text >= keyText(atOrBelow(path).from) && text < keyText(atOrBelow(path).to)).toBe(isIn(atOrBelow(path)));
    }),
    { numRuns: 2000 },
  );
});

test('ranges that lie in others are left out', () => {
  expect(distinctRanges(['b\0c', 'a', 'b', 'a-b', 'b\0c\0d'])).toEqual([
    atOrBelow('a'),
    atOrBelow('a-b'),
    atOrBelow('b'),
  ]);
  expect(distinctRanges(['a', ''])).toEqual([atOrBelow('')]);
});

test('paths of keys', () => {
  expect(pathOf('home\0x')).toBe('/home/x');
  expect(pathOf('')).toBe('/');
  expect(pathOf('C:\0x')).toBe('C:/x');
  expect(pathOf('C:')).toBe('C:');
  expect(pathOf('C:d')).toBe('/C:d');
});

test('an entry survives its row, and rows are equal when entries are', () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
  const time = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
  const name = fc.string({ minLength: 1, maxLength: 5, unit: 'binary' }).map((s) => Buffer.from(s).toString('latin1'));
  const content = fc.record({
    chunkClass: fc.constantFrom(0 as const, 1 as const),
    depth: fc.constantFrom(0, 1, 3),
    ids: bytes(24),
    size: fc.maxSafeNat(),
  });
  const entry = fc
    .record(
      {
        content,
        mode: fc.integer({ min: 0, max: 0o7777 }),
        mtimeSec: time,
        ctimeSec: time,
        ino: fc.maxSafeNat(),
        user: fc.string({ maxLength: 4 }),
        link: bytes(16),
        xattrs: fc.array(fc.tuple(name, bytes(3)), { minLength: 1, maxLength: 2 }),
        replaced: content,
        kept: fc.record({ first: fc.bigInt(-(2n ** 62n), 2n ** 62n), last: fc.bigInt(-(2n ** 62n), 2n ** 62n) }),
        target: name,
        rdev: fc.record({ major: fc.nat(), minor: fc.nat() }),
      },
      { requiredKeys: ['content', 'mode', 'mtimeSec', 'ctimeSec', 'ino'] },
    )
    .map(({ content, ...rest }) => ({ ...file('a\0b'), ...content, ...rest }));
  fc.assert(
    fc.property(entry, entry, (a, b) => {
      expect(encodeEntry(decodeRow('a\0b', encodeRow(a)))).toEqual(encodeEntry(a));
      // What comes out of a segment has the same row as what went in.
      expect(encodeRow(decodeEntry(encodeEntry(a)))).toEqual(encodeRow(a));
      const same = Buffer.compare(encodeEntry(a), encodeEntry(b)) === 0;
      expect(Buffer.compare(encodeRow(a), encodeRow(b)) === 0).toBe(same);
    }),
    { numRuns: 150 },
  );
  expect(decodeRow('d', encodeRow(directory('d'))).ids).toHaveLength(0);
});

test('beginnings survive their columns', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000_000), { maxLength: 30 }), (froms) => {
      const columns = encodeFroms(froms, 7);
      expect(decodeFroms(columns, froms.length)).toEqual(froms);
      expect(columns.min_from).toBe(froms.length === 0 ? 7 : Math.min(...froms));
      expect(columns.max_from).toBe(froms.length === 0 ? 7 : Math.max(...froms));
    }),
  );
});
