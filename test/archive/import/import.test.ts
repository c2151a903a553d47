import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackupResult, HistoryResult, ImportResult, SnapshotRow } from '../../../src/archive/types.js';
import { generate, sha256, type TableJson } from '../../legacy/generate.js';

const MAIN = join(import.meta.dirname, '../../../dist/src/cli/main.js');
const FIXTURE = join(import.meta.dirname, '../../fixtures/legacy');
const MIB = 1024 * 1024;

let top: string;
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), 'import-'));
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** A store of its own with its config, and the command line to it. */
class Setup {
  readonly dir = mkdtempSync(join(top, 's-'));
  readonly config = join(this.dir, 'config.json');
  readonly env = { ...process.env, NO_COLOR: '1', BACKUP_NINJA_CONFIG: this.config };

  constructor(roots: string[]) {
    const at = (name: string) => join(this.dir, name);
    const paths = { table_dir: at('table'), file_dir: at('store'), key_path: at('key'), restore_dir: at('restored') };
    writeFileSync(this.config, JSON.stringify({ ...paths, backup_roots: roots }));
    expect(this.run('init', '--no-recovery').status).toBe(0);
  }

  run(...args: string[]) {
    return spawnSync(process.execPath, [MAIN, ...args], { env: this.env, encoding: 'utf8' });
  }

  /** The JSON document of a command that ends with this code. */
  json<T>(code: number, ...args: string[]): T {
    const { status, stdout, stderr } = this.run(...args, '--json');
    expect(status, `${args.join(' ')}: ${stderr}${stdout}`).toBe(code);
    return JSON.parse(stdout) as T;
  }

  versions(path: string): HistoryResult['versions'] {
    return this.json<HistoryResult>(0, 'history', path).versions;
  }

  /** Restores into a new folder: path → SHA-256. */
  restore(...args: string[]): Record<string, string> {
    const target = mkdtempSync(join(this.dir, 'out-'));
    const { status, stderr } = this.run('restore', '--target', target, ...args);
    expect(status, stderr).toBe(0);
    return Object.fromEntries(
      readdirSync(target, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry): [string, string] => {
          const file = join(entry.parentPath, entry.name);
          return [`/${relative(target, file)}`, sha256(readFileSync(file))];
        })
        .sort(),
    );
  }
}

interface Expected {
  backups: { backup: string; files: Record<string, { sha256: string; size: number }> }[];
}

const LOST = '/home/legacy-user/docs/big-compressible.txt';
const expected = JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8')) as Expected;
const table = JSON.parse(readFileSync(join(FIXTURE, 'table', 'archive.json'), 'utf8')) as TableJson;

/** What the archive can give of one backup. */
function given(files: Expected['backups'][number]['files']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files)
      .filter(([path]) => path !== LOST)
      .map(([path, file]): [string, string] => [path, file.sha256])
      .sort(),
  );
}

/** The log's times of every path: when it came to have a content, and when it ceased to. */
function logged(): Map<string, { checksum: string; from: string; to: string | null }[]> {
  const paths = new Map<string, { checksum: string; from: string; to: string | null }[]>();
  for (const { checksum, log } of [...table.active, ...table.history]) {
    for (const { timestamp, event, path } of log) {
      const time = timestamp.replace('+00:00', '000Z');
      const versions = paths.get(path) ?? [];
      paths.set(path, versions);
      if (event === 'ADDED') versions.push({ checksum, from: time, to: null });
      else versions.find((version) => version.checksum === checksum && version.to === null)!.to = time;
    }
  }
  for (const versions of paths.values()) versions.sort((a, b) => (a.from < b.from ? -1 : 1));
  return paths;
}

