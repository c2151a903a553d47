import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { registry } from '../../src/cli/registry.js';
import { configFile, run, temporaryFolder } from './harness.js';

const cwd = process.cwd();
const home = homedir();

const forgotten = {
  versions_removed: 1,
  snapshots_removed: 2,
  bytes_freed: 3,
  packs_deleted: 4,
  packs_rewritten: 5,
  kept: 6,
};
const saved = {
  snapshot: 'ab'.repeat(32),
  source: 's',
  mode: 'soft',
  started: '2026-05-01T10:00:00.000000000Z',
  finished: '2026-05-01T10:00:01.000000000Z',
  files: { new: 1, changed: 0, unchanged: 0, removed: 0, unreadable: 0, changed_while_read: 0 },
  dirs: 1,
  bytes: { scanned: 1, read: 1, new: 1, stored: 1 },
  store_size: 1,
  errors: [],
  silent_changes: [],
};
const streamed = { bytes: 0 };
const keySlot = { id: 'cd'.repeat(32), kind: 'passphrase', role: 'full', current: true };

/** Results that print well, by verb. */
const verbs = {
  backup: saved,
  explain: { path: '/x', saved: true, reason: 'r', decided_at: '/x' },
  snapshots: [],
  ls: [],
  find: [],
  history: { path: '/x', versions: [] },
  diff: { added: [], removed: [], changed: [] },
  cat: streamed,
  dump: streamed,
  restore: { restored: 0, skipped: 0, bytes: 0, errors: [] },
  cleanupSoft: forgotten,
  cleanupHard: forgotten,
  forget: forgotten,
  purge: { ...forgotten, on_disk: [] },
  tag: { snapshot: 'ab', tags: [] },
  prune: forgotten,
  check: { ok: true, packs: 0, blobs: 0, read: 0, problems: [] },
  info: {
    active: { files: 0, bytes: 0 },
    history: { versions: 0, bytes: 0 },
    store: { objects: 0, bytes: 0 },
    snapshots: 0,
    ratio: { dedup: 1, compression: 1 },
  },
  catalogRebuild: { snapshots: 0, versions: 0, read: 0 },
  keyList: [keySlot],
  keyAdd: keySlot,
  keyRemove: { removed: 'ab' },
  keyChangePassphrase: { added: 'ab', removed: 'cd' },
  keyRecovery: { id: 'ab', recovery_key: 'R-E-C' },
  importLegacy: { snapshot: null, files: 0, versions: 0, damaged: [] },
  status: { source: 's', last_backup: null, targets: [] },
  sync: [],
};

const noBackup = {
  mode: undefined,
  hardRemove: false,
  dryRun: false,
  tags: [],
  exclude: [],
  acceptRollback: false,
  acceptEmpty: [],
  roots: [],
  filesFrom: undefined,
  stdin: undefined,
};
const noRestore = {
  paths: [],
  snapshot: 'latest',
  source: undefined,
  target: '/restored',
  map: [],
  overwrite: 'if-changed',
  versionId: undefined,
  deleted: false,
  delete: false,
  include: [],
  exclude: [],
  dryRun: false,
  verify: false,
  numericOwner: false,
};
const mine = { source: undefined, allSources: false, dryRun: false, prune: true };
const noRules = {
  last: undefined,
  hourly: undefined,
  daily: undefined,
  weekly: undefined,
  monthly: undefined,
  yearly: undefined,
  within: undefined,
  tags: [],
};

