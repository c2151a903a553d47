import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ListingBuilder, type OldPlace } from '../../../src/archive/backup/listing-builder.js';
import type { ByteString } from '../../../src/bytes.js';
import type { Stage } from '../../../src/catalog/index.js';
import { type Entry, EntryType, NO_CONTENT } from '../../../src/format/entry.js';
import { ListingCutter } from '../../../src/format/listing.js';
import { openSegment } from '../../../src/format/segment.js';

const cutter = new ListingCutter(Buffer.from('0123456789abcdef'));

function entry(key: ByteString, mtimeSec: number): Entry {
  const stat = { mode: 0o644, uid: 7, gid: 7, size: 3, mtimeSec, mtimeNsec: 5, ctimeSec: 9, ctimeNsec: 1, ino: 11 };
  return { key, type: EntryType.file, ...stat, ...NO_CONTENT };
}

/** A builder that keeps what it makes, and knows the names of the segments before. */
function building() {
  const made: { firstKey: ByteString; id: Uint8Array; bytes: Uint8Array }[] = [];
  const blobs = new Map<string, Uint8Array>();
  const drops: number[] = [];
  const stage = {
    put: (firstKey: ByteString, id: Uint8Array, bytes: Uint8Array) => made.push({ firstKey, id, bytes }),
    drop: (rowid: number) => drops.push(rowid),
  } as unknown as Stage;
  const builder = new ListingBuilder(cutter, stage, {
    put: (_, bytes) => {
      const id = createHash('sha256').update(bytes).digest().subarray(0, 24);
      blobs.set(id.toString('hex'), bytes);
      return id;
    },
  });
  return { builder, made, drops, blobs };
}

const change = fc.constantFrom('keep', 'keep', 'keep', 'keep', 'keep', 'keep', 'keep', 'change', 'remove', 'insert');
const changes = fc.array(fc.tuple(change, fc.integer({ min: 1, max: 90 })), { maxLength: 60 });

/** What becomes of each old entry: mostly stretches of one kind, some single ones. */
function spread(list: [string, number][], count: number): string[] {
  const spread = list.flatMap(([what, length]) =>
    new Array(what === 'keep' ? length : Math.ceil(length / 30)).fill(what),
  );
  return Array.from({ length: count }, (_, i) => spread[i] ?? 'keep');
}

test('a listing built on an old one is what it would be built anew, and repeats the segments in which nothing changed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2500 }),
      changes,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (n, list, stretches) => {
        const keys = Array.from({ length: n }, (_, i) => `dir\0file ${`${i}`.padStart(6, '0')}`);
        const before = building();
        for (const key of keys) before.builder.add(entry(key, 1), undefined);
        const root = before.builder.finish(undefined);
        const rows = before.made.map((row, i) => {
          const { length } = openSegment(row.bytes);
          return { rowid: i, ...row, entries: length, froms: () => new Array<number>(length).fill(1) };
        });

        const what = spread(list, n);
        const again = building();
        const anew = building();
        let number = 0;
        let turn = 0;
        for (const row of rows) {
          const segment = openSegment(row.bytes);
          for (let at = 0; at < segment.length; ) {
            const place: OldPlace = { row, segment, position: at };
            const key = segment.keys[at];
            if (what[number] === 'keep') {
              let to = at;
              const most = stretches[turn++ % stretches.length];
              while (to < segment.length && to - at < most && what[number] === 'keep') {
                anew.builder.add(segment.entry(to++), undefined);
                number++;
              }
              again.builder.carry(row, segment, at, to);
              at = to;
              continue;
            }
            if (what[number] === 'insert') {
              const between = number === 0 ? 'dir\0file -' : `${keys[number - 1]}x`;
              for (const { builder } of [again, anew]) builder.add(entry(between, 2), undefined);
            }
            if (what[number] !== 'remove') {
              again.builder.add(entry(key, 3), place);
              anew.builder.add(entry(key, 3), undefined);
            }
            at++;
            number++;
          }
        }
        const built = again.builder.finish({ root, rows });
        expect(built).toEqual(anew.builder.finish(undefined));
        // What was not made anew is there already, and what is not in the new listing is dropped.
        const old = new Map(rows.map((row) => [Buffer.from(row.id).toString('hex'), row.rowid]));
        const wanted = anew.made.map(({ id }) => Buffer.from(id).toString('hex'));
        expect(again.made.map(({ id }) => Buffer.from(id).toString('hex'))).toEqual(
          wanted.filter((id) => !old.has(id)),
        );
        expect(again.drops).toEqual([...old].filter(([id]) => !wanted.includes(id)).map(([, rowid]) => rowid));
      },
    ),
  );
});