describe('the archive that the Python tool made', () => {
  let setup: Setup;
  let result: ImportResult;
  beforeAll(() => {
    setup = new Setup(['/home/legacy-user/docs']);
    result = setup.json(3, 'import', join(FIXTURE, 'backup_config.json'));
  });

  test('is taken over but for the file that it cut off, which is named', () => {
    expect(result).toMatchObject({ files: 9, versions: 15 });
    expect(result.damaged).toEqual([
      { path: LOST, message: expect.stringMatching(/2022-01-02.*first 16777216 of 19660800 bytes/) },
    ]);
  });

  test('each backup is a snapshot, dated by the log; roots that the config lacks are ad hoc', () => {
    const snapshots = setup.json<SnapshotRow[]>(0, 'snapshots');
    expect(snapshots.map(({ time }) => time.slice(0, 16).replace('T', ' '))).toEqual(
      expected.backups.map(({ backup }) => backup.slice(0, 16)),
    );
    expect(snapshots.at(-1)).toMatchObject({ id: result.snapshot, source: hostname(), files: 9 });
    for (const { roots } of snapshots) expect(roots).toEqual(['/home/legacy-user/docs', '/home/legacy-user/pics']);
  });

  test('each snapshot restores to what its sources held', () => {
    const snapshots = setup.json<SnapshotRow[]>(0, 'snapshots');
    expected.backups.forEach(({ files }, i) => {
      expect(setup.restore('--snapshot', snapshots[i].id)).toEqual(given(files));
    });
    expect(setup.restore('--snapshot', '2021-12-24')).toEqual(given(expected.backups[1].files));
  });

  test('every version of every path is dated by the log, and restored by its id', () => {
    for (const [path, versions] of logged()) {
      if (path === LOST) continue;
      const found = setup.versions(path);
      expect(
        found.map(({ from, to }) => ({ from, to })),
        path,
      ).toEqual(versions.map(({ from, to }) => ({ from, to })));
      found.forEach(({ id, size }, i) => {
        const { checksum } = versions[i];
        expect(setup.restore(path, '--version-id', id)).toEqual({ [path]: checksum });
        const sizes = expected.backups
          .flatMap(({ files }) => Object.values(files))
          .filter((f) => f.sha256 === checksum);
        expect(size).toBe(sizes[0].size);
      });
    }
    expect(setup.run('history', LOST).status).toBe(1);
  });

  test('is searched like any other, and whole', () => {
    const found = setup.json<{ path: string; versions: unknown[] }[]>(0, 'find', '*.txt', '--all');
    expect(found.map(({ path, versions }) => [path.split('/').at(-1), versions.length])).toEqual([
      ['comeback.txt', 1],
      ['letter.txt', 4],
      ['to-delete.txt', 2],
    ]);
    expect(setup.json(0, 'check', '--read-data')).toMatchObject({ ok: true });
  });

  test('a second import adds nothing and says again what is lost', () => {
    const again = setup.json<ImportResult>(
      3,
      'import',
      join(FIXTURE, 'table'),
      '--files',
      join(FIXTURE, 'files'),
      '--legacy-key',
      join(FIXTURE, 'key'),
    );
    expect(again).toEqual({ snapshot: null, files: 0, versions: 0, damaged: result.damaged });
  });

  test('a rebuilt catalog says the same', () => {
    const path = '/home/legacy-user/docs/letter.txt';
    const before = setup.versions(path);
    rmSync(join(setup.dir, 'table'), { recursive: true });
    expect(setup.run('catalog', 'rebuild').status).toBe(0);
    expect(setup.versions(path)).toEqual(before);
  });
});

test('a wrong key is exit 12, and nothing is written', () => {
  const setup = new Setup(['/d']);
  const key = join(setup.dir, 'other');
  writeFileSync(key, `${randomBytes(32).toString('base64url')}=`);
  const objects = () => readdirSync(join(setup.dir, 'store'), { recursive: true }).sort();
  const before = objects();
  const { status, stderr } = setup.run('import', FIXTURE, '--legacy-key', key);
  expect(status, stderr).toBe(12);
  expect(objects()).toEqual(before);
  expect(setup.run('import', join(setup.dir, 'none')).status).toBe(2);
});

