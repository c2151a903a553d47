import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aspectsOf } from '../../src/catalog/aspects.js';
import { changedEntries, haveSameKeys } from '../../src/catalog/changed-entries.js';
import type { Entry } from '../../src/format/entry.js';
import { encodeEntry, encodeSegment, openSegment } from '../../src/format/segment.js';
import { entries } from '../format/arbitrary.js';

/** Another entry for the same path: one field of it, or some, or all come from a stranger. */
const FIELDS: (keyof Entry)[][] = [
  ['mtimeSec'],
  ['mtimeNsec'],
  ['ctimeSec', 'ctimeNsec'],
  ['ino'],
  ['mode'],
  ['uid', 'user'],
  ['gid', 'group'],
  ['size'],
  ['xattrs'],
  ['replaced'],
  ['type', 'ids', 'chunkClass', 'depth', 'target', 'rdev', 'link'],
];

const pairs = fc
  .tuple(entries(12), entries(12), fc.array(fc.tuple(fc.nat(11), fc.nat(FIELDS.length - 1)), { maxLength: 6 }))
  .map(([list, others, edits]) => {
    const edited = list.map((entry) => ({ ...entry }));
    for (const [at, field] of edits) {
      const entry = edited[at % Math.max(1, edited.length)];
      const other = others[at % Math.max(1, others.length)];
      if (entry === undefined || other === undefined) continue;
      for (const name of FIELDS[field]) (entry as Record<string, unknown>)[name] = other[name];
    }
    return [list, edited] as const;
  });

describe('changed entries', () => {
  it('are those whose bytes are not the same, with what differs', () => {
    fc.assert(
      fc.property(pairs, ([list, edited]) => {
        const before = openSegment(encodeSegment(list));
        const after = openSegment(encodeSegment(edited));
        expect(haveSameKeys(before, after)).toBe(true);
        const expected = list.flatMap((_, position) => {
          const [a, b] = [before.entry(position), after.entry(position)];
          const isSame = Buffer.compare(encodeEntry(a), encodeEntry(b)) === 0;
          return isSame ? [] : [{ position, aspects: aspectsOf(a, b) }];
        });
        expect(changedEntries(before, after)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('of segments with other paths have other keys', () => {
    fc.assert(
      fc.property(entries(6), entries(6), (a, b) => {
        const same = a.length === b.length && a.every(({ key }, i) => key === b[i].key);
        expect(haveSameKeys(openSegment(encodeSegment(a)), openSegment(encodeSegment(b)))).toBe(same);
      }),
    );
  });
});
