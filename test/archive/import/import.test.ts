import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BackupResult, ImportResult, SnapshotRow } from '../../../src/archive/types.js';
import { generate, sha256 } from '../../legacy/generate.js';
import { Setup, sorted, temporaryFolder } from './setup.js';

const FIXTURE = join(import.meta.dirname, '../../fixtures/legacy');
const MIB = 1024 * 1024;

test('a wrong key is exit 12, and nothing is written', async () => {
  const setup = await Setup.make('/d');
  const key = join(setup.dir, 'other');
  writeFileSync(key, `${randomBytes(32).toString('base64url')}=`);
  const objects = () => readdirSync(join(setup.dir, 'store'), { recursive: true }).sort();
  const before = objects();
  expect((await setup.run('import', FIXTURE, '--legacy-key', key)).code).toBe(12);
  expect(objects()).toEqual(before);
  expect((await setup.run('import', join(setup.dir, 'none'))).code).toBe(2);
});

test('each version whose content is missing, changed or cut is named, and taken over once it is found', async () => {
  const setup = await Setup.make('/d');
  const [missing, changed, cut] = ['missing', 'changed', 'cut'].map((word) => ({ content: Buffer.alloc(5000, word) }));
  const several = Buffer.concat([randomBytes(16 * MIB), Buffer.alloc(4 * MIB, 'x'), randomBytes(MIB)]);
  const backups: Parameters<typeof generate>[2] = [
    { time: '2019-05-01T10:00:00Z', files: { '/d/a': missing, '/d/b': missing, '/d/c': changed } },
    { time: '2020-05-01T10:00:00Z', files: { '/d/a': changed, '/d/c': cut, '/d/d': { content: Buffer.from('d') } } },
  ];
  backups[0].files['/d/big'] = { content: several };
  const made = generate(join(setup.dir, 'old'), ['/d'], backups);
  const whole = join(setup.dir, 'whole');
  cpSync(join(made.dir, 'files'), whole, { recursive: true });
  rmSync(made.fileOf(missing.content));
  const bytes = readFileSync(made.fileOf(changed.content));
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(made.fileOf(changed.content), bytes);
  writeFileSync(made.fileOf(cut.content), readFileSync(made.fileOf(cut.content)).subarray(0, 60));

  const result = await setup.json<ImportResult>(3, 'import', made.config);
  expect(result).toMatchObject({ files: 1, versions: 2 });
  const named = result.damaged.map(
    ({ path, message }) => `${path} ${message.slice(11, 15)} ${/missing/.test(message)}`,
  );
  expect(named.sort()).toEqual([
    '/d/a 2019 true',
    '/d/a 2020 false',
    '/d/b 2019 true',
    '/d/c 2019 false',
    '/d/c 2020 false',
  ]);
  expect(await setup.restore('--snapshot', '2019-12-31')).toEqual({ '/d/big': sha256(several) });
  expect(setup.leftovers()).toEqual([]);

  const found = await setup.json<ImportResult>(0, 'import', made.config, '--files', whole);
  expect(found).toMatchObject({ files: 2, versions: 5, damaged: [] });
  expect(await setup.years('/d/c')).toEqual([
    ['2019', '2020', 'history'],
    ['2020', null, 'snapshot'],
  ]);
  const words = { a: changed.content, c: cut.content, d: Buffer.from('d') };
  expect(await setup.restore()).toEqual(
    sorted(Object.entries(words).map(([name, word]) => [`/d/${name}`, sha256(word)])),
  );
  const [{ id }] = await setup.versions('/d/c');
  expect(await setup.restore('/d/c', '--version-id', id)).toEqual({ '/d/c': sha256(changed.content) });
  expect(await setup.json(0, 'import', made.config, '--files', whole)).toMatchObject({ snapshot: null, versions: 0 });
});

