import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Aspect, aspectsOf } from '../../src/catalog/aspects.js';
import { encodeRow } from '../../src/catalog/entry-row.js';
import type { Catalog, Difference, SnapshotRow } from '../../src/catalog/index.js';
import {
  applyListing,
  beginRebuild,
  dumpCatalog,
  forgetSnapshots,
  lostBy,
  rewriteSnapshots,
} from '../../src/catalog/index.js';
import { compareKeys, isAtOrBelow } from '../../src/catalog/keys.js';
import type { Entry } from '../../src/format/entry.js';
import {
  backUp,
  directory,
  file,
  hexName,
  openForTest,
  SegmentStore,
  STORE,
  snapshotInput,
  temporaryDirectory,
} from './helpers.js';

/** Paths of the model: nested ones, and neighbours whose order depends on the separator. */
const KEYS = [
  '',
  'a',
  'a\0b',
  'a\0b\0c',
  'a\0b-c',
  'a\0b\x01',
  'a-b',
  'a.txt',
  'b',
  'b\0x.txt',
  'b\0\xff\xfe',
  'b\0y',
  'c\x02d',
  'home',
  'home\0u',
  'home\0u\0notes.txt',
  'home\0u\0todo.txt',
];

type State = Map<string, number>;

/** The naive model: every snapshot as the map that it is. */
interface Model {
  snapshots: { seq: number; name: string; state: State }[];
}

type Step =
  | { do: 'snapshot'; edits: [number, number | null][] }
  | { do: 'forget'; which: number[] }
  | { do: 'purge'; key: number }
  | { do: 'removeHistory'; key: number; of: number[] };

// Mostly a few paths that change to and fro, so that equal versions meet when what lay between them goes.
const edit = fc.tuple(
  fc.oneof({ weight: 3, arbitrary: fc.constantFrom(2, 3, 6) }, { weight: 1, arbitrary: fc.nat(KEYS.length - 1) }),
  fc.option(fc.constantFrom(1, 1, 2, 3), { nil: null, freq: 3 }),
);
const keyIndex = fc.oneof(fc.constantFrom(2, 3, 6), fc.integer({ min: 1, max: KEYS.length - 1 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('snapshot' as const),
      edits: fc.array(edit, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      which: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('purge' as const), key: keyIndex }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('removeHistory' as const),
      key: keyIndex,
      of: fc.array(fc.nat(20), { maxLength: 3 }),
    }),
  },
);

function entryOf(key: string, content: number): Entry {
  return content === 3 ? directory(key) : file(key, content);
}

function entriesOf(state: State): Entry[] {
  return [...state].map(([key, content]) => entryOf(key, content)).sort((a, b) => compareKeys(a.key, b.key));
}

function without(state: State, key: string): State {
  return new Map([...state].filter(([k]) => !isAtOrBelow(k, key)));
}

test('random edits, snapshots, forgets and purges equal a naive model and a rebuild', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 22, size: 'max' }), async (steps) => {
      using place = temporaryDirectory();
      using rebuilt = temporaryDirectory();
      const store = new SegmentStore(1);
      const catalog = await openForTest(place.dir);
      const source = catalog.snapshots.lineageFor('host', { name: hexName('x'), seq: 1 }).source;
      const model: Model = { snapshots: [] };
      let seq = 0;
      let copies = 0;
      const replace = async (key: string, snapshots: Model['snapshots']): Promise<void> => {
        const pairs = snapshots.map((old) => {
          const name = hexName(`copy ${++copies}`);
          return { old: old.name, copy: snapshotInput(old.seq, { name }), model: old, name };
        });
        const head = model.snapshots.at(-1);
        const hasHead = head !== undefined && snapshots.includes(head);
        await rewriteSnapshots(catalog, {
          source,
          without: [key],
          snapshots: pairs,
          head: hasHead ? store.listing(entriesOf(without(head.state, key))) : undefined,
        });
        for (const pair of pairs) {
          pair.model.name = pair.name;
          pair.model.state = without(pair.model.state, key);
        }
      };
      for (const action of steps) {
        if (action.do === 'snapshot') {
          const state: State = new Map(model.snapshots.at(-1)?.state);
          for (const [at, content] of action.edits) {
            if (content === null) state.delete(KEYS[at]);
            else state.set(KEYS[at], content);
          }
          const input = snapshotInput(++seq);
          backUp(catalog, store, source, input, entriesOf(state));
          model.snapshots.push({ seq, name: input.name, state });
        } else if (action.do === 'forget') {
          const gone = new Set(action.which.map((i) => model.snapshots[i % Math.max(1, model.snapshots.length)]));
          const names = [...gone].filter((s) => s !== undefined).map((s) => s.name);
          checkLost(catalog, model, names);
          await forgetSnapshots(catalog, names, (row) => store.listing(entriesOf(stateOf(model, row))));
          model.snapshots = model.snapshots.filter((s) => !gone.has(s));
        } else if (action.do === 'purge') {
          await replace(KEYS[action.key], model.snapshots);
        } else {
          const chosen = new Set(action.of.map((i) => model.snapshots[i % Math.max(1, model.snapshots.length)]));
          await replace(
            KEYS[action.key],
            model.snapshots.filter((s) => chosen.has(s)),
          );
        }
      }
      checkAgainstModel(catalog, model);
      const rebuild = await beginRebuild({ dir: rebuilt.dir, storeId: STORE });
      for (const { seq, name, state } of model.snapshots) {
        const lineage = rebuild.catalog.snapshots.lineageFor('host', { name, seq });
        await applyListing(rebuild.catalog, {
          source: lineage.source,
          snapshot: snapshotInput(seq, { name }),
          ...store.listing(entriesOf(state)),
        });
      }
      const anew = await rebuild.finish();
      expect([...dumpCatalog(anew)]).toEqual([...dumpCatalog(catalog)]);
      anew.close();
      catalog.close();
    }),
    { numRuns: 80 },
  );
}, 60_000);

