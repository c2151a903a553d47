import fc from 'fast-check';
import type { ByteString } from '../../src/bytes.js';
import { holeId } from '../../src/format/chunk-list.js';
import { type Entry, EntryType } from '../../src/format/entry.js';

/** Any bytes as a byte string, few of them zero. */
export const byteString = (maxLength: number): fc.Arbitrary<ByteString> =>
  fc.uint8Array({ maxLength }).map((bytes) => String.fromCharCode(...bytes));

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** An integer up to 2^53 - 1, small ones as likely as large ones. */
export const size = fc
  .tuple(fc.integer({ min: 0, max: 53 }), fc.maxSafeNat())
  .map(([bits, value]) => Math.floor(value / 2 ** (53 - bits)));

/** Concatenated ids, holes among them. */
export const ids = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc
    .array(fc.oneof({ weight: 4, arbitrary: bytes(24) }, { weight: 1, arbitrary: size.map(holeId) }), {
      minLength,
      maxLength,
    })
    .map((list) => new Uint8Array(Buffer.concat(list)));

const content = fc.oneof(
  fc.record({ chunkClass: fc.constantFrom(0 as const, 1 as const), depth: fc.constant(0), ids: ids(0, 16) }),
  fc.record({
    chunkClass: fc.constantFrom(0 as const, 1 as const),
    depth: fc.integer({ min: 1, max: 5 }),
    ids: bytes(24),
  }),
);

const seconds = fc.oneof(
  fc.integer({ min: 1_500_000_000, max: 1_800_000_000 }),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
  fc.maxSafeInteger().map((value) => Math.trunc(value / 2) + 0),
);
const nanoseconds = fc.integer({ min: 0, max: 999_999_999 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 });

const xattrs = fc
  .uniqueArray(fc.tuple(byteString(12), fc.uint8Array({ maxLength: 40 })), {
    minLength: 1,
    maxLength: 4,
    selector: ([name]) => name,
  })
  .map((list) => list.sort((a, b) => (a[0] < b[0] ? -1 : 1)));

/** An entry with this key, of any type, with whatever goes with the type. */
export function entry(key: ByteString, owners: Owners): fc.Arbitrary<Entry> {
  const common = fc.record({
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(...owners.uids),
    gid: fc.constantFrom(...owners.gids),
    mtimeSec: seconds,
    mtimeNsec: nanoseconds,
    ctimeSec: seconds,
    ctimeNsec: nanoseconds,
    ino: size,
    xattrs: maybe(xattrs),
    link: maybe(bytes(16)),
    kept: maybe(fc.record({ first: time, last: time })),
  });
  const special = fc.oneof(
    fc.constant({ type: EntryType.dir, size: 0 }),
    fc.constant({ type: EntryType.fifo, size: 0 }),
    fc.constant({ type: EntryType.socket, size: 0 }),
    byteString(40).map((target) => ({ type: EntryType.symlink, size: target.length, target })),
    fc
      .tuple(fc.constantFrom(EntryType.chardev, EntryType.blockdev), u32, u32)
      .map(([type, major, minor]) => ({ type, size: 0, rdev: { major, minor } })),
  );
  const none = { chunkClass: 0 as const, depth: 0, ids: new Uint8Array(0) };
  const file = fc.tuple(size, content, maybe(fc.tuple(content, size))).map(([length, cut, old]) => ({
    type: EntryType.file,
    size: length,
    ...cut,
    ...(old && { replaced: { ...old[0], size: old[1] } }),
  }));
  return fc
    .tuple(common, fc.oneof({ weight: 2, arbitrary: file }, { weight: 1, arbitrary: special }))
    .map(([shared, own]) => {
      const user = owners.users.get(shared.uid);
      const group = owners.groups.get(shared.gid);
      const whole = { key, ...none, ...shared, ...own, ...(user !== undefined && { user }), ...(group && { group }) };
      for (const [name, value] of Object.entries(whole)) if (value === undefined) Reflect.deleteProperty(whole, name);
      return whole as Entry;
    });
}

interface Owners {
  uids: number[];
  gids: number[];
  users: Map<number, string>;
  groups: Map<number, string>;
}

const owners: fc.Arbitrary<Owners> = fc
  .record({
    uids: fc.uniqueArray(u32, { minLength: 1, maxLength: 3 }),
    gids: fc.uniqueArray(u32, { minLength: 1, maxLength: 3 }),
    names: fc.array(fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }), { minLength: 6, maxLength: 6 }),
  })
  .map(({ uids, gids, names }) => ({
    uids,
    gids,
    // The last id of each kind has no name.
    users: new Map(uids.slice(0, -1).map((id, i) => [id, names[i]])),
    groups: new Map(gids.slice(0, -1).map((id, i) => [id, names[3 + i]])),
  }));

/** Keys in order, without duplicates, with shared beginnings. */
export const keys = (maxLength: number): fc.Arbitrary<ByteString[]> =>
  fc
    .array(fc.array(fc.oneof(fc.constantFrom('home', 'x', 'a-b', 'a', '\xff\xfe'), byteString(30)), { maxLength: 5 }), {
      maxLength,
    })
    .map((paths) => [...new Set(paths.map((path) => path.join('\0')))].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)));

/** Entries as a segment may hold them: sorted, every owner under one name. */
export const entries = (maxLength: number): fc.Arbitrary<Entry[]> =>
  fc
    .tuple(keys(maxLength), owners)
    .chain(([sorted, shared]) => fc.tuple(...sorted.map((key) => entry(key, shared)))) as fc.Arbitrary<Entry[]>;
