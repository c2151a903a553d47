import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { defaultPaths, findConfig } from '../../src/config/find.js';
import { configFromText, loadConfig } from '../../src/config/load.js';
import type { Surroundings } from '../../src/config/paths.js';
import { isPlainConfig } from '../../src/config/plain.js';
import { configSchema, knownKeys } from '../../src/config/schema.js';
import { defaultConfigText, writeDefaultConfig } from '../../src/config/write.js';
import { ExitCode, UserError } from '../../src/errors.js';

const linux: Surroundings = {
  env: { HOME: '/home/x', DATA: '/data' },
  home: '/home/x',
  cwd: '/work here',
  windows: false,
};
const windows: Surroundings = {
  env: { USERPROFILE: 'C:\\Users\\x', APPDATA: 'C:\\Users\\x\\AppData\\Roaming' },
  home: 'C:\\Users\\x',
  cwd: 'D:\\w',
  windows: true,
};

const read = (content: unknown, file = '/etc/bn/config.json', around = linux) =>
  configFromText(typeof content === 'string' ? content : JSON.stringify(content), file, around);

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).exit).toBe(ExitCode.usage);
  expect((error as UserError).message).not.toContain('\n');
  return (error as UserError).message;
}

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'bn-config-'));
  folders.push(made);
  return made;
}
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true });
});

const python = {
  table_dir: '~/.local/share/backup-ninja',
  file_dir: '/mnt/backup/store',
  key_path: '~/.config/backup-ninja/key',
  hard_remove: false,
  restore_dir: '~/restored',
  backup_roots: ['~/Documents', '/home/*/Pictures'],
};

describe('a config file', () => {
  test('of the Python tool is valid, and all else has its default', async () => {
    expect(await read(python)).toEqual({
      tableDir: '/home/x/.local/share/backup-ninja',
      store: { url: '/mnt/backup/store', s3: {}, sftp: {} },
      keyPath: '/home/x/.config/backup-ninja/key',
      hardRemove: false,
      restoreDir: '/home/x/restored',
      backupRoots: ['/home/x/Documents', '/home/*/Pictures'],
      source: hostname(),
      sourceIsSet: false,
      exclude: [],
      excludeFiles: [],
      excludeCaches: false,
      oneFileSystem: false,
      compression: 'auto',
      fullEvery: 30 * 86_400_000,
      targets: [],
      nice: 0,
      ignoreCtime: false,
      ignoreInode: false,
    });
  });

  test('may have comments, trailing commas and a byte order mark', async () => {
    const config = await read('\uFEFF{ // mine\n "file_dir": "s", /* roots */ "backup_roots": ["a", ], }');
    expect(config.store.url).toBe('/etc/bn/s');
    expect(config.backupRoots).toEqual(['/etc/bn/a']);
  });

  test('may be YAML, by its ending, and says the same', async () => {
    const yaml =
      'file_dir: s3://b/p # here\nbackup_roots:\n  - ~/a\ncompression: off\nretention:\nexclude_file: x\nworkers: 3\n';
    const config = await read(yaml, '/etc/bn/c.yml');
    expect(config).toMatchObject({
      backupRoots: ['/home/x/a'],
      compression: 'off',
      excludeFiles: ['/etc/bn/x'],
      workers: 3,
    });
    expect(config.retention).toBeUndefined();
  });

  test('takes every key', async () => {
    const config = await read({
      ...python,
      source: 'desk',
      exclude: ['*.o'],
      exclude_file: ['~/ignore', 'more'],
      exclude_caches: true,
      exclude_larger_than: '10M',
      one_file_system: true,
      workers: 4,
      compression: 9,
      full_every: '2w',
      retention: '7d:all,1/year',
      s3: { endpoint: 'https://e', region: 'r', force_path_style: true, storage_class: 'STANDARD_IA' },
      sftp: { key: '~/.ssh/id', known_hosts: 'hosts' },
      targets: [{ name: 'far', url: 'sftp://u@h/p', limit_upload: '1k', sftp: { key: '/k' }, s3: { region: 'q' } }],
      nice: true,
      limit_read: '1MB',
      limit_upload: 5000,
      ignore_ctime: true,
      ignore_inode: true,
    });
    expect(config).toMatchObject({
      source: 'desk',
      sourceIsSet: true,
      excludeFiles: ['/home/x/ignore', '/etc/bn/more'],
      excludeLargerThan: 10 * 1024 ** 2,
      compression: 9,
      fullEvery: 14 * 86_400_000,
      retention: [
        { upTo: { years: 0, months: 0, days: 7, hours: 0 }, keep: 'all' },
        { upTo: null, keep: { count: 1, period: 'year' } },
      ],
      store: {
        s3: { endpoint: 'https://e', region: 'r', forcePathStyle: true, storageClass: 'STANDARD_IA' },
        sftp: { key: '/home/x/.ssh/id', knownHosts: '/etc/bn/hosts' },
      },
      targets: [{ name: 'far', url: 'sftp://u@h/p', limitUpload: 1024, sftp: { key: '/k' }, s3: { region: 'q' } }],
      nice: 19,
      limitRead: 1_000_000,
      limitUpload: 5000,
      ignoreCtime: true,
      ignoreInode: true,
    });
  });
});

