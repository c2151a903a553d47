import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ListingBuilder } from '../../../src/archive/backup/listing-builder.js';
import { GrowingListing } from '../../../src/archive/import/growing-listing.js';
import { type Entry, EntryType, NO_CONTENT } from '../../../src/format/entry.js';
import { ListingCutter } from '../../../src/format/listing.js';

const cutter = new ListingCutter(Buffer.from('0123456789abcdef'));
const put = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest().subarray(0, 24);

function entry(key: string, mtimeSec: number): Entry {
  const stat = { mode: 0, uid: 0, gid: 0, size: 0, mtimeSec, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0, ino: 0 };
  return { key, type: EntryType.file, ...stat, ...NO_CONTENT };
}

/** The listing that a backup would build of this state. */
function anew(state: Map<string, Entry>) {
  const builder = new ListingBuilder(cutter, undefined, { put: (_, bytes) => put(bytes) });
  for (const item of state.values()) builder.add(item, undefined);
  return builder.finish(undefined);
}

test('is after any changes what a backup would build', () => {
  const change = fc.tuple(fc.nat(900), fc.option(fc.nat(5)));
  const range = fc.tuple(fc.nat(900), fc.nat(200), fc.boolean());
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(change, { maxLength: 12 }), fc.option(range)), { maxLength: 8 }),
      fc.nat(900),
      (rounds, initial) => {
        const key = (n: number) => `dir\0file-${String(n).padStart(4, '0')}`;
        const state = new Map<string, Entry>();
        for (let n = 0; n < initial; n++) state.set(key(n), entry(key(n), 0));
        const listing = new GrowingListing(cutter, put);
        listing.apply(state);
        for (const [single, stretch] of rounds) {
          const changes = new Map<string, Entry | undefined>();
          if (stretch !== null) {
            const [from, length, gone] = stretch;
            for (let n = from; n < from + length; n++) changes.set(key(n), gone ? undefined : entry(key(n), 9));
          }
          for (const [n, value] of single) changes.set(key(n), value === null ? undefined : entry(key(n), value));
          for (const [name, value] of changes) {
            if (value === undefined) state.delete(name);
            else state.set(name, value);
          }
          listing.apply(changes);
          expect(listing.finish().root).toEqual(anew(new Map([...state].sort())));
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('stores only what lies near a change', () => {
  let stored = 0;
  const listing = new GrowingListing(cutter, (bytes) => {
    stored++;
    return put(bytes);
  });
  const keys = Array.from({ length: 20_000 }, (_, n) => `d\0${String(n).padStart(6, '0')}`);
  listing.apply(new Map(keys.map((key) => [key, entry(key, 1)])));
  stored = 0;
  listing.apply(new Map([[keys[10_000], entry(keys[10_000], 2)]]));
  expect(stored).toBe(1);
  listing.apply(new Map([[keys[5], undefined]]));
  expect(stored).toBeLessThan(6);
});