const cases: [args: string[], verb: keyof typeof verbs, options: object][] = [
  [['backup'], 'backup', noBackup],
  [
    [
      ...['backup', '--full', '--hard-remove', '--tag', 'a', '--tag', 'b', '--exclude', '*.o', '--accept-rollback'],
      ...['--accept-empty', '/mnt/x/', '/home/*/d', 'rel/../r', '~/q', '-n'],
    ],
    'backup',
    {
      ...noBackup,
      mode: 'full',
      hardRemove: true,
      dryRun: true,
      tags: ['a', 'b'],
      exclude: ['*.o'],
      acceptRollback: true,
      acceptEmpty: ['/mnt/x'],
      roots: ['/home/*/d', `${cwd}/r`, `${home}/q`],
    },
  ],
  [['backup', '--soft', '--yes'], 'backup', { ...noBackup, mode: 'soft' }],
  [['explain', 'x', '--exclude', '*.o'], 'explain', { path: `${cwd}/x`, exclude: ['*.o'] }],
  [['snapshots'], 'snapshots', { source: undefined }],
  [['snapshots', '--source', 'x'], 'snapshots', { source: 'x' }],
  [['ls'], 'ls', { snapshot: 'latest', path: undefined, recursive: false, source: undefined }],
  [['ls', '/x/'], 'ls', { snapshot: 'latest', path: '/x', recursive: false, source: undefined }],
  [['ls', '~'], 'ls', { snapshot: 'latest', path: home, recursive: false, source: undefined }],
  [['ls', '.'], 'ls', { snapshot: 'latest', path: cwd, recursive: false, source: undefined }],
  [['ls', 'c:\\Users\\x'], 'ls', { snapshot: 'latest', path: 'C:/Users/x', recursive: false, source: undefined }],
  [['ls', 'D:'], 'ls', { snapshot: 'latest', path: 'D:/', recursive: false, source: undefined }],
  [['ls', '3 days ago'], 'ls', { snapshot: '3 days ago', path: undefined, recursive: false, source: undefined }],
  [
    ['ls', 'ab12', 'docs', '-R', '-l'],
    'ls',
    { snapshot: 'ab12', path: `${cwd}/docs`, recursive: true, source: undefined },
  ],
  [['find', '*.x'], 'find', { pattern: '*.x', all: false, snapshot: 'latest', like: undefined, source: undefined }],
  [
    ['find', '--all', '--like', 'f', '--source', 'o'],
    'find',
    { pattern: undefined, all: true, snapshot: 'latest', like: `${cwd}/f`, source: 'o' },
  ],
  [
    ['find', 'ü', '-s', '2026-05-01'],
    'find',
    { pattern: 'Ã¼', all: false, snapshot: '2026-05-01', like: undefined, source: undefined },
  ],
  [['history', 'a b'], 'history', { path: `${cwd}/a b`, source: undefined }],
  [['diff', 'ab', 'latest'], 'diff', { a: 'ab', b: 'latest', path: undefined, source: undefined }],
  [['diff', 'yesterday', 'cd', '/p'], 'diff', { a: 'yesterday', b: 'cd', path: '/p', source: undefined }],
  [['restore'], 'restore', noRestore],
  [
    [
      ...[
        'restore',
        '/a',
        'b',
        '--snapshot',
        'ab',
        '--target',
        't',
        '--map',
        '/x=/y=z',
        '--map',
        'C:\\u=/w',
        '--overwrite',
        'never',
      ],
      ...[
        '--deleted',
        '--delete',
        '--include',
        'i',
        '--exclude',
        'e',
        '--dry-run',
        '--verify',
        '--numeric-owner',
        '--yes',
        '--source',
        'o',
      ],
    ],
    'restore',
    {
      paths: ['/a', `${cwd}/b`],
      snapshot: 'ab',
      source: 'o',
      target: `${cwd}/t`,
      map: [
        { from: '/x', to: '/y=z' },
        { from: 'C:/u', to: '/w' },
      ],
      overwrite: 'never',
      versionId: undefined,
      deleted: true,
      delete: true,
      include: ['i'],
      exclude: ['e'],
      dryRun: true,
      verify: true,
      numericOwner: true,
    },
  ],
  [['restore', '/a', '--version-id', 'v1'], 'restore', { ...noRestore, paths: ['/a'], versionId: 'v1' }],
  [['cleanup_soft', '--yes'], 'cleanupSoft', { ...mine, keep: undefined }],
  [
    ['cleanup-soft', '--keep', '7d:all,1/year', '--dry-run', '--no-prune', '--source', 'o'],
    'cleanupSoft',
    {
      source: 'o',
      allSources: false,
      dryRun: true,
      prune: false,
      keep: [
        { upTo: { years: 0, months: 0, days: 7, hours: 0 }, keep: 'all' },
        { upTo: null, keep: { count: 1, period: 'year' } },
      ],
    },
  ],
  [['cleanup_hard', '-y', '--all-sources'], 'cleanupHard', { ...mine, allSources: true }],
  [['cleanup-hard', '-n'], 'cleanupHard', { ...mine, dryRun: true }],
  [
    [
      ...[
        'forget',
        '--keep-last',
        '1',
        '--keep-hourly',
        '2',
        '--keep-daily',
        '3',
        '--keep-weekly',
        '4',
        '--keep-monthly',
        '5',
      ],
      ...[
        '--keep-yearly',
        'unlimited',
        '--keep-within',
        '1y2m3d4h',
        '--keep-tag',
        'a,b',
        '--keep-tag',
        'c',
        '--group-by',
        'tags,source',
        '-y',
      ],
    ],
    'forget',
    {
      ...mine,
      rules: {
        last: 1,
        hourly: 2,
        daily: 3,
        weekly: 4,
        monthly: 5,
        yearly: Number.POSITIVE_INFINITY,
        within: { years: 1, months: 2, days: 3, hours: 4 },
        tags: [['a', 'b'], ['c']],
      },
      groupBy: ['source', 'tags'],
      snapshots: [],
    },
  ],
  [
    ['forget', 'ab', 'cd', '-n'],
    'forget',
    { ...mine, dryRun: true, rules: undefined, groupBy: ['source', 'roots'], snapshots: ['ab', 'cd'] },
  ],
  [
    ['forget', '--keep-tag', 'x', '-n', '--group-by', ''],
    'forget',
    { ...mine, dryRun: true, rules: { ...noRules, tags: [['x']] }, groupBy: [], snapshots: [] },
  ],
  [['purge', '/a', 'b', '--yes'], 'purge', { ...mine, paths: ['/a', `${cwd}/b`] }],
  [
    ['tag', 'latest', '--add', 'pin', '--remove', 'x'],
    'tag',
    { snapshot: 'latest', add: ['pin'], remove: ['x'], source: undefined },
  ],
  [['prune'], 'prune', { maxUnused: { share: 0.05 }, grace: 86_400_000, dryRun: false }],
  [
    ['prune', '--max-unused', '1G', '--grace', '0', '-n'],
    'prune',
    { maxUnused: { bytes: 1024 ** 3 }, grace: 0, dryRun: true },
  ],
  [['prune', '--max-unused', 'unlimited'], 'prune', { maxUnused: { share: 1 }, grace: 86_400_000, dryRun: false }],
  [['check'], 'check', { readData: 0, repair: false, objects: false }],
  [['check', '--read-data'], 'check', { readData: 1, repair: false, objects: false }],
  [['check', '--read-data=5%', '--repair'], 'check', { readData: 0.05, repair: true, objects: false }],
  [['check', '--objects'], 'check', { readData: 0, repair: false, objects: true }],
  [['info'], 'info', { source: undefined }],
  [['catalog', 'rebuild'], 'catalogRebuild', {}],
  [['key', 'list'], 'keyList', {}],
  [['key', 'add', '--passphrase'], 'keyAdd', { role: 'full', secret: { kind: 'passphrase' }, sources: [] }],
  [
    ['key', 'add', '--role', 'backup', '--key-file', 'k', '--source', 'a', '--source', 'b'],
    'keyAdd',
    { role: 'backup', secret: { kind: 'key-file', path: `${cwd}/k` }, sources: ['a', 'b'] },
  ],
  [['key', 'remove', 'ab', '--yes'], 'keyRemove', { id: 'ab' }],
  [['key', 'change-passphrase'], 'keyChangePassphrase', {}],
  [['key', 'recovery'], 'keyRecovery', {}],
  [
    ['import', '/old/backup_config.json'],
    'importLegacy',
    { path: '/old/backup_config.json', files: undefined, legacyKey: undefined, source: undefined },
  ],
  [
    ['import', 'old', '--files', 'f', '--legacy-key', 'k', '--source', 's'],
    'importLegacy',
    { path: `${cwd}/old`, files: `${cwd}/f`, legacyKey: `${cwd}/k`, source: 's' },
  ],
  [['status', '--max-age', '26h'], 'status', { maxAge: 26 * 3_600_000, source: undefined }],
  [['sync', 'a', '--dry-run'], 'sync', { targets: ['a'], dryRun: true }],
  // the Python tool's spelling
  [['-a', 'backup'], 'backup', noBackup],
  [['-a', 'backup', '-r'], 'backup', { ...noBackup, hardRemove: true }],
  [['--hard_remove', '--action', 'backup'], 'backup', { ...noBackup, hardRemove: true }],
  [['--action=restore'], 'restore', noRestore],
  [['-ainfo'], 'info', { source: undefined }],
  [['-a', 'cleanup_soft', '--yes'], 'cleanupSoft', { ...mine, keep: undefined }],
  [['-a', 'cleanup_hard', '-r', '--yes'], 'cleanupHard', mine],
  [['backup', '-r'], 'backup', { ...noBackup, hardRemove: true }],
  [['backup', '--hard_remove'], 'backup', { ...noBackup, hardRemove: true }],
];