describe('paths', () => {
  test.each([
    ['~', '/home/x'],
    ['~/s', '/home/x/s'],
    ['$HOME/s', '/home/x/s'],
    [`\${HOME}/s`, '/home/x/s'],
    ['%USERPROFILE%/s', '/home/x/s'],
    ['$DATA/s', '/data/s'],
    [`a\${DATA}b`, '/etc/bn/a/datab'],
    ['100%pure%/s', '/etc/bn/100%pure%/s'],
    ['../s/./t/', '/etc/s/t'],
    ['C:/s', '/etc/bn/C:/s'],
  ])('%s', async (written, meant) => {
    expect((await read({ file_dir: written })).store.url).toBe(meant);
  });

  test('on Windows', async () => {
    const config = await read(
      { file_dir: '%USERPROFILE%\\s', backup_roots: ['~/Docs', '$HOME\\x', 'E:/y'] },
      'C:\\c\\config.json',
      windows,
    );
    expect(config.store.url).toBe('C:\\Users\\x\\s');
    expect(config.backupRoots).toEqual(['C:\\Users\\x\\Docs', 'C:\\Users\\x\\x', 'E:\\y']);
  });

  test('URLs are left as they are, but for names in braces', async () => {
    const url = 'webdav://u:p%20$HOME~@h:80/x';
    expect((await read({ file_dir: url })).store.url).toBe(url);
    expect((await read({ file_dir: `webdavs://u:\${DATA}@h/x` })).store.url).toBe('webdavs://u:/data@h/x');
    expect((await read({ file_dir: 'rclone:r:p' })).store.url).toBe('rclone:r:p');
  });

  test('an unset variable is an error, except in a root, where $ may be part of a name', async () => {
    expect(await failure(read({ file_dir: '$NONE/s' }))).toMatch(
      /`file_dir` in \/etc\/bn\/config\.json.*NONE is not set/,
    );
    expect(await failure(read({ file_dir: `s3://\${NONE}/s` }))).toContain('NONE is not set');
    expect((await read({ file_dir: 's', backup_roots: ['/$Recycle'] })).backupRoots).toEqual(['/$Recycle']);
    expect(await failure(read({ file_dir: '~bob/s' }))).toContain('~bob/s');
  });
});