test('files of several pieces, and files that are missing, changed or cut: each lost version is named, and taken later', () => {
  const setup = new Setup(['/d']);
  const [missing, changed, cut] = ['missing', 'changed', 'cut'].map((word) => Buffer.alloc(5000, `${word} `));
  const big = Buffer.concat([randomBytes(16 * MIB), Buffer.alloc(4 * MIB, 'x'), randomBytes(MIB)]);
  const first = {
    '/d/a': { content: missing },
    '/d/b': { content: missing },
    '/d/c': { content: changed },
    '/d/big': { content: big },
  };
  const second = {
    '/d/a': { content: changed },
    '/d/c': { content: cut },
    '/d/big': { content: Buffer.from('small') },
  };
  const made = generate(
    join(setup.dir, 'old'),
    ['/d'],
    [
      { time: '2019-05-01T10:00:00Z', files: first },
      { time: '2020-05-01T10:00:00Z', files: second },
    ],
  );
  const whole = join(setup.dir, 'whole');
  cpSync(join(made.dir, 'files'), whole, { recursive: true });
  rmSync(made.fileOf(missing));
  const bytes = readFileSync(made.fileOf(changed));
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(made.fileOf(changed), bytes);
  writeFileSync(made.fileOf(cut), readFileSync(made.fileOf(cut)).subarray(0, 60));

  const result = setup.json<ImportResult>(3, 'import', made.config);
  expect(result).toMatchObject({ files: 1, versions: 2 });
  expect(
    result.damaged.map(({ path, message }) => [path, message.slice(0, 22), /missing/.test(message)]).sort(),
  ).toEqual([
    ['/d/a', 'version of 2019-05-01T', true],
    ['/d/a', 'version of 2020-05-01T', false],
    ['/d/b', 'version of 2019-05-01T', true],
    ['/d/c', 'version of 2019-05-01T', false],
    ['/d/c', 'version of 2020-05-01T', false],
  ]);
  expect(setup.restore('--snapshot', '2019-12-31')).toEqual({ '/d/big': sha256(big) });
  expect(readdirSync(join(setup.dir, 'table')).filter((name) => name.startsWith('import-'))).toEqual([]);

  // With the lost files found, the same command takes over what was lacking.
  const rest = setup.json<ImportResult>(0, 'import', made.config, '--files', whole);
  expect(rest).toMatchObject({ files: 2, versions: 5, damaged: [] });
  const versions = setup.versions('/d/c');
  expect(versions.map(({ from, to, kept_by }) => [from.slice(0, 4), to?.slice(0, 4), kept_by])).toEqual([
    ['2019', '2020', 'history'],
    ['2020', '2020', 'history'],
  ]);
  expect(setup.restore('/d/c', '--version-id', versions[0].id)).toEqual({ '/d/c': sha256(changed) });
  expect(setup.json<ImportResult>(0, 'import', made.config, '--files', whole)).toMatchObject({ snapshot: null });
});

test('what the old tool has done since the last import is added', () => {
  const setup = new Setup(['/d']);
  const content = (text: string) => ({ content: Buffer.from(text) });
  const backups = [
    { time: '2019-05-01T10:00:00Z', files: { '/d/a': content('one'), '/d/b': content('b') } },
    { time: '2020-05-01T10:00:00Z', files: { '/d/a': content('two'), '/d/b': content('b'), '/d/sub/c': content('c') } },
    { time: '2021-05-01T10:00:00Z', files: { '/d/a': content('three'), '/d/sub/c': content('c') } },
  ];
  const early = generate(join(setup.dir, 'early'), ['/d'], backups.slice(0, 2));
  expect(setup.json(0, 'import', early.config)).toMatchObject({ files: 3, versions: 4 });
  const late = generate(join(setup.dir, 'late'), ['/d'], backups);
  expect(setup.json(0, 'import', late.config)).toMatchObject({ files: 1, versions: 1 });
  expect(setup.versions('/d/a').map(({ from, to }) => [from.slice(0, 4), to?.slice(0, 4)])).toEqual([
    ['2019', '2020'],
    ['2020', '2020'],
    ['2021', undefined],
  ]);
  expect(Object.keys(setup.restore())).toEqual(['/d/a', '/d/sub/c']);
  expect(setup.json<SnapshotRow[]>(0, 'snapshots')).toHaveLength(3);
});