function stateOf(model: Model, row: SnapshotRow): State {
  return model.snapshots.find((s) => s.name === row.name)!.state;
}

/** Versions as the model sees them: stretches of neighbouring snapshots with equal content. */
function versionsIn(model: Model, key: string): { from: number; to: number; content: number }[] {
  const versions: { from: number; to: number; content: number }[] = [];
  let last: number | undefined;
  for (const { seq, state } of model.snapshots) {
    const content = state.get(key);
    if (content !== undefined && content === last) versions.at(-1)!.to = seq;
    else if (content !== undefined) versions.push({ from: seq, to: seq, content });
    last = content;
  }
  return versions;
}

function checkAgainstModel(catalog: Catalog, model: Model): void {
  const rows = catalog.snapshots.all('host');
  expect(rows.map((row) => row.name)).toEqual(model.snapshots.map((s) => s.name));
  const head = model.snapshots.at(-1);
  for (const row of rows) {
    const state = stateOf(model, row);
    expect([...catalog.query.entries(row)].map(keyed)).toEqual(entriesOf(state).map(keyed));
    for (const key of KEYS) {
      expect(catalog.query.entryAt(row, key)?.size).toEqual(
        state.has(key) ? entryOf(key, state.get(key)!).size : undefined,
      );
      const children = [...catalog.query.entriesAt(row, key, { recursive: false })].map((e) => e.key);
      expect(children).toEqual(childrenIn(state, key));
    }
  }
  for (const key of KEYS) {
    const expected = versionsIn(model, key).map(({ from, to, content }) => [
      from,
      to === head?.seq ? undefined : to,
      hex(entryOf(key, content)),
    ]);
    expect(catalog.query.history('host', key).map((v) => [v.from, v.to, hex(v.entry)])).toEqual(expected);
  }
  const all = [...catalog.query.find('*', { source: 'host', all: true })].map(({ key, versions }) => [
    key,
    versions.length,
  ]);
  const inModel = KEYS.filter((key) => key !== '' && versionsIn(model, key).length > 0).sort(compareKeys);
  expect(all).toEqual(inModel.map((key) => [key, versionsIn(model, key).length]));
  rows.slice(1).forEach((row, i) => {
    for (const [a, b] of [
      [rows[i], row],
      [row, rows[i]],
    ])
      expect([...catalog.query.changes(a, b)]).toEqual(changesIn(stateOf(model, a), stateOf(model, b)));
  });
  for (const a of rows) {
    for (const b of [rows[0], rows.at(-1)!])
      expect([...catalog.query.diff(a, b)].map(described)).toEqual(diffIn(stateOf(model, a), stateOf(model, b)));
  }
}

function checkLost(catalog: Catalog, model: Model, names: string[]): void {
  const gone = new Set(names);
  const kept = model.snapshots.filter((s) => !gone.has(s.name)).map((s) => s.seq);
  const expected: string[] = [];
  for (const key of KEYS)
    for (const { from, to } of versionsIn(model, key))
      if (!kept.some((seq) => seq >= from && seq <= to)) expected.push(`${key} ${from}`);
  expect([...lostBy(catalog, names)].map((v) => `${v.key} ${v.from}`).sort()).toEqual(expected.sort());
}

function childrenIn(state: State, key: string): string[] {
  const depth = key === '' ? 0 : key.split('\0').length;
  return [...state.keys()]
    .filter((k) => k !== key && isAtOrBelow(k, key) && k.split('\0').length === depth + 1 && k !== '')
    .sort(compareKeys);
}

function diffIn(a: State, b: State): [string, number | undefined, number | undefined][] {
  const rows: [string, number | undefined, number | undefined][] = [];
  for (const key of [...KEYS].sort(compareKeys)) {
    const [before, after] = [a.get(key), b.get(key)];
    if (before !== after) rows.push([key, before, after]);
  }
  return rows;
}

function changesIn(a: State, b: State): { key: string; aspects: number }[] {
  return diffIn(a, b).flatMap(([key, before, after]) => {
    if (before === undefined) return [{ key, aspects: Aspect.added }];
    if (after === undefined) return [{ key, aspects: Aspect.removed }];
    const aspects = aspectsOf(entryOf(key, before), entryOf(key, after));
    return aspects === 0 ? [] : [{ key, aspects }];
  });
}

function described({ key, before, after }: Difference): [string, number | undefined, number | undefined] {
  const content = (entry: Entry | undefined): number | undefined =>
    entry && [1, 2, 3].find((c) => hex(entryOf(key, c)) === hex(entry));
  return [key, content(before), content(after)];
}

function keyed(entry: Entry): [string, string] {
  return [entry.key, hex(entry)];
}

function hex(entry: Entry): string {
  return Buffer.from(encodeRow(entry)).toString('hex');
}