describe('arguments become options', () => {
  test.each(cases)('%j', async (args, verb, options) => {
    const config = configFile();
    const before = await run(['-c', config, ...args], { verbs });
    expect(before.stderr).toBe('');
    expect(before.code).toBe(0);
    expect(before.calls.map((call) => call.verb)).toEqual([verb]);
    expect(before.calls[0].options).toEqual(options);
    // Common options stand after the command just as well, and --json gives exactly the verb's document.
    const after = await run([...args, '--json', '-q', '-c', config], { verbs });
    expect(after.calls[0].options).toEqual(options);
    expect(JSON.parse(after.stdout)).toEqual(verbs[verb]);
  });

  test('cat and dump get a stream, and nothing else reaches stdout', async () => {
    const write = (_: unknown, options: object) => {
      (options as { out: NodeJS.WritableStream }).out.write(Buffer.from([1, 0xff]));
      return streamed;
    };
    for (const [args, options] of [
      [['cat', '/f', '-s', 'ab'], { path: '/f', snapshot: 'ab', source: undefined }],
      [['dump', '/d', '--format', 'tar'], { path: '/d', snapshot: 'latest', source: undefined, format: 'tar' }],
      [['dump'], { path: undefined, snapshot: 'latest', source: undefined, format: 'tar' }],
    ] as const) {
      const { calls, raw, code } = await run([...args, '-c', configFile()], { verbs: { cat: write, dump: write } });
      expect(code).toBe(0);
      expect(calls[0].options).toMatchObject(options);
      expect([...raw]).toEqual([1, 0xff]);
    }
  });

  test('backup reads --files-from and hands on standard input', async () => {
    const list = join(temporaryFolder(), 'list');
    writeFileSync(list, Buffer.from('/a\r\nb\n\n/\xff\n', 'latin1'));
    const config = configFile();
    const file = await run(['backup', '--files-from', list, '-c', config], { verbs });
    expect(file.calls[0].options.filesFrom).toEqual(['/a', `${cwd}/b`, '/\xff']);
    const pipe = await run(['backup', '--files-from', '-', '-c', config], { verbs, piped: '/x\n/y' });
    expect(pipe.calls[0].options.filesFrom).toEqual(['/x', '/y']);
    const content: string[] = [];
    const backup = async (_: unknown, options: { stdin?: { stream: AsyncIterable<Buffer>; path: string } }) => {
      for await (const chunk of options.stdin?.stream ?? []) content.push(chunk.toString());
      return saved;
    };
    const stdin = await run(['backup', '--stdin', '--name', '/db.sql', '-c', config], {
      verbs: { backup: backup as never },
      piped: 'rows',
    });
    expect(stdin.calls[0].options.stdin).toMatchObject({ path: '/db.sql' });
    expect(content.join('')).toBe('rows');
  });

  test("the config's hard_remove holds without the option", async () => {
    const { calls } = await run(['backup', '-c', configFile({ hard_remove: true })], { verbs });
    expect(calls[0].options.hardRemove).toBe(true);
  });

  test('--wait-lock reaches the context', async () => {
    const waits = async (...args: string[]) =>
      (await run(['info', '-c', configFile(), ...args], { verbs })).calls[0].context.waitLock;
    expect(await waits()).toBe(0);
    expect(await waits('--wait-lock', '5m')).toBe(300_000);
  });
});

