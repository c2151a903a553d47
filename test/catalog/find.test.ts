import fc from 'fast-check';
import picomatch from 'picomatch';
import { expect, test } from 'vitest';
import { toDisplay } from '../../src/bytes.js';
import type { Catalog, SnapshotRow } from '../../src/catalog/index.js';
import { compareKeys, nameOf, pathOf } from '../../src/catalog/keys.js';
import { parsePattern } from '../../src/catalog/queries/pattern.js';
import type { Entry } from '../../src/format/entry.js';
import {
  backUp,
  directory,
  file,
  lineage,
  openForTest,
  SegmentStore,
  snapshotInput,
  temporaryDirectory,
} from './helpers.js';

function found(catalog: Catalog, pattern: string, options: { snapshot?: SnapshotRow; all?: boolean } = {}): string[] {
  return [...catalog.query.find(pattern, { source: 'host', ...options })].map(({ key }) => pathOf(key));
}

/** Three snapshots of a small tree. */
function small(catalog: Catalog, store = new SegmentStore(1)): void {
  const source = lineage(catalog);
  const first = [
    directory(''),
    directory('home'),
    directory('home\0u'),
    file('home\0u\0notes.txt', 1),
    file('home\0u\0.hidden', 1),
    file('home\0u\0Z\xc3\xbcrich.txt', 1),
    file('home\0u\0a[1]*.txt', 1),
    file('home\0u\0bad\xff', 1),
    directory('home\0u\0src'),
    file('home\0u\0src\0notes.txt', 1),
    file('home\0u-2', 1),
    file('etc', 1),
  ];
  const second = first.map((e) => (e.key === 'home\0u\0notes.txt' ? file(e.key, 2) : e)).filter((e) => e.key !== 'etc');
  [first, second, second].forEach((entries, i) => {
    backUp(catalog, store, source, snapshotInput(i + 1), entries);
  });
}

test('names are matched at any depth, paths as a whole', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  small(catalog);
  const all = { all: true };
  expect(found(catalog, 'notes.txt')).toEqual(['/home/u/notes.txt', '/home/u/src/notes.txt']);
  expect(found(catalog, 'notes.*')).toEqual(['/home/u/notes.txt', '/home/u/src/notes.txt']);
  expect(found(catalog, '/home/u/notes.txt')).toEqual(['/home/u/notes.txt']);
  expect(found(catalog, '/home/*/notes.txt')).toEqual(['/home/u/notes.txt']);
  expect(found(catalog, '/home/**/notes.txt')).toEqual(['/home/u/notes.txt', '/home/u/src/notes.txt']);
  expect(found(catalog, '**/src/*')).toEqual(['/home/u/src/notes.txt']);
  expect(found(catalog, 'u*')).toEqual(['/home/u', '/home/u-2']);
  expect(found(catalog, '.h*')).toEqual(['/home/u/.hidden']);
  expect(found(catalog, '*hidden')).toEqual(['/home/u/.hidden']);
  expect(found(catalog, 'Zürich.txt')).toEqual(['/home/u/Z\xc3\xbcrich.txt']);
  expect(found(catalog, 'Z?rich.*')).toEqual(['/home/u/Z\xc3\xbcrich.txt']);
  expect(found(catalog, 'a\\[1\\]\\*.txt')).toEqual(['/home/u/a[1]*.txt']);
  expect(found(catalog, 'bad*')).toEqual(['/home/u/bad\xff']);
  expect(found(catalog, '{notes,nothing}.txt')).toEqual(['/home/u/notes.txt', '/home/u/src/notes.txt']);
  expect(found(catalog, '/home/{u/src,x}/notes.txt')).toEqual(['/home/u/src/notes.txt']);
  expect(found(catalog, '/home/{u/notes.txt,u-2}')).toEqual(['/home/u/notes.txt', '/home/u-2']);
  expect(found(catalog, 'etc')).toEqual([]);
  expect(found(catalog, 'etc', all)).toEqual(['/etc']);
  expect(found(catalog, 'e*', all)).toEqual(['/etc']);
  expect(found(catalog, 'nothing', all)).toEqual([]);
  catalog.close();
});

test('versions are the active ones, those of a snapshot, or all', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  small(catalog);
  const [first, second] = catalog.snapshots.all('host');
  const versions = (options: { snapshot?: SnapshotRow; all?: boolean }): unknown[] =>
    [...catalog.query.find('/home/u/notes.txt', { source: 'host', ...options })].flatMap((f) =>
      f.versions.map((v) => [v.from, v.to, v.entry.size, v.fromTime, v.toTime]),
    );
  const old = [1, 1, 1, first.time, first.time];
  const active = [2, undefined, 2, second.time, undefined];
  expect(versions({})).toEqual([active]);
  expect(versions({ snapshot: first })).toEqual([old]);
  expect(versions({ snapshot: second })).toEqual([active]);
  expect(versions({ all: true })).toEqual([old, active]);
  expect(found(catalog, 'etc', { snapshot: first })).toEqual(['/etc']);
  expect(found(catalog, 'etc', { snapshot: second })).toEqual([]);
  catalog.close();
});