test('what the old tool has done since the last import is added', async () => {
  const setup = await Setup.make('/d');
  const content = (text: string) => ({ content: Buffer.from(text) });
  const backups: Parameters<typeof generate>[2] = [
    { time: '2019-05-01T10:00:00Z', files: { '/d/a': content('one'), '/d/b': content('b') } },
    { time: '2020-05-01T10:00:00Z', files: { '/d/a': content('two'), '/d/b': content('b'), '/d/sub/c': content('c') } },
    { time: '2021-05-01T10:00:00Z', files: { '/d/a': content('three'), '/d/sub/c': content('c') } },
    { time: '2022-05-01T10:00:00Z', files: { '/d/a': content('three') } },
  ];
  const early = generate(join(setup.dir, 'early'), ['/d'], backups.slice(0, 2));
  expect(await setup.json(0, 'import', early.config)).toMatchObject({ files: 3, versions: 4 });
  const late = generate(join(setup.dir, 'late'), ['/d'], backups.slice(0, 3));
  expect(await setup.json(0, 'import', late.config)).toMatchObject({ files: 1, versions: 1 });
  expect(await setup.years('/d/a')).toEqual([
    ['2019', '2020', 'snapshot'],
    ['2020', '2020', 'snapshot'],
    ['2021', null, 'snapshot'],
  ]);
  expect(Object.keys(await setup.restore())).toEqual(['/d/a', '/d/sub/c']);
  expect(await setup.json(0, 'snapshots')).toHaveLength(3);
  const last = generate(join(setup.dir, 'last'), ['/d'], backups);
  expect(await setup.json(0, 'import', last.config)).toMatchObject({ files: 0, versions: 0 });
  expect(Object.keys(await setup.restore())).toEqual(['/d/a']);
  expect(await setup.years('/d/sub')).toEqual([['2020', '2021', 'snapshot']]);
});

describe('beside backups of our own', () => {
  const MTIME = 1_500_000_000;
  const filesOf = (root: string, x: string) => ({
    [join(root, 'x')]: { content: Buffer.from(x), mtime: MTIME },
    [join(root, 'sub/y')]: { content: Buffer.from('y'), mtime: MTIME },
  });
  /** A folder with files, and an archive with two earlier backups of it. */
  async function make(now: string) {
    const root = temporaryFolder();
    for (const [path, { content }] of Object.entries(filesOf(root, now))) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      utimesSync(path, MTIME, MTIME);
    }
    const setup = await Setup.make(root);
    const made = generate(
      join(setup.dir, 'old'),
      [root],
      [
        { time: '2019-05-01T10:00:00Z', files: filesOf(root, 'x1') },
        { time: '2020-05-01T10:00:00Z', files: filesOf(root, 'x2') },
      ],
    );
    return { setup, x: join(root, 'x'), config: made.config };
  }
  const thisYear = String(new Date().getFullYear());

  test('a backup after the import goes on from it', async () => {
    const { setup, x, config } = await make('x2');
    expect(await setup.json(0, 'import', config)).toMatchObject({ files: 2, versions: 3 });
    const first = await setup.json<BackupResult>(0, 'backup');
    expect(first).toMatchObject({ mode: 'full', silent_changes: [], files: { changed: 2, new: 0, removed: 0 } });
    expect(first.bytes.new).toBe(0);
    expect(await setup.years(x)).toEqual([
      ['2019', '2020', 'snapshot'],
      ['2020', '2020', 'snapshot'],
      [thisYear, null, 'snapshot'],
    ]);
    const versions = await setup.versions(x);
    expect(versions[1].content).toBe(versions[2].content);
    expect(await setup.json(0, 'backup')).toMatchObject({ mode: 'soft', files: { changed: 0, new: 0 } });
  });

  test('an import after a backup leaves what is newest, and adds the past', async () => {
    const { setup, x, config } = await make('x3');
    const { snapshot } = await setup.json<BackupResult>(0, 'backup');
    expect(await setup.json(0, 'import', config)).toMatchObject({ files: 2, versions: 3 });
    const versions = await setup.versions(x);
    expect(await setup.years(x)).toEqual([
      ['2019', '2020', 'history'],
      ['2020', '2020', 'history'],
      [thisYear, null, 'snapshot'],
    ]);
    expect(await setup.restore(x, '--version-id', versions[0].id)).toEqual({ [x]: sha256(Buffer.from('x1')) });
    expect(await setup.json(0, 'ls', 'latest')).toEqual(await setup.json(0, 'ls', snapshot ?? ''));
    expect(await setup.json(0, 'backup')).toMatchObject({ files: { new: 0, changed: 0, unchanged: 2 } });
    await setup.rebuild();
    expect(await setup.versions(x)).toEqual(versions);
    expect(await setup.json(0, 'check', '--read-data')).toMatchObject({ ok: true });
  });

  test('with --source it goes into a source of its own', async () => {
    const { setup, x, config } = await make('x3');
    await setup.json(0, 'backup');
    await setup.json(0, 'import', config, '--source', 'old');
    expect(await setup.versions(x)).toHaveLength(1);
    expect(await setup.versions(x, '--source', 'old')).toHaveLength(2);
    const rows = await setup.json<SnapshotRow[]>(0, 'snapshots');
    expect(rows.filter(({ source }) => source === 'old')).toHaveLength(2);
  });
});
