import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchReader, BatchWriter, newRing, type ScanBatch } from '../../../src/archive/backup/scan-batches.js';
import type { ScanRows } from '../../../src/archive/backup/scan-rows.js';
import { unchangedRows } from '../../../src/archive/backup/unchanged-rows.js';
import { type Entry, EntryType, NO_CONTENT } from '../../../src/format/entry.js';
import { encodeSegment, openSegment, SegmentWalk } from '../../../src/format/segment.js';
import { FACTS, Fact, ScanEntry, type ScanItem } from '../../../src/scan/index.js';

const NAMES = Object.keys(Fact) as (keyof typeof Fact)[];

/** Facts that an entry has, too. */
const FIELDS = NAMES.filter((name) => name !== 'nlink');

interface Case {
  /** Which fact differs on the disk; `key`: another name; `other`: an item that is no entry comes before. */
  differs: keyof typeof Fact | 'key' | 'other' | undefined;
  size: number;
  type: EntryType;
  /** It had several names. */
  linked: boolean;
}

const cases: fc.Arbitrary<Case[]> = fc.array(
  fc.record({
    differs: fc.oneof(
      { weight: 10, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(...NAMES, 'key' as const, 'other' as const) },
    ),
    size: fc.oneof(fc.nat(300), fc.maxSafeNat()),
    type: fc.constantFrom(EntryType.file, EntryType.dir, EntryType.symlink),
    linked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
);

function entryOf({ size, type, linked }: Case, i: number): Entry {
  return {
    key: `dir\0${String.fromCharCode(0xe0)}${`${i}`.padStart(3, '0')}`,
    type,
    mode: 0o640 + (i % 3),
    uid: i % 2,
    gid: 1000,
    size: type === EntryType.file ? size : 0,
    mtimeSec: 1_700_000_000 - i * 1000,
    mtimeNsec: (i * 7_654_321) % 1_000_000_000,
    ctimeSec: 1_700_000_000 + i,
    ctimeNsec: i,
    ino: 2 ** 40 - i * 12345,
    ...NO_CONTENT,
    ...(linked && type !== EntryType.dir && { link: new Uint8Array(16) }),
    ...(type === EntryType.file && { ids: new Uint8Array(24 * (i % 3)) }),
  };
}

/** What a scan says of them now. */
function scanned(list: readonly Case[]): ScanRows {
  const items = list.flatMap((item, i): ScanItem[] => {
    const entry = entryOf(item, i);
    const facts = new Float64Array(FACTS);
    for (const name of FIELDS) facts[Fact[name]] = entry[name];
    facts[Fact.nlink] = item.linked ? 2 : 1;
    const { differs } = item;
    if (differs !== undefined && differs in Fact) facts[Fact[differs as keyof typeof Fact]] += 1;
    const key = differs === 'key' ? `${entry.key}x` : entry.key;
    const found = new ScanEntry(key, facts, 0, 'mount', entry.type === EntryType.symlink ? 'target' : undefined);
    return differs === 'other' ? [{ kind: 'failed', key, reason: 'for some reason' }, found] : [found];
  });
  const ring = newRing();
  let rows: ScanRows | undefined;
  const writer = new BatchWriter(ring, (batch: ScanBatch) => {
    rows = new BatchReader(ring).read(batch);
  });
  for (const item of items) writer.add(item);
  writer.flush();
  return rows!;
}

function isSame({ differs, type, linked }: Case, ignored: { ignoreCtime: boolean; ignoreInode: boolean }): boolean {
  if (differs === 'ctimeSec' || differs === 'ctimeNsec') return ignored.ignoreCtime;
  // It comes with another ctime; where that is not looked at, a second name tells of it.
  if (differs === 'nlink') return !ignored.ignoreCtime || linked || type === EntryType.dir;
  if (differs === 'ino') return ignored.ignoreInode;
  if (differs === 'size') return type !== EntryType.file;
  return differs === undefined;
}

test('takes entries up to the first that is not what the segment says, in any respect that counts', () => {
  fc.assert(
    fc.property(cases, fc.nat(5), fc.boolean(), fc.boolean(), (list, skipped, ignoreCtime, ignoreInode) => {
      const ignored = { ignoreCtime, ignoreInode };
      const first = Math.min(skipped, list.length - 1);
      const walk = new SegmentWalk(openSegment(encodeSegment(list.map(entryOf))));
      const rows = scanned(list);
      walk.next();
      for (; walk.position < first; walk.next()) {
        while (rows.rowsAhead === 0) rows.next();
        rows.next();
      }
      const taken = unchangedRows(walk, rows, ignored);
      let expected = first;
      while (expected < list.length && isSame(list[expected], ignored)) expected++;
      const met = list.slice(first, expected);
      const files = met.filter(({ type }) => type === EntryType.file);
      expect(taken).toEqual({
        count: met.length,
        files: files.length,
        bytes: files.reduce((sum, { size }) => sum + size, 0),
        dirs: met.filter(({ type }) => type === EntryType.dir).length,
      });
      expect(walk.position).toBe(Math.min(expected, list.length - 1));
      expect(walk.entry()).toEqual(openSegment(encodeSegment(list.map(entryOf))).entry(walk.position));
      if (expected === list.length) expect(rows.done).toBe(true);
      else {
        const next = rows.next();
        if (next.kind === 'entry') expect(next.key.startsWith(entryOf(list[expected], expected).key)).toBe(true);
        else expect(list[expected].differs).toBe('other');
      }
    }),
  );
});
