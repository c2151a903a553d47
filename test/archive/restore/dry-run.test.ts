import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromDisplay } from '../../../src/bytes.js';
import { EntryType } from '../../../src/format/entry.js';
import { CWD, linkAt, setTimesAt } from '../../../src/platform/index.js';
import { type Fields, Lab, type LabOptions } from './lab.js';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const MTIME = [1_600_000_000, 123_456_789] as const;
const name = fc.constantFrom(...NAMES);
const mode = fc.constantFrom(0o644, 0o600);

interface Item {
  kind: 'file' | 'symlink' | 'fifo';
  content: 'one' | 'two';
  mode: number;
  group: number | undefined;
}

const item: fc.Arbitrary<Item> = fc.record({
  kind: fc.constantFrom('file', 'file', 'file', 'symlink', 'fifo'),
  content: fc.constantFrom('one', 'two'),
  mode,
  group: fc.constantFrom(undefined, 1, 1, 2),
});

type Change =
  | { kind: 'chmod'; name: string; mode: number }
  | { kind: 'touch' | 'forge' | 'remove' | 'directory'; name: string }
  | { kind: 'link'; name: string; from: string };

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('chmod' as const), name, mode }),
  fc.record({
    kind: fc.constantFrom('touch' as const, 'forge' as const, 'remove' as const, 'directory' as const),
    name,
  }),
  fc.record({ kind: fc.constant('link' as const), name, from: name }),
);

const options: fc.Arbitrary<LabOptions> = fc.record({
  verify: fc.boolean(),
  overwrite: fc.constantFrom('if-changed', 'if-changed', 'always'),
});

function add(lab: Lab, path: string, { kind, content, mode, group }: Item): void {
  const fields: Fields = { mode, ...(group !== undefined && { link: new Uint8Array(16).fill(group) }) };
  if (kind === 'file') lab.file(path, content, fields);
  else if (kind === 'symlink') lab.symlink(path, content, { ...fields, mode: 0o777 });
  else lab.add(path, EntryType.fifo, fields);
}

/** Changes what was restored in a directory. */
function apply(dir: string, change: Change): void {
  const path = join(dir, change.name);
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  switch (change.kind) {
    case 'chmod':
      if (!stat.isSymbolicLink()) fs.chmodSync(path, change.mode);
      break;
    case 'touch':
      setTimesAt(CWD, fromDisplay(path), 1_500_000_000, 0);
      break;
    case 'forge':
      if (!stat.isFile()) break;
      fs.writeFileSync(path, 'bad');
      setTimesAt(CWD, fromDisplay(path), ...MTIME);
      break;
    case 'remove':
      fs.rmSync(path, { recursive: true });
      break;
    case 'directory':
      fs.renameSync(path, join(dir, 'away'));
      fs.mkdirSync(path);
      fs.renameSync(join(dir, 'away'), join(path, 'inside'));
      break;
    case 'link': {
      const from = fs.lstatSync(join(dir, change.from), { throwIfNoEntry: false });
      if (from === undefined || from.isDirectory() || change.from === change.name) break;
      fs.rmSync(path, { recursive: true });
      linkAt(CWD, fromDisplay(join(dir, change.from)), CWD, fromDisplay(path));
      break;
    }
  }
}

function pictureOf(dir: string): unknown[] {
  return fs.readdirSync(dir, { recursive: true }).map((path) => {
    const { ino, mode, nlink, mtimeNs, ctimeNs } = fs.lstatSync(join(dir, String(path)), { bigint: true });
    return [path, ino, mode, nlink, mtimeNs, ctimeNs];
  });
}

async function expectSame(items: Record<string, Item>, changes: Change[], how: LabOptions): Promise<void> {
  const lab = await Lab.open();
  try {
    lab.dir('/r');
    for (const [path, item] of Object.entries(items)) add(lab, `/r/${path}`, item);
    await lab.restore();
    const dir = join(lab.target, 'r');
    for (const change of changes) apply(dir, change);
    const before = pictureOf(dir);
    const told = await lab.restore({ ...how, dryRun: true });
    expect(pictureOf(dir)).toEqual(before);
    const result = await lab.restore(how);
    expect(told).toEqual(result);
    expect(result.errors).toEqual([]);
    const count = Object.keys(items).length;
    expect(await lab.restore({ verify: how.verify })).toMatchObject({ restored: 0, skipped: count, errors: [] });
  } finally {
    await lab.close();
  }
}

const file = (group?: number): Item => ({ kind: 'file', content: 'one', mode: 0o644, group });
const fifo = (): Item => ({ kind: 'fifo', content: 'one', mode: 0o644, group: undefined });

describe('a dry run tells what the restore then does', () => {
  it.each<[what: string, items: Record<string, Item>, changes: Change[], how: LabOptions]>([
    [
      'of a file whose mode cannot be set because of its other name',
      { a: file(1), b: file(1), c: file() },
      [{ kind: 'chmod', name: 'a', mode: 0o600 }],
      {},
    ],
    [
      'of names of a file that is made anew',
      { a: file(1), b: file(1), d: file(1) },
      [{ kind: 'touch', name: 'a' }],
      {},
    ],
    ['of what only looks right', { a: file(), b: file() }, [{ kind: 'forge', name: 'a' }], { verify: true }],
    [
      'of names that become one less when others give way',
      { a: fifo(), b: fifo() },
      [
        { kind: 'link', name: 'b', from: 'a' },
        { kind: 'chmod', name: 'a', mode: 0o600 },
      ],
      {},
    ],
    [
      'of names that become one less when what only looks right gives way',
      { a: { ...file(), mode: 0o600 }, b: { ...file(), content: 'two' } },
      [
        { kind: 'link', name: 'b', from: 'a' },
        { kind: 'chmod', name: 'a', mode: 0o644 },
      ],
      { verify: true },
    ],
  ])('%s', (_, items, changes, how) => expectSame(items, changes, how));

  it('of any small tree after any changes', async () => {
    const items = fc.dictionary(name, item, { minKeys: 1 });
    await fc.assert(fc.asyncProperty(items, fc.array(change, { maxLength: 5 }), options, expectSame), { numRuns: 30 });
  });
});