describe('what is wrong is named with the file, what was expected and the nearest name', () => {
  const of = (more: object) => failure(read({ file_dir: 's', ...more }));
  test.each([
    [{ exlude: [] }, 'unknown key `exlude` in /etc/bn/config.json; did you mean `exclude`?'],
    [{ backupRoots: [] }, 'unknown key `backupRoots` in /etc/bn/config.json; did you mean `backup_roots`?'],
    [{ s3: { regoin: 'x' } }, 'unknown key `s3.regoin` in /etc/bn/config.json; did you mean `region`?'],
    [
      { targets: [{ name: 'a', url: 'b', s3: { endpiont: 'x' } }] },
      'unknown key `targets[0].s3.endpiont` in /etc/bn/config.json; did you mean `endpoint`?',
    ],
    [
      { workers: 'many' },
      'key `workers` in /etc/bn/config.json: expected a whole number from 1 to 256, found "many"; correct it',
    ],
    [
      { workers: 0 },
      'key `workers` in /etc/bn/config.json: expected a whole number from 1 to 256, found 0; correct it',
    ],
    [
      { backup_roots: '/x' },
      'key `backup_roots` in /etc/bn/config.json: expected a list of paths, found "/x"; correct it',
    ],
    [
      { backup_roots: ['/x', 5] },
      'key `backup_roots[1]` in /etc/bn/config.json: expected a text that is not empty, found 5; correct it',
    ],
    [
      { backup_roots: [null] },
      'key `backup_roots[0]` in /etc/bn/config.json: expected a text that is not empty, found null; correct it',
    ],
    [{ hard_remove: 'no' }, 'key `hard_remove` in /etc/bn/config.json: expected true or false, found "no"; correct it'],
    [
      { compression: 'zip' },
      'key `compression` in /etc/bn/config.json: expected "auto", "off" or a zstd level from -7 to 22, found "zip"; correct it',
    ],
    [{ sftp: [] }, 'key `sftp` in /etc/bn/config.json: expected an object of keys, found a list; correct it'],
    [
      { targets: [{ name: 'a' }] },
      'key `targets[0].url` is missing in /etc/bn/config.json: expected a text that is not empty; add it',
    ],
  ])('%j', async (more, message) => {
    expect(await of(more)).toBe(message);
  });

  test('a far name lists the known ones', async () => {
    expect(await of({ zzzzzzzz: 1 })).toMatch(
      /unknown key `zzzzzzzz`.*expected one of table_dir, file_dir, .*ignore_inode$/,
    );
  });

  test('what is parsed further', async () => {
    expect(await of({ full_every: 'often' })).toMatch(/`full_every` in \/etc\/bn.*`often`; expected .*30d/);
    expect(await of({ retention: '7x:all' })).toMatch(/`retention`.*`7x`/);
    expect(await of({ limit_read: '5 apples' })).toMatch(/`limit_read`.*`5 apples`/);
    expect(await of({ limit_read: '0k' })).toMatch(/`limit_read`.*more than 0/);
    expect(
      await of({
        targets: [
          { name: 'a', url: '/1' },
          { name: 'a', url: '/2' },
        ],
      }),
    ).toMatch(/targets\[1\].name.*twice/);
  });

  test('a store of an unknown kind, without its password', async () => {
    const message = await failure(read({ file_dir: 'ftp://me:se/cr@et@host/x' }));
    expect(message).toMatch(
      /`file_dir`.*expected a path, or a URL that begins with s3:, sftp:.*found "ftp:\/\/me:…@host\/x"/,
    );
    expect(message).not.toContain('cr@et');
  });

  test('no file_dir, no object, broken syntax', async () => {
    expect(await failure(read({}))).toBe(
      'key `file_dir` is missing in /etc/bn/config.json: expected a text that is not empty; add it',
    );
    expect(await failure(read('[]'))).toBe(
      'config file /etc/bn/config.json: expected an object of keys, found a list; correct it',
    );
    expect(await failure(read('{\n  "a" 1\n}'))).toMatch(
      /config file \/etc\/bn\/config.json, line 2, column \d+: .*JSON$/,
    );
    expect(await failure(read('a: [', '/etc/c.yaml'))).toMatch(
      /config file \/etc\/c.yaml, line 1, column \d+: .*YAML$/,
    );
    expect(await failure(read('', '/etc/c.yaml'))).toContain('expected an object of keys');
  });
});

test('what is taken for plain without the schema, the schema accepts as it is', () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      '',
      'x',
      ' x',
      '/a',
      's3://b',
      'ftp://b',
      'x\n',
      true,
      false,
      0,
      3,
      null,
      [],
      ['a'],
      [''],
      [1],
      {},
    ),
    fc.string(),
    fc.array(fc.string()),
  );
  const key = fc.constantFrom('unknown', ...knownKeys['']);
  let plain = 0;
  fc.assert(
    fc.property(fc.dictionary(key, value, { maxKeys: 4 }), value, (rest, store) => {
      const config = { file_dir: store, ...rest };
      if (!isPlainConfig(config)) return;
      plain++;
      const checked = configSchema.safeParse(config);
      expect(checked.success && checked.data).toEqual(config);
    }),
    { numRuns: 3000 },
  );
  expect(plain).toBeGreaterThan(50);
  expect(isPlainConfig(python)).toBe(true);
  for (const bad of [null, [], 'x', {}, { file_dir: 's', workers: 3 }]) expect(isPlainConfig(bad)).toBe(false);
});

