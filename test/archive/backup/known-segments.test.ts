import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ActiveCursor } from '../../../src/archive/backup/active-cursor.js';
import { ListingBuilder, type OldPlace } from '../../../src/archive/backup/listing-builder.js';
import { openConnection } from '../../../src/catalog/connection.js';
import { type Catalog, dumpCatalog, type Stage } from '../../../src/catalog/index.js';
import { catalogFiles } from '../../../src/catalog/paths.js';
import type { Entry } from '../../../src/format/entry.js';
import { ListingCutter } from '../../../src/format/listing.js';
import { file, lineage, openForTest, snapshotInput, temporaryDirectory } from '../../catalog/helpers.js';

const cutter = new ListingCutter(Buffer.from('0123456789abcdef'));

/** Content of each path; absent: the path does not exist. And what the owner is called. */
interface State {
  contents: Map<string, number>;
  owner: string;
}

/** A backup of a state: what has its content from before is carried over, whatever its owner is called now. */
function backUp(catalog: Catalog, seq: number, state: State, isTold: boolean) {
  const source = lineage(catalog, seq);
  const stage = catalog.runs.begin(source);
  const untold = {
    put: (firstKey: string, id: Uint8Array, bytes: Uint8Array) => stage.put(firstKey, id, bytes),
    drop: (rowid: number) => stage.drop(rowid),
  } as unknown as Stage;
  const builder = new ListingBuilder(cutter, isTold ? stage : untold, {
    put: (_, bytes) => createHash('sha256').update(bytes).digest().subarray(0, 24),
  });
  const cursor = new ActiveCursor(catalog, source);
  for (const [key, content] of state.contents) {
    const entry: Entry = file(key, content, { user: state.owner });
    while (cursor.key !== undefined && cursor.key < key) cursor.next();
    const { row, version } = cursor;
    let place: OldPlace | undefined;
    if (row !== undefined && version !== undefined && version.key === key) {
      const { segment, position } = version;
      if (version.size === content) builder.carry(row, segment, position, position + 1);
      else place = { row, segment, position };
      cursor.next();
      if (place === undefined) continue;
    }
    builder.add(entry, place);
  }
  const head = catalog.snapshots.head(source);
  builder.finish(head && { root: head.listing!, rows: catalog.active.list(source) });
  stage.seal(snapshotInput(seq, seq === 1 ? {} : { parent: snapshotInput(seq - 1).name }));
  const { added, changed, removed } = stage.complete();
  return { added, changed, removed };
}

const edit = fc.tuple(fc.nat(399), fc.integer({ min: 1, max: 40 }), fc.option(fc.nat(3)));
const day = fc.record({
  edits: fc.array(edit, { maxLength: 8 }),
  single: fc.array(fc.tuple(fc.nat(399), fc.option(fc.nat(3))), { maxLength: 8 }),
  owner: fc.constantFrom('user', 'user', 'user', 'user', 'other'),
});

test('a run that tells what it carried over leaves the catalog as one whose segments are compared', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(day, { minLength: 2, maxLength: 5 }), async (days) => {
      using one = temporaryDirectory();
      using other = temporaryDirectory();
      const told = await openForTest(one.dir);
      const untold = await openForTest(other.dir);
      try {
        const contents = new Map<string, number>();
        for (let i = 0; i < 400; i += 2) contents.set(key(i), 1);
        for (const [i, { edits, single, owner }] of days.entries()) {
          for (const [from, count, content] of edits)
            for (let n = from; n < from + count; n++) set(contents, key(n), content);
          for (const [n, content] of single) set(contents, key(n), content);
          const state = { contents: new Map([...contents].sort(([a], [b]) => (a < b ? -1 : 1))), owner };
          expect(backUp(told, i + 1, state, true)).toEqual(backUp(untold, i + 1, state, false));
          expect([...dumpCatalog(told)]).toEqual([...dumpCatalog(untold)]);
          expect(rowsOf(one.dir)).toEqual(rowsOf(other.dir));
        }
      } finally {
        told.close();
        untold.close();
      }
    }),
    { numRuns: 60 },
  );
});

/** What is derived from segments, beside what a dump says. */
function rowsOf(dir: string): unknown[][] {
  const db = openConnection(catalogFiles(dir).database, 'read');
  const rows = [
    db.all('SELECT * FROM segments ORDER BY first_key'),
    db.all('SELECT s.first_key, n.names FROM segments s JOIN segment_names n ON n.id = s.id ORDER BY s.first_key'),
    db.all('SELECT after, part, changes FROM steps ORDER BY after, part'),
  ];
  db.raw.close();
  return rows;
}

function key(n: number): string {
  return `dir\0${`${n}`.padStart(4, '0')}`;
}

function set(contents: Map<string, number>, path: string, content: number | null): void {
  if (content === null) contents.delete(path);
  else contents.set(path, content);
}
