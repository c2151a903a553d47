import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';
import { holeId } from '../../src/format/chunk-list.js';
import { type Entry, EntryType, MAX_SECONDS } from '../../src/format/entry.js';
import {
  decodeEntry,
  decodeSegment,
  encodeEntry,
  encodeSegment,
  openSegment,
  SegmentWriter,
} from '../../src/format/segment.js';
import { PortableError } from '../../src/portable/index.js';
import { readSegment } from '../../src/portable/listing.js';
import { entries } from './arbitrary.js';

const FILE: Entry = {
  key: 'home\0x\0file',
  type: EntryType.file,
  mode: 0o644,
  uid: 1000,
  gid: 100,
  size: 5,
  mtimeSec: 1_700_000_000,
  mtimeNsec: 123_456_789,
  ctimeSec: 1_700_000_001,
  ctimeNsec: 1,
  ino: 42,
  chunkClass: 0,
  depth: 0,
  ids: new Uint8Array(24).fill(7),
};

/** Plain arrays for bytes, so that a Buffer equals a Uint8Array. */
function plain(entry: Entry): unknown {
  return JSON.parse(
    JSON.stringify(entry, (_, value) => (typeof value === 'bigint' ? `${value}n` : value), 0).replaceAll(
      '"type":"Buffer","data"',
      '"bytes"',
    ),
    (_, value) => (value?.bytes ? Object.assign({}, value.bytes) : value),
  );
}