describe('finding the file', () => {
  test('-c, then the environment, then the current folder, then the user', () => {
    const cwd = folder();
    const around = { ...linux, cwd, env: { ...linux.env, BACKUP_NINJA_CONFIG: 'e.json' } };
    expect(findConfig('o.json', around)).toEqual({ file: join(cwd, 'o.json'), exists: false, from: 'option' });
    expect(findConfig(undefined, around)).toEqual({ file: join(cwd, 'e.json'), exists: false, from: 'environment' });
    const user = { file: '/home/x/.config/backup-ninja/config.json', exists: false, from: 'user' };
    expect(findConfig(undefined, { ...linux, cwd })).toEqual(user);
    writeFileSync(join(cwd, 'backup_config.json'), '{}');
    expect(findConfig(undefined, { ...linux, cwd })).toEqual({
      file: join(cwd, 'backup_config.json'),
      exists: true,
      from: 'folder',
    });
    const xdg = { ...linux, cwd: folder(), env: { XDG_CONFIG_HOME: '/xdg' } };
    expect(findConfig(undefined, xdg).file).toBe('/xdg/backup-ninja/config.json');
    const relative = { ...xdg, env: { XDG_CONFIG_HOME: 'xdg' } };
    expect(findConfig(undefined, relative).file).toBe('/home/x/.config/backup-ninja/config.json');
    expect(findConfig(undefined, windows).file).toBe('C:\\Users\\x\\AppData\\Roaming\\backup-ninja\\config.json');
  });

  test('a file that is not there says what to do', async () => {
    expect(await failure(loadConfig('/nowhere/c.json'))).toMatch(/no config file at \/nowhere\/c.json; .*init/);
  });

  test('two configs of one folder share neither catalog nor key', () => {
    const a = defaultPaths('/etc/a.json', linux);
    const b = defaultPaths('/etc/b.json', linux);
    expect(a).toEqual({ tableDir: '/etc/a.table', keyPath: '/etc/a.key', restoreDir: '/etc/a.restored' });
    expect(b.tableDir).not.toBe(a.tableDir);
    expect(defaultPaths('/home/x/.config/backup-ninja/config.json', linux)).toEqual({
      tableDir: '/home/x/.local/share/backup-ninja',
      keyPath: '/home/x/.config/backup-ninja/key',
      restoreDir: '/home/x/restored',
    });
  });
});

describe('a new config file', () => {
  test('gives what was wished, and is never overwritten', async () => {
    const file = join(folder(), 'deep', 'c.json');
    const text = defaultConfigText(file, { store: 'st', roots: ['r', '/q'] }, linux);
    writeDefaultConfig(file, text);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const config = await loadConfig(file, linux);
    expect(config.store.url).toBe('/work here/st');
    expect(config.backupRoots).toEqual(['/work here/r', '/q']);
    expect(config.tableDir).toBe(file.replace('.json', '.table'));
    expect(config.keyPath).toBe(file.replace('.json', '.key'));
    const again = () => writeDefaultConfig(file, 'other');
    expect(again).toThrow(/exists; it is left as it is/);
    expect(await loadConfig(file, linux)).toEqual(config);
  });

  test("of the user has its paths in the user's folders; URLs stay; YAML endings work", async () => {
    const file = '/home/x/.config/backup-ninja/config.json';
    const text = defaultConfigText(file, { store: 's3://b/p', roots: [], keyPath: 'k', source: 'me' }, linux);
    expect(await configFromText(text, file, linux)).toMatchObject({
      tableDir: '/home/x/.local/share/backup-ninja',
      store: { url: 's3://b/p' },
      keyPath: '/work here/k',
      restoreDir: '/home/x/restored',
      source: 'me',
    });
    const yaml = defaultConfigText('/etc/c.yaml', { store: '/s', roots: [] }, linux);
    expect((await configFromText(yaml, '/etc/c.yaml', linux)).store.url).toBe('/s');
  });
});
