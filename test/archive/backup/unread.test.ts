import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UnreadKeys } from '../../../src/archive/backup/unread.js';

test('has what lies in any of its ranges, in whatever order they came', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '\0'), maxLength: 3 });
  const range = fc.tuple(key, key).map(([a, b]) => (a < b ? { from: a, end: b } : { from: b, end: a }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), fc.array(range, { maxLength: 3 }), key, (first, more, asked) => {
      const unread = new UnreadKeys();
      const added: typeof first = [];
      for (const ranges of [first, more]) {
        for (const { from, end } of ranges) unread.add(from, end);
        added.push(...ranges);
        expect(unread.has(asked)).toBe(added.some(({ from, end }) => from <= asked && asked < end));
      }
    }),
  );
});
