import { beforeEach, describe, expect, it } from 'vitest';
import { MovedFiles, type MovedRules } from '../../../src/archive/backup/moved-files.js';
import type { ActiveSegment } from '../../../src/catalog/index.js';
import { type Entry, EntryType, NO_CONTENT } from '../../../src/format/entry.js';
import { encodeSegment } from '../../../src/format/segment.js';
import { FACTS, Fact, ScanEntry } from '../../../src/scan/index.js';

const FEW = 32;
const SIZE = 1000;

function entry(key: string, type: EntryType, ino: number): Entry {
  const isFile = type === EntryType.file;
  return {
    key,
    type,
    mode: 0o644,
    uid: 1,
    gid: 2,
    size: isFile ? SIZE : 0,
    mtimeSec: 1_700_000_000,
    mtimeNsec: 5,
    ctimeSec: 1_700_000_000 + ino,
    ctimeNsec: 123_456_789,
    ino,
    ...NO_CONTENT,
    ...(isFile && { ids: new Uint8Array(24).fill(ino) }),
  };
}

function scanned(key: string, of: Entry, other: Partial<Record<keyof typeof Fact, number>> = {}): ScanEntry {
  const facts = new Float64Array(FACTS);
  const all = { ...of, nlink: 1, ...other };
  for (const name of Object.keys(Fact) as (keyof typeof Fact)[]) facts[Fact[name]] = all[name];
  return new ScanEntry(key, facts, 0, 'mount', undefined);
}

/** The listing: `old` and `old/sub` with 50 files each, and a file beside them. */
const entries = [
  entry('old', EntryType.dir, 1),
  ...Array.from({ length: 50 }, (_, i) => entry(`old\0f${100 + i}`, EntryType.file, 100 + i)),
  entry('old\0sub', EntryType.dir, 2),
  ...Array.from({ length: 50 }, (_, i) => entry(`old\0sub\0g${100 + i}`, EntryType.file, 200 + i)),
  entry('zebra', EntryType.file, 3),
];
const byKey = new Map(entries.map((item) => [item.key, item]));

/** Segments of so many entries. */
function segments(length: number): Pick<ActiveSegment, 'firstKey' | 'bytes' | 'entries'>[] {
  const list = [];
  for (let at = 0; at < entries.length; at += length) {
    const some = entries.slice(at, at + length);
    list.push({ firstKey: some[0].key, bytes: encodeSegment(some), entries: some.length });
  }
  return list;
}

let pages: number;

function movedFiles(rules: Partial<MovedRules> = {}, length = 7): MovedFiles {
  const list = segments(length) as ActiveSegment[];
  const active = {
    page: (_source: unknown, after: string | undefined, limit = 256) => {
      pages++;
      return list.filter(({ firstKey }) => after === undefined || firstKey > after).slice(0, limit);
    },
    covering: (_source: unknown, key: string) => list.filter(({ firstKey }) => firstKey <= key).at(-1) ?? list[0],
  };
  return new MovedFiles(active, 1 as never, { unsettled: new Set(), ...rules });
}

/** Enters `new`, which was `old`, and asks for files that nobody knows until there are more than a few. */
function entered(moved: MovedFiles, ino = 1): void {
  moved.enter(scanned('new', entry('new', EntryType.dir, ino)));
  for (let i = 0; i < FEW; i++) {
    const key = `new\0a${100 + i}`;
    expect(moved.find(scanned(key, entry(key, EntryType.file, 900 + i)))).toBeUndefined();
  }
}

function find(moved: MovedFiles, name: string, other: Partial<Record<keyof typeof Fact, number>> = {}, was = name) {
  return moved.find(scanned(`new\0${name}`, byKey.get(`old\0${was}`)!, other));
}

beforeEach(() => {
  pages = 0;
});

describe('a file in a renamed directory', () => {
  it.each([1, 7, 200])('is what it was before (segments of %d)', (length) => {
    const moved = movedFiles({}, length);
    entered(moved);
    for (let i = 0; i < 50; i++) expect(find(moved, `f${100 + i}`)).toEqual(byKey.get(`old\0f${100 + i}`));
    moved.enter(scanned('new\0sub', byKey.get('old\0sub')!));
    for (let i = 0; i < 50; i += 3) expect(find(moved, `sub\0g${100 + i}`)).toEqual(byKey.get(`old\0sub\0g${100 + i}`));
    // Back in the directory above.
    expect(find(moved, 'f149')).toBeDefined();
  });

  it.each([
    { size: SIZE + 1 },
    { mtimeSec: 1 },
    { mtimeNsec: 6 },
    { ctimeSec: 1 },
    { ctimeNsec: 123_456_788 },
    { ino: 101 },
    { mode: 0o600 },
    { uid: 7 },
    { gid: 7 },
  ])('is not if it differs in %o', (other) => {
    const moved = movedFiles();
    entered(moved);
    expect(find(moved, 'f110', other)).toBeUndefined();
    expect(find(moved, 'f111')).toBeDefined();
  });

  it('is not if its name is another, its version is out of date, or not all of it is in the store', () => {
    const unsettled = new Set(['old\0f112']);
    const moved = movedFiles({ unsettled, isWhole: (segment, position) => segment.keyAt(position) !== 'old\0f113' });
    entered(moved);
    expect(['f110', 'f111', 'f112', 'f113', 'f114'].map((name) => find(moved, name) !== undefined)).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
    expect(find(moved, 'f115x', {}, 'f115')).toBeUndefined();
  });

  it('is not where the clock is so coarse that files may share a time', () => {
    const moved = movedFiles();
    entered(moved);
    expect(find(moved, 'f110', { ctimeNsec: 0 })).toBeUndefined();
    expect(find(moved, 'f110', { ctimeNsec: 120_000_000 })).toBeUndefined();
  });
});

it('looks at a directory only when it is new, and at the listing only when there is much in such', () => {
  const moved = movedFiles();
  for (let i = 0; i < 50; i++) expect(find(moved, `f${100 + i}`)).toBeUndefined();
  moved.enter(scanned('new', byKey.get('old')!));
  for (let i = 0; i < FEW; i++) expect(find(moved, `f${100 + i}`)).toBeUndefined();
  expect(pages).toBe(0);
  expect(find(moved, 'f149')).toBeDefined();
  moved.enter(scanned('newer', byKey.get('old\0sub')!));
  expect(find(moved, 'f149')).toBeUndefined();
  expect(pages).toBe(1);
});

it('looks at once for large files', () => {
  const moved = movedFiles();
  moved.enter(scanned('new', byKey.get('old')!));
  expect(find(moved, 'f100', { size: 2 ** 30 })).toBeUndefined();
  expect(find(moved, 'f101')).toBeDefined();
});