describe('wrong usage: exit 2, one line that says what to do, and nothing is done', () => {
  test.each([
    [[], 'no command was given'],
    [['bakcup'], "unknown command 'bakcup' (Did you mean backup?)"],
    [['backup', '--ful'], "unknown option '--ful' (Did you mean --full?)"],
    [['backup', '--soft', '--full'], '--soft and --full'],
    [['backup', '--stdin'], '--stdin and --name'],
    [['backup', '--name', 'x'], '--stdin and --name'],
    [['backup', '--stdin', '--name', 'x', '--files-from', '-'], 'both want standard input'],
    [['backup', '--files-from', '/nowhere'], '/nowhere (ENOENT)'],
    [['backup', '-a', 'info'], 'names a second command'],
    [['-a'], '--action names no command'],
    [['ls', '/a', '/b'], 'the snapshot comes first'],
    [['ls', 'a', 'b', 'c'], 'too many arguments'],
    [['find'], 'nothing to look for'],
    [['find', 'x', '--all', '--snapshot', 'latest'], '--all and --snapshot'],
    [['history'], "missing required argument 'path'"],
    [['diff', 'a'], "missing required argument 'b'"],
    [['dump', '--format', 'zip'], 'Allowed choices are tar'],
    [['restore', '--version-id', 'x'], 'exactly one path'],
    [['restore', '--map', '/x'], 'FROM=TO'],
    [['restore', '--overwrite', 'maybe'], 'Allowed choices are always, if-changed, never'],
    [['restore', '--delete'], 'no terminal to ask on'],
    [['cleanup_soft'], 'no terminal to ask on'],
    [['cleanup_hard'], 'no terminal to ask on'],
    [['forget', 'ab'], 'no terminal to ask on'],
    [['purge', '/x'], 'no terminal to ask on'],
    [['key', 'remove', 'ab'], 'no terminal to ask on'],
    [['forget', '--yes'], 'neither a keep rule nor a snapshot'],
    [['forget', '--keep-last', '-3', '--yes'], '--keep-last: cannot read'],
    [['forget', '--keep-last', 'x', '--yes'], '--keep-last: cannot read `x`'],
    [['forget', '--keep-last', '1', '--group-by', 'host', '--yes'], '--group-by: cannot read `host`'],
    [['cleanup_soft', '--keep', '7x', '--yes'], '--keep: cannot read `7x`'],
    [['cleanup_soft', '--source', 'a', '--all-sources', '--yes'], '--source and --all-sources'],
    [['purge', '--yes'], "missing required argument 'path'"],
    [['tag', 'latest'], 'no tag was given'],
    [['tag', 'latest', '--add', 'x', '--remove', 'x'], 'to be added and removed'],
    [['prune', '--max-unused', '200%'], '--max-unused'],
    [['prune', '--grace', 'soon'], '--grace'],
    [['check', '--read-data', 'some'], '--read-data: cannot read the share `some`'],
    [['check', '--objects', '--repair'], '--objects works without a key'],
    [['catalog'], 'no command was given'],
    [['key'], 'no command was given'],
    [['key', 'ad'], "unknown command 'ad'"],
    [['key', 'add'], 'either --key-file FILE or --passphrase'],
    [['key', 'add', '--passphrase', '--source', 'x'], '--role backup only'],
    [['key', 'add', '--passphrase', '--role', 'king'], 'Allowed choices are full, backup, restore'],
    [['status', '--max-age', '26'], '--max-age'],
    [['info', '--wait-lock', 'x'], '--wait-lock'],
    ...[
      ['backup', ''],
      ['backup', '--accept-empty', ''],
      ['backup', '--stdin', '--name', ''],
      ['restore', '', '--target', '/t'],
      ['restore', '--target', ''],
      ['ls', 'latest', ''],
      ['find', ''],
      ['find', 'x', '--like', ''],
      ['history', ''],
      ['diff', 'a', 'b', ''],
      ['cat', ''],
      ['dump', ''],
      ['explain', ''],
      ['purge', '', '--yes'],
      ['key', 'add', '--key-file', ''],
      ['import', ''],
      ['import', '/x', '--files', ''],
      ['init', '--store', ''],
      ['init', '--root', ''],
      ['init', '--key-file', ''],
    ].map((args): [string[], string] => [args, 'a path was given that is empty']),
    [['tag', 'latest', '--add', ''], 'is no tag'],
    [['tag', 'latest', '--add', 'a b,c'], '`a b,c` is no tag'],
    [['backup', '--tag', 'x,y'], '--tag: `x,y` is no tag'],
    [['bogus', '--help'], "unknown command 'bogus'"],
    [['key', 'bogus', '--help'], "unknown command 'bogus'"],
  ])('%j', async (args, message) => {
    const config = configFile();
    const { code, stderr, stdout, calls } = await run([...args, '-c', config, '--json'], { verbs });
    expect(calls).toEqual([]);
    expect(code).toBe(2);
    const line = stderr.split('\n').filter((text) => text.startsWith('error: '));
    expect(line).toHaveLength(1);
    expect(line[0]).toContain(message);
    expect(line[0]).toMatch(/; ./);
    expect(JSON.parse(stdout)).toEqual({ error: { code: 2, message: line[0].slice('error: '.length) } });
  });

  test('a missing config names the file', async () => {
    const { code, stderr } = await run(['info', '-c', '/nowhere/c.json'], { verbs });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: no config file at \/nowhere\/c.json; .*\n$/);
  });
});