describe('beside backups of our own', () => {
  const old = (root: string, words: string[]) => ({
    [join(root, 'x')]: { content: Buffer.from(words[0]), mtime: 1_500_000_000 },
    [join(root, 'sub/y')]: { content: Buffer.from(words[1]), mtime: 1_500_000_000 },
  });
  const put = (files: ReturnType<typeof old>) => {
    for (const [path, { content, mtime }] of Object.entries(files)) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      utimesSync(path, mtime, mtime);
    }
  };
  const years = [
    { time: '2019-05-01T10:00:00Z', words: ['x1', 'y'] },
    { time: '2020-05-01T10:00:00Z', words: ['x2', 'y'] },
  ];
  const archive = (setup: Setup, root: string) =>
    generate(
      join(setup.dir, 'old'),
      [root],
      years.map(({ time, words }) => ({ time, files: old(root, words) })),
    );

  test('a backup after the import goes on from it', () => {
    const root = mkdtempSync(join(top, 'src-'));
    const setup = new Setup([root]);
    put(old(root, years[1].words));
    expect(setup.json(0, 'import', archive(setup, root).config)).toMatchObject({ files: 2, versions: 3 });
    const backup = setup.json<BackupResult>(0, 'backup');
    expect(backup).toMatchObject({ mode: 'full', silent_changes: [], files: { removed: 0, unreadable: 0 } });
    expect(backup.files.changed + backup.files.unchanged).toBe(2);
    expect(backup.bytes.new).toBe(0);
    const versions = setup.versions(join(root, 'x'));
    expect(versions.map(({ from }) => from.slice(0, 4))).toEqual(['2019', '2020', versions[2].from.slice(0, 4)]);
    expect(versions[1].content).toBe(versions[2].content);
    expect(versions[2].to).toBeNull();
    expect(setup.json<BackupResult>(0, 'backup')).toMatchObject({ mode: 'soft', files: { changed: 0 } });
  });

  test('an import after a backup leaves what is newest, and adds the past', () => {
    const root = mkdtempSync(join(top, 'src-'));
    const setup = new Setup([root]);
    put(old(root, ['x3', 'y']));
    const { snapshot } = setup.json<BackupResult>(0, 'backup');
    expect(setup.json(0, 'import', archive(setup, root).config)).toMatchObject({ files: 2, versions: 3 });
    const versions = setup.versions(join(root, 'x'));
    expect(versions.map(({ from, to, kept_by }) => [from.slice(0, 4), to?.slice(0, 4), kept_by])).toEqual([
      ['2019', '2020', 'history'],
      ['2020', '2020', 'history'],
      [versions[2].from.slice(0, 4), undefined, 'snapshot'],
    ]);
    const wanted = createHash('sha256').update('x1').digest('hex');
    expect(Object.values(setup.restore(join(root, 'x'), '--version-id', versions[0].id))).toEqual([wanted]);
    expect(setup.json<unknown[]>(0, 'ls', 'latest')).toEqual(setup.json<unknown[]>(0, 'ls', snapshot ?? ''));
    const before = setup.versions(join(root, 'x'));
    expect(setup.json<BackupResult>(0, 'backup')).toMatchObject({ files: { new: 0, changed: 0, unchanged: 2 } });
    rmSync(join(setup.dir, 'table'), { recursive: true });
    expect(setup.run('catalog', 'rebuild').status).toBe(0);
    expect(setup.versions(join(root, 'x'))).toEqual(before);
    expect(setup.json(0, 'check', '--read-data')).toMatchObject({ ok: true });
  });

  test('with --source it goes into a source of its own', () => {
    const root = mkdtempSync(join(top, 'src-'));
    const setup = new Setup([root]);
    put(old(root, ['x3', 'y']));
    setup.json(0, 'backup');
    setup.json(0, 'import', archive(setup, root).config, '--source', 'old');
    expect(setup.versions(join(root, 'x'))).toHaveLength(1);
    const rows = setup.json<SnapshotRow[]>(0, 'snapshots');
    expect(rows.filter(({ source }) => source === 'old')).toHaveLength(2);
    expect(setup.json<HistoryResult>(0, 'history', join(root, 'x'), '--source', 'old').versions).toHaveLength(2);
  });
});

test('a killed import is finished by the next', async () => {
  const setup = new Setup(['/d']);
  const files = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => [`/d/${i}`, { content: randomBytes(20_000) }]),
  );
  const made = generate(
    join(setup.dir, 'old'),
    ['/d'],
    [
      { time: '2019-05-01T10:00:00Z', files },
      { time: '2020-05-01T10:00:00Z', files: { ...files, '/d/0': { content: Buffer.from('new') } } },
    ],
  );
  for (const wait of [350, 600]) {
    const child = spawn(process.execPath, [MAIN, 'import', made.config], { env: setup.env, stdio: 'ignore' });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => setTimeout(resolve, wait));
    child.kill('SIGKILL');
    await gone;
  }
  expect([0, 3]).toContain(setup.run('import', made.config).status);
  expect(Object.keys(setup.restore('--snapshot', '2019-12-31'))).toHaveLength(400);
  expect(setup.versions('/d/0')).toHaveLength(2);
  expect(setup.json<SnapshotRow[]>(0, 'snapshots')).toHaveLength(2);
  expect(setup.json(0, 'check', '--read-data')).toMatchObject({ ok: true });
  expect(existsSync(join(setup.dir, 'table'))).toBe(true);
  expect(readdirSync(join(setup.dir, 'table')).filter((name) => name.startsWith('import-'))).toEqual([]);
});
