import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Claim, ClaimTable, createClaims, type KnownIdReader } from '../../../src/archive/ingest/claim-table.js';
import { ID_LENGTH } from '../../../src/format/entry.js';

/** A table with little in it has so many. */
const SLOTS = 1024;

/** Ids of which many are looked for at the same few places, and some occur twice. */
const someIds = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3 })), { maxLength: 400 });

function idsOf(parts: readonly (readonly [place: number, other: number])[]): Uint8Array {
  const ids = new Uint8Array(parts.length * ID_LENGTH);
  const view = new DataView(ids.buffer);
  parts.forEach(([place, other], i) => {
    // Around the table's end, where the search goes on at its beginning; the upper bits do not matter for it.
    view.setUint32(i * ID_LENGTH, (SLOTS - 20 + place + (other & 1) * 2 ** 31) >>> 0, true);
    view.setUint32(i * ID_LENGTH + 4, other * 0x5555_5555, true);
    view.setUint32(i * ID_LENGTH + 20, other, true);
  });
  return ids;
}

/** Reads of these by number. */
function reader(ids: Uint8Array): KnownIdReader {
  return (number, out) => out.set(ids.subarray(number * ID_LENGTH, (number + 1) * ID_LENGTH));
}

/** A table with these blobs, loaded in two parts, as two packs are. */
function loaded(ids: Uint8Array): ClaimTable {
  const count = ids.length / ID_LENGTH;
  const table = new ClaimTable(createClaims(count, 0), reader(ids));
  const half = count >> 1;
  table.load(ids.subarray(0, half * ID_LENGTH), 0);
  table.load(ids.subarray(half * ID_LENGTH), half);
  return table;
}

describe('a claim table', () => {
  it('finds what was loaded, the first of equals', () => {
    fc.assert(
      fc.property(someIds, (parts) => {
        const ids = idsOf(parts);
        const table = loaded(ids);
        const keys = parts.map((_, i) => Buffer.from(ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH)).toString('hex'));
        keys.forEach((key, i) => {
          expect(table.find(ids, i * ID_LENGTH)).toBe(keys.indexOf(key));
          expect(table.findAll(ids, i * ID_LENGTH)).toEqual(keys.flatMap((other, n) => (other === key ? [n] : [])));
        });
        const absent = idsOf([[3, 2]]);
        absent[ID_LENGTH - 1] = 1;
        expect(table.find(absent, 0)).toBe(-1);
        expect(table.next).toBe(parts.length);
      }),
    );
  });

  it('is the same in another thread, which claims what is new', () => {
    const ids = idsOf(Array.from({ length: 400 }, (_, i) => [i % 40, i % 4] as const));
    const table = loaded(ids);
    const other = new ClaimTable(table.shared, reader(ids));
    const claim: Claim = { number: 0, isNew: false };
    other.claim(ids, 0, claim);
    expect(claim).toEqual({ number: 0, isNew: false });
    const unknown = new Uint8Array(ID_LENGTH).fill(7);
    other.claim(unknown, 0, claim);
    expect(claim).toEqual({ number: 400, isNew: true });
    expect(table.find(unknown, 0)).toBe(400);
  });

  const id = (i: number): Uint8Array => {
    const bytes = new Uint8Array(ID_LENGTH);
    new DataView(bytes.buffer).setUint32(0, Math.imul(i + 1, 0x9e37_79b1) >>> 0, true);
    return bytes;
  };

  it('lets what it has no room for be stored each time, and finds all else', () => {
    const table = new ClaimTable(createClaims(0, 0, 200 * ID_LENGTH), () => undefined);
    const claim: Claim = { number: 0, isNew: false };
    for (let i = 0; i < 300; i++) {
      table.claim(id(i), 0, claim);
      expect(claim).toEqual({ number: i, isNew: true });
    }
    const found = Array.from({ length: 300 }, (_, i) => table.find(id(i), 0));
    const last = found.indexOf(-1);
    expect(last).toBeGreaterThan(100);
    expect(found).toEqual(found.map((_, i) => (i < last ? i : -1)));
    table.claim(id(299), 0, claim);
    expect(claim).toEqual({ number: 300, isNew: true });
    table.claim(id(0), 0, claim);
    expect(claim).toEqual({ number: 0, isNew: false });
  });

  it('grows when it fills up', () => {
    const table = new ClaimTable(createClaims(0, 0), () => undefined);
    const claim: Claim = { number: 0, isNew: false };
    for (let i = 0; i < 5000; i++) {
      table.growIfNeeded();
      table.claim(id(i), 0, claim);
      expect(claim).toEqual({ number: i, isNew: true });
    }
    expect(table.shared.levels.length).toBeGreaterThan(2);
    for (let i = 0; i < 5000; i++) expect(table.find(id(i), 0)).toBe(i);
  });
});