describe('help', () => {
  const commands = registry.map((entry) => [entry.name]);
  const nested = [
    ['key', 'list'],
    ['key', 'add'],
    ['key', 'remove'],
    ['key', 'change-passphrase'],
    ['key', 'recovery'],
    ['catalog', 'rebuild'],
  ];
  test.each([[], ...commands, ...nested])(
    'of %s %s has a line of purpose, the common options and an example',
    async (...path) => {
      const { code, stdout, stderr } = await run([...path, '--help']);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      const [usage, , purpose] = stdout.split('\n');
      expect(usage).toMatch(new RegExp(`^Usage: backup-ninja( ${path.join(' ')})?\\b`));
      expect(purpose.length).toBeGreaterThan(10);
      expect(stdout).toContain('--config <file>');
      expect(stdout).toContain(`\nExamples:\n  $ backup-ninja ${path.join(' ')}`.trimEnd());
      expect((await run(['help', ...path])).stdout).toBe(stdout);
    },
  );

  test('of a command that is not there is exit 2', async () => {
    for (const args of [
      ['help', 'bogus'],
      ['help', 'key', 'bogus'],
    ]) {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: unknown command 'bogus'; see .*\n$/);
    }
  });

  test('is there for the other spelling, and lists every command', async () => {
    expect((await run(['cleanup-soft', '--help'])).stdout).toContain('Usage: backup-ninja cleanup_soft|cleanup-soft');
    const { stdout } = await run(['--help']);
    for (const { name } of registry) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  test('of no command goes to stderr, with exit 2', async () => {
    const { code, stdout, stderr } = await run([]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Usage: backup-ninja');
  });
});

test('--version', async () => {
  expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
});