test('conditions on size, time and content', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const entries = [directory('d'), ...[1, 2, 3, 4].map((n) => file(`d\0f${n}`, n))];
  backUp(catalog, new SegmentStore(1), lineage(catalog), snapshotInput(1), entries);
  const names = (options: object): string[] =>
    [...catalog.query.find('*', { source: 'host', ...options })].map(({ key }) => nameOf(key));
  expect(names({ minSize: 3 })).toEqual(['f3', 'f4']);
  expect(names({ maxSize: 2 })).toEqual(['f1', 'f2']);
  const mtime = (n: number): bigint => (1_700_000_000n + BigInt(n)) * 1_000_000_000n + 5n;
  expect(names({ mtimeFrom: mtime(2), mtimeTo: mtime(3) })).toEqual(['f2', 'f3']);
  expect(names({ mtimeFrom: mtime(2) + 1n, maxSize: 3 })).toEqual(['f3']);
  expect(names({ content: file('x', 2) })).toEqual(['f2']);
  expect(names({ content: { ...file('x', 2), chunkClass: 1 } })).toEqual([]);
  expect(names({ content: file('x', 9) })).toEqual([]);
  expect(names({ where: (e: Entry) => e.size === 4 })).toEqual(['f4']);
  catalog.close();
});

test('content is found in ended versions too, and empty files by their emptiness', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const store = new SegmentStore(1);
  const empty = { ...file('e', 0), ids: new Uint8Array(0) };
  backUp(catalog, store, lineage(catalog), snapshotInput(1), [file('a', 1), empty]);
  backUp(catalog, store, lineage(catalog), snapshotInput(2), [file('a', 2), file('e', 3)]);
  const keys = (content: Entry, all: boolean): string[] =>
    [...catalog.query.find('*', { source: 'host', all, content })].map(({ key }) => key);
  expect(keys(file('x', 1), true)).toEqual(['a']);
  expect(keys(file('x', 1), false)).toEqual([]);
  expect(keys(empty, true)).toEqual(['e']);
  catalog.close();
});

test('what is looked for in SQLite never hides what the glob matches', async () => {
  using place = temporaryDirectory();
  const catalog = await openForTest(place.dir);
  const source = lineage(catalog);
  const store = new SegmentStore(3);
  const component = fc.stringMatching(/^[ab.*?[\]!+@(){},ü -]{1,4}$/);
  const keys = fc.sample(fc.array(component, { minLength: 1, maxLength: 3 }), { numRuns: 400, seed: 7 });
  const unique = [...new Set(keys.map((parts) => Buffer.from(parts.join('\0')).toString('latin1')))].sort(compareKeys);
  backUp(
    catalog,
    store,
    source,
    snapshotInput(1),
    unique.map((key) => file(key, 1)),
  );
  // Half of them are history, the other half active.
  backUp(
    catalog,
    store,
    source,
    snapshotInput(2),
    unique.filter((_, i) => i % 2 === 0).map((key) => file(key, 1)),
  );
  const piece = fc.constantFrom(
    'a',
    'b',
    '.',
    'ü',
    '*',
    '?',
    '**',
    '[ab]',
    '[!a]',
    '{a,b}',
    '{a/b,b}',
    '!(a)',
    '+(b)',
    '/',
    '\\*',
    '(',
    ')',
    '-',
    'ab',
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.boolean(), (pieces, isPath) => {
      const glob = isPath ? `/${pieces.join('')}` : pieces.join('');
      const matches = picomatch(glob, { dot: true, nonegate: true, windows: false });
      const text = (key: string): string => toDisplay(glob.includes('/') ? pathOf(key) : nameOf(key));
      const plain = !/[*?[\]{}()!+@|\\]/.test(glob);
      const expected = unique.filter((key) => (plain ? text(key) === glob : matches(text(key))));
      expect([...catalog.query.find(glob, { source: 'host', all: true })].map(({ key }) => key)).toEqual(expected);
    }),
    { numRuns: 200, examples: [[['?', '('], false]] },
  );
  catalog.close();
});

test('the sure part of a pattern', () => {
  const literal = (glob: string): unknown => parsePattern(glob).literal;
  expect(literal('*.txt')).toEqual({ text: '.txt', atStart: false, atEnd: true });
  expect(literal('report-*')).toEqual({ text: 'report-', atStart: true, atEnd: false });
  expect(literal('/home/x/name')).toEqual({ text: 'name', atStart: true, atEnd: true });
  expect(literal('a*bcd*e')).toEqual({ text: 'bcd', atStart: false, atEnd: false });
  expect(literal('{a,b}.txt')).toBeUndefined();
  expect(literal('/x/**')).toBeUndefined();
  expect(literal('*')).toBeUndefined();
  expect(parsePattern('/home/u/*.txt').range).toEqual({ from: 'home\0u', to: 'home\0u\x01' });
  expect(parsePattern('C:/Users/*').range).toEqual({ from: 'C:\0Users', to: 'C:\0Users\x01' });
});