describe('segment', () => {
  it('is the same bytes, whether its entries are new or copied from other segments', () => {
    const writer = new SegmentWriter();
    const lists = entries(24).chain((list) =>
      fc.record({
        list: fc.constant(list),
        isCopied: fc.array(fc.boolean(), { minLength: list.length, maxLength: list.length }),
        half: fc.nat(list.length),
      }),
    );
    fc.assert(
      fc.property(lists, ({ list, isCopied, half }) => {
        const first = openSegment(encodeSegment(list.slice(0, half)));
        const second = decodeSegment(encodeSegment(list.slice(half)));
        for (let i = 0; i < list.length; ) {
          if (!isCopied[i]) {
            writer.add(list[i++]);
            continue;
          }
          // Stretches of any length: neighbours are copied together, but not over the end of a segment.
          const end = i < half ? half : list.length;
          let to = i + 1;
          while (to < end && isCopied[to]) to++;
          if (i < half) writer.copy(first, i, to);
          else writer.copy(second, i - half, to - half);
          i = to;
        }
        expect(writer.firstKey).toBe(list[0]?.key ?? '');
        const bytes = writer.take();
        // Copied entries have the names that their segments give: the last ones.
        const named = list.map((entry, i) => {
          if (!isCopied[i]) return entry;
          return i < half ? first.entry(i) : second.entry(i - half);
        });
        expect(Buffer.compare(bytes, encodeSegment(named))).toBe(0);
      }),
    );
  });

  it('gives back every field of every entry', () => {
    fc.assert(
      fc.property(entries(12), (list) => {
        const segment = decodeSegment(encodeSegment(list));
        expect(segment.length).toBe(list.length);
        expect(segment.keys).toEqual(list.map((entry) => entry.key));
        list.forEach((entry, i) => {
          const back = segment.entry(i);
          expect(plain(back)).toEqual(plain(entry));
          expect(openSegment(encodeSegment(list)).loneEntry(i)).toEqual(back);
          expect([...segment.idsOf(i)]).toEqual([...entry.ids]);
          expect(segment.sizes[i]).toBe(entry.size);
          expect(segment.mtimeSecs[i]).toBe(entry.mtimeSec);
          expect(segment.mtimeNsecs[i]).toBe(entry.mtimeNsec);
          expect(segment.ctimeSecs[i]).toBe(entry.ctimeSec);
          expect(segment.inos[i]).toBe(entry.ino);
          expect(segment.types[i]).toBe(entry.type);
          expect(segment.userName(entry.uid)).toBe(entry.user);
          expect(segment.groupName(entry.gid)).toBe(entry.group);
          const { target, rdev, link, xattrs, replaced, kept } = entry;
          const rare = [target, rdev, link, xattrs, replaced, kept].some((value) => value !== undefined);
          expect(segment.hasRareFields(i)).toBe(rare);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('opened without checks is the same, in whatever order it is asked', () => {
    fc.assert(
      fc.property(entries(10), fc.infiniteStream(fc.nat()), (list, places) => {
        const bytes = encodeSegment(list);
        // As a database gives it: a Buffer that does not begin where its memory does.
        const shifted = Buffer.concat([Buffer.from('xyz'), bytes]).subarray(3);
        const segment = openSegment(shifted);
        expect(segment.length).toBe(list.length);
        for (let i = 0; i < list.length; i++) {
          const at = (places.next().value as number) % list.length;
          expect(segment.keyAt(at)).toBe(list[at].key);
          expect([...segment.idsOf(at)]).toEqual([...list[at].ids]);
          expect(plain(segment.entry(at))).toEqual(plain(list[at]));
        }
        expect(segment.keys).toEqual(list.map((entry) => entry.key));
        expect(Buffer.compare(encodeSegment(list.map((_, i) => segment.entry(i))), bytes)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('has one encoding', () => {
    fc.assert(
      fc.property(entries(8), (list) => {
        const bytes = encodeSegment(list);
        const segment = decodeSegment(bytes);
        const again = encodeSegment(list.map((_, i) => segment.entry(i)));
        expect(Buffer.compare(again, bytes)).toBe(0);
      }),
    );
  });

  it('may be empty, which an empty listing needs', () => {
    const segment = decodeSegment(encodeSegment([]));
    expect(segment.length).toBe(0);
    expect(segment.keys).toEqual([]);
  });

  it('makes equal bytes of equal entries, and other bytes of any change', () => {
    const bytes = encodeEntry(FILE);
    expect(plain(decodeEntry(bytes))).toEqual(plain(FILE));
    expect(Buffer.compare(encodeEntry(structuredClone(FILE)), bytes)).toBe(0);
    const changes: Partial<Entry>[] = [
      { key: 'home\0x\0file2' },
      { type: EntryType.dir },
      { mode: 0o600 },
      { uid: 0 },
      { gid: 0 },
      { size: 6 },
      { mtimeSec: 1_700_000_001 },
      { mtimeNsec: 0 },
      { ctimeSec: 0 },
      { ctimeNsec: 2 },
      { ino: 43 },
      { chunkClass: 1 },
      { depth: 1 },
      { ids: new Uint8Array(48).fill(7) },
      { user: 'u' },
      { group: 'g' },
      { target: '' },
      { rdev: { major: 0, minor: 0 } },
      { link: new Uint8Array(16) },
      { xattrs: [['user.a', new Uint8Array(0)]] },
      { replaced: { chunkClass: 0, depth: 0, ids: new Uint8Array(0), size: 0 } },
      { kept: { first: 0n, last: 0n } },
    ];
    const all = [FILE, ...changes.map((change) => ({ ...FILE, ...change }))];
    expect(new Set(all.map((entry) => Buffer.from(encodeEntry(entry)).toString('hex'))).size).toBe(all.length);
    expect(() => decodeEntry(encodeSegment([FILE, { ...FILE, key: 'home\0y' }]))).toThrow(FormatError);
  });

  it('keeps what time cannot be held as the nearest one, so that one strange file spoils no listing', () => {
    const list = [
      { ...FILE, key: 'a', mtimeSec: 2 ** 63, ctimeSec: -(2 ** 63) },
      { ...FILE, key: 'b', mtimeSec: -(2 ** 63), ctimeSec: 2 ** 60 },
      { ...FILE, key: 'c' },
    ];
    const segment = decodeSegment(encodeSegment(list));
    expect(segment.mtimeSecs).toEqual([MAX_SECONDS, -MAX_SECONDS, FILE.mtimeSec]);
    expect(segment.ctimeSecs).toEqual([-MAX_SECONDS, MAX_SECONDS, FILE.ctimeSec]);
  });

  it('takes no size that it could not give back', () => {
    expect(() => encodeEntry({ ...FILE, size: 2 ** 53 })).toThrow(RangeError);
    expect(decodeEntry(encodeEntry({ ...FILE, size: 2 ** 53 - 1, ids: holeId(2 ** 53 - 1) })).size).toBe(2 ** 53 - 1);
  });

  it('stays encodable after an entry that was refused', () => {
    expect(() => encodeEntry({ ...FILE, size: -1 })).toThrow(RangeError);
    expect(plain(decodeEntry(encodeEntry(FILE)))).toEqual(plain(FILE));
  });

  describe('refuses', () => {
    const columns = () =>
      decode(encodeSegment([FILE, { ...FILE, key: 'home\0y', type: EntryType.dir, ids: new Uint8Array(0) }])) as Record<
        string,
        unknown
      >;
    const reading = (change: Record<string, unknown>) => () => {
      const segment = decodeSegment(encode({ ...columns(), ...change }));
      segment.entry(0);
    };
    const bytes = (...list: number[]) => Uint8Array.from(list);

    it('nothing of the unchanged columns', () => {
      expect(reading({})).not.toThrow();
    });

    // The other decoder must refuse the same.
    it.each<[string, Record<string, unknown>]>([
      ['a count that is none', { n: 'two' }],
      ['a count larger than the columns', { n: 3 }],
      ['an absurd count', { n: Number.MAX_SAFE_INTEGER }],
      ['a negative count', { n: -1 }],
      ['a column that is not there', { mode: undefined }],
      ['a column of another type', { mode: 'x' }],
      ['a column that is cut', { uid: bytes(1) }],
      ['a column that goes on', { uid: bytes(1, 2, 3) }],
      ['an unknown type', { type: bytes(1, 7) }],
      ['keys that do not ascend', { key: bytes(0, 1, 98, 0, 1, 97) }],
      ['keys that are equal', { key: bytes(0, 1, 98, 1, 0) }],
      ['a key that shares more than there is', { key: bytes(0, 1, 98, 2, 1, 97) }],
      ['a key of absurd length', { key: bytes(0, 1, 98, 0, 255, 255, 255, 255, 255, 255, 255, 15) }],
      ['ids that are cut', { ids: new Uint8Array(23) }],
      ['more ids than the entries have', { ids: new Uint8Array(48) }],
      ['fewer ids than the entries have', { ids: new Uint8Array(0) }],
      ['a chunk list of impossible depth', { cut: bytes(33 << 1) }],
      ['rare values of an entry that is not there', { target: [[2, bytes(1)]] }],
      ['rare values that are no list', { target: 5 }],
      ['rare values that are no rows', { target: [5] }],
      ['rows of the wrong width', { target: [[0]] }],
      ['a target that is not bytes', { target: [[0, 'x']] }],
      ['a device number that is none', { rdev: [[0, 1, 'x']] }],
      ['a link group of the wrong length', { link: [[0, bytes(1)]] }],
      ['attributes that are no pairs', { xattr: [[0, [[bytes(1)]]]] }],
      ['attributes that are not bytes', { xattr: [[0, [['a', bytes(1)]]]] }],
      ['a replaced content of an unknown class', { replaced: [[0, 2, 0, 0, bytes()]] }],
      ['a replaced content with a cut id', { replaced: [[0, 0, 0, 0, bytes(1)]] }],
      ['a replaced content of two roots', { replaced: [[0, 0, 1, 0, new Uint8Array(48)]] }],
      ['times that are none', { kept: [[0, 'x', 1]] }],
      ['times beyond 64 bits', { kept: [[0, 0, 2n ** 63n]] }],
      ['times beyond 64 bits before 1970', { kept: [[0, -(2n ** 63n) - 1n, 0]] }],
      ['an owner without a number', { users: [['x', 'y']] }],
      ['an owner without a name', { groups: [[5, 6]] }],
    ])('%s', (_, change) => {
      expect(reading(change)).toThrow(FormatError);
      expect(() => readSegment(encode({ ...columns(), ...change }))).toThrow(PortableError);
    });

    it('whatever else is not a segment, without failing in any other way', () => {
      for (const value of [null, 5, [], {}, 'x', { n: 0 }])
        expect(() => decodeSegment(encode(value))).toThrow(FormatError);
      const good = encodeSegment([FILE]);
      fc.assert(
        fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const changed = good.slice();
          changed[at] ^= flip;
          try {
            const segment = decodeSegment(changed);
            for (let i = 0; i < segment.length; i++) segment.entry(i);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }),
        { numRuns: 1000 },
      );
    });
  });
});
