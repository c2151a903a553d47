import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Context, notConfirmed, type Secret } from '../../src/archive/context.js';
import type * as t from '../../src/archive/types.js';
import { modeText } from '../../src/cli/commands/ls.js';
import { ExitCode, UserError } from '../../src/errors.js';
import { configFile, run, temporaryFolder } from './harness.js';

const time = '2026-05-01T10:00:00.123456789Z';
const forgotten: t.ForgetResult = {
  versions_removed: 2,
  snapshots_removed: 1,
  bytes_freed: 2048,
  packs_deleted: 1,
  packs_rewritten: 0,
  kept: 3,
};
const backedUp: t.BackupResult = {
  snapshot: 'ab'.repeat(32),
  source: 'desk',
  mode: 'full',
  started: time,
  finished: '2026-05-01T10:00:02.623456789Z',
  files: { new: 1, changed: 2, unchanged: 3, removed: 4, unreadable: 0, changed_while_read: 0 },
  dirs: 5,
  bytes: { scanned: 6000, read: 5000, new: 4000, stored: 3000 },
  store_size: 2 ** 20,
  errors: [],
  silent_changes: [],
};

describe('exit codes', () => {
  const flawed = (change: Partial<t.BackupResult>): t.BackupResult => ({ ...backedUp, ...change });
  const problem = { path: '/x', message: 'permission denied' };
  const checked: t.CheckResult = { ok: true, packs: 1, blobs: 2, read: 3, problems: [] };
  const restored: t.RestoreResult = { restored: 1, skipped: 0, bytes: 0, errors: [] };
  const imported: t.ImportResult = { snapshot: 'ab', files: 1, versions: 1, damaged: [] };
  test.each<[string[], object, number]>([
    [['backup'], { backup: backedUp }, 0],
    [['backup'], { backup: flawed({ errors: [problem] }) }, 3],
    [['backup'], { backup: flawed({ silent_changes: ['/x'] }) }, 3],
    [['backup'], { backup: flawed({ files: { ...backedUp.files, unreadable: 1 } }) }, 3],
    [['backup'], { backup: flawed({ files: { ...backedUp.files, changed_while_read: 1 } }) }, 3],
    [['check'], { check: checked }, 0],
    [['check'], { check: { ...checked, ok: false } }, 4],
    [['restore'], { restore: restored }, 0],
    [['restore'], { restore: { ...restored, errors: [problem] } }, 3],
    [['import', '/x'], { importLegacy: { ...imported, damaged: [problem] } }, 3],
    [['purge', '/x', '--yes'], { purge: { ...forgotten, on_disk: ['/x'] } }, 3],
    [
      ['sync'],
      { sync: [{ target: 'a', copied: 0, bytes: 0, outstanding: 1, errors: [{ object: 'o', message: 'm' }] }] },
      3,
    ],
  ])('%j %j', async (args, verbs, code) => {
    const outcome = await run([...args, '-c', configFile()], { verbs });
    expect(outcome.code).toBe(code);
    const json = await run([...args, '--json', '-c', configFile()], { verbs });
    expect(json.code).toBe(code);
    expect(JSON.parse(json.stdout)).toEqual(Object.values(verbs)[0]);
  });

  test.each(Object.entries(ExitCode).filter(([name]) => name !== 'done'))('%s of a verb', async (_, exit) => {
    const info = () => Promise.reject(new UserError(exit, 'what, where;\n what to do'));
    const { code, stderr, stdout } = await run(['info', '--json', '-c', configFile()], { verbs: { info } });
    expect(code).toBe(exit);
    expect(stderr).toBe('error: what, where; what to do\n');
    expect(JSON.parse(stdout)).toEqual({ error: { code: exit, message: 'what, where; what to do' } });
  });

  test('attention() warns, and makes 3 of 0, but not of 4', async () => {
    const attend = (result: object) => async (context: Context) => {
      context.attention('root /x is empty');
      return result;
    };
    const backup = await run(['backup', '-q', '-c', configFile()], { verbs: { backup: attend(backedUp) as never } });
    expect(backup).toMatchObject({ code: 3, stderr: 'warning: root /x is empty\n', stdout: '' });
    const check = attend({ ...checked, ok: false });
    expect((await run(['check', '-c', configFile()], { verbs: { check: check as never } })).code).toBe(4);
    const json = await run(['backup', '--json', '-c', configFile()], { verbs: { backup: attend(backedUp) as never } });
    expect(JSON.parse(json.stderr)).toEqual({ type: 'warning', message: 'root /x is empty' });
  });

  test('--quiet hides no problem: what makes the exit code 3 is told on stderr', async () => {
    for (const [args, verbs, line] of [
      [['restore'], { restore: { ...restored, errors: [problem] } }, 'not restored: /x: permission denied'],
      [['import', '/x'], { importLegacy: { ...imported, damaged: [problem] } }, 'damaged: /x: permission denied'],
      [['backup'], { backup: flawed({ silent_changes: ['/x\n'] }) }, 'changed silently: /x\\n'],
      [['purge', '/x', '--yes'], { purge: { ...forgotten, on_disk: ['/x'] } }, 'still on disk and not excluded'],
      [
        ['sync'],
        { sync: [{ target: 'a', copied: 0, bytes: 0, outstanding: 1, errors: [{ object: 'o', message: 'm' }] }] },
        'a: o: m',
      ],
    ] as const) {
      const outcome = await run([...args, '-q', '-c', configFile()], { verbs });
      expect(outcome).toMatchObject({ code: 3, stdout: '' });
      expect(outcome.stderr).toMatch(/^warning: .*\n$/);
      expect(outcome.stderr).toContain(line);
      // Otherwise the summary has them.
      expect((await run([...args, '-c', configFile()], { verbs })).stderr).toBe('');
    }
  });

  test('a fault of the program is one line; its stack comes with -v -v', async () => {
    const verbs = { info: () => Promise.reject(new TypeError('x is not\na function')) };
    const brief = await run(['info', '-c', configFile()], { verbs });
    expect(brief.code).toBe(1);
    expect(brief.stderr).toBe('error: internal error: x is not a function; please report it\n');
    for (const outcome of [
      await run(['info', '-v', '-v', '-c', configFile()], { verbs }),
      await run(['info', '-c', configFile()], { verbs, env: { BACKUP_NINJA_DEBUG: '1' } }),
    ])
      expect(outcome.stderr).toContain('behaviour.test.ts');
  });

  test("an error of the operating system is no fault of the program's", async () => {
    const verbs = { info: async () => readFileSync('/nowhere/x') };
    const { code, stderr } = await run(['info', '-c', configFile()], { verbs: verbs as never });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: cannot open \/nowhere\/x: no such file or directory \(ENOENT\); .*\n$/);
  });

  test('a signal stops the verb: 130', async () => {
    const stop = new AbortController();
    const info = (context: Context) =>
      new Promise((_, reject) => {
        // A library may give its own error when the signal ends its work.
        context.signal.addEventListener('abort', () => reject(new Error('socket closed')));
        stop.abort(new UserError(ExitCode.interrupted, 'interrupted (SIGINT); run it again to go on'));
      });
    const { code, stderr } = await run(['info', '-c', configFile()], { verbs: { info: info as never }, stop });
    expect(code).toBe(130);
    expect(stderr).toMatch(/^error: interrupted.*\n$/);
  });
});

describe('confirmation', () => {
  const lost = Array.from({ length: 30 }, (_, i) => ({ path: `/x/${i}`, from: time, to: time, size: 1024 }));
  const forget = async (context: Context, options: t.ForgetOptions) => {
    if (!options.dryRun && !(await context.confirm('drop 1 snapshot?', { ...forgotten, lost }))) throw notConfirmed();
    return options.dryRun ? { ...forgotten, lost } : forgotten;
  };
  const args = ['forget', 'ab'];

  test('on a terminal shows what would be lost, and asks', async () => {
    const yes = await run([...args, '-c', configFile()], { verbs: { forget }, typed: ['y\n'] });
    expect(yes.code).toBe(0);
    expect(yes.stderr).toContain('/x/19');
    expect(yes.stderr).not.toContain('/x/20');
    expect(yes.stderr).toContain('and 10 more versions; --dry-run names them all');
    expect(yes.stderr).toContain('2.00 KiB would be freed');
    expect(yes.stderr).toContain('drop 1 snapshot? [y/N] ');
    expect(yes.stdout).toContain('1 snapshot and 2 versions removed; 3 snapshots kept');
    for (const typed of [['n\n'], ['\n'], []]) {
      const no = await run([...args, '-c', configFile()], { verbs: { forget }, typed });
      expect(no.code).toBe(1);
      expect(no.stderr).toContain('error: not confirmed: nothing was changed');
      expect(no.stdout).toBe('');
    }
  });

  test('--yes asks nothing, with or without a terminal', async () => {
    for (const typed of [undefined, []]) {
      const { code, stderr } = await run([...args, '--yes', '-c', configFile()], { verbs: { forget }, typed });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
  });

  test('--dry-run names every version that would be gone', async () => {
    const { stdout, code } = await run([...args, '--dry-run', '-c', configFile()], { verbs: { forget } });
    expect(code).toBe(0);
    expect(stdout).toContain('gone for ever:');
    expect(stdout).toMatch(/1\.00 KiB {2}\/x\/29\n/);
    expect(stdout).toContain('2 versions would be removed');
  });

  test('a backup may go on without: confirm is false where nobody can be asked', async () => {
    const answers: boolean[] = [];
    const backup = async (context: Context) => {
      answers.push(await context.confirm('retire /old?'));
      return backedUp;
    };
    const verbs = { backup: backup as never };
    await run(['backup', '-c', configFile()], { verbs });
    await run(['backup', '--yes', '-c', configFile()], { verbs });
    await run(['backup', '-c', configFile()], { verbs, typed: ['yes\n'] });
    expect(answers).toEqual([false, true, true]);
  });
});

describe('secrets', () => {
  async function candidates(circumstances: Parameters<typeof run>[1], kinds?: t.SecretKind[], keyFile = true) {
    const found: Secret[] = [];
    const info = async (context: Context) => {
      for await (const secret of context.unlock(kinds && new Set(kinds))) found.push(secret);
      throw new UserError(ExitCode.wrongKey, 'no key opens the store; give another');
    };
    const config = configFile({ key_path: 'k' });
    if (keyFile) writeFileSync(join(config, '..', 'k'), 'the key');
    const outcome = await run(['info', '-c', config], { ...circumstances, verbs: { info: info as never } });
    return { outcome, found: found.map((s) => (s.kind === 'key-file' ? Buffer.from(s.content).toString() : s.text)) };
  }

  test('what was said on purpose comes before the key file; nobody is asked without a terminal', async () => {
    const env = { BACKUP_NINJA_PASSPHRASE: 'pass', BACKUP_NINJA_RECOVERY_KEY: 'rec' };
    const { found, outcome } = await candidates({ env });
    expect(found).toEqual(['rec', 'pass', 'the key']);
    expect(outcome.code).toBe(12);
    expect((await candidates({ env }, ['key-file'])).found).toEqual(['the key']);
    expect((await candidates({}, undefined, false)).found).toEqual([]);
  });

  test('a passphrase from a file or a command, without its line end', async () => {
    const file = join(temporaryFolder(), 'p');
    writeFileSync(file, 'from file \r\n');
    expect((await candidates({ env: { BACKUP_NINJA_PASSPHRASE_FILE: file } }, ['passphrase'])).found).toEqual([
      'from file ',
    ]);
    const command = { BACKUP_NINJA_PASSPHRASE_COMMAND: 'echo "from  command"' };
    expect((await candidates({ env: command }, ['passphrase'])).found).toEqual(['from  command']);
  });

  test.each([
    [
      { BACKUP_NINJA_PASSPHRASE_FILE: '/nowhere' },
      'cannot read /nowhere (ENOENT), which BACKUP_NINJA_PASSPHRASE_FILE names',
    ],
    [
      { BACKUP_NINJA_PASSPHRASE_COMMAND: 'echo s3cret; exit 3' },
      'the command of BACKUP_NINJA_PASSPHRASE_COMMAND failed: it ended with code 3',
    ],
    [{ BACKUP_NINJA_PASSPHRASE_COMMAND: 'true' }, 'BACKUP_NINJA_PASSPHRASE_COMMAND gives an empty passphrase'],
  ])('a source that fails says so, without the secret: %j', async (env, message) => {
    const { outcome } = await candidates({ env: env as Record<string, string> });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr).not.toContain('s3cret');
  });

  test('the terminal is asked up to three times, and shows nothing of what is typed', async () => {
    const { found, outcome } = await candidates({ typed: ['ab\u007fc\r', 'wrong\u0015zwö\r', 'thrée\r'] }, [
      'passphrase',
    ]);
    expect(found).toEqual(['ac', 'zwö', 'thrée']);
    expect(outcome.stderr.match(/passphrase: \n/g)).toHaveLength(3);
    expect(outcome.stderr).toContain('this passphrase does not open the store; try again');
    for (const secret of ['ab', 'zw', 'thr']) expect(outcome.stderr).not.toContain(secret);
  });

  test('Ctrl-C at the question ends with 130', async () => {
    const { outcome, found } = await candidates({ typed: ['ab\u0003'] }, ['passphrase']);
    expect(outcome.code).toBe(130);
    expect(found).toEqual([]);
  });

  test('the recovery key is asked for where there is no passphrase', async () => {
    const { found, outcome } = await candidates({ typed: ['R\r', '\r'] }, ['key-file', 'recovery'], false);
    expect(found).toEqual(['R']);
    expect(outcome.stderr).toContain('recovery key: ');
  });

  async function fresh(changing: boolean, circumstances: Parameters<typeof run>[1]) {
    let given: string | undefined;
    const info = async (context: Context) => {
      given = await context.newPassphrase(changing);
      throw new UserError(ExitCode.failed, 'enough; stop');
    };
    const outcome = await run(['info', '-c', configFile()], { ...circumstances, verbs: { info: info as never } });
    return { given, outcome };
  }

  test('a new passphrase: its own variable, the terminal twice, or the common variable', async () => {
    const common = { BACKUP_NINJA_PASSPHRASE: 'common' };
    const own = { ...common, BACKUP_NINJA_NEW_PASSPHRASE: 'own' };
    expect((await fresh(false, { env: own })).given).toBe('own');
    expect((await fresh(true, { env: own })).given).toBe('own');
    expect((await fresh(false, { env: common })).given).toBe('common');
    expect((await fresh(true, { env: common })).outcome).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('BACKUP_NINJA_NEW_PASSPHRASE'),
    });
    expect((await fresh(false, { env: common, typed: ['one\r', 'two\r', 'six\r', 'six\r'] })).given).toBe('six');
    expect((await fresh(false, {})).outcome).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('BACKUP_NINJA_NEW_PASSPHRASE_FILE'),
    });
  });

  test('the recovery key for joining: variable, terminal, or exit 2', async () => {
    const keys: string[] = [];
    const info = async (context: Context) => {
      keys.push(await context.recoveryKey());
      throw new UserError(ExitCode.failed, 'enough; stop');
    };
    const verbs = { info: info as never };
    await run(['info', '-c', configFile()], { verbs, env: { BACKUP_NINJA_RECOVERY_KEY: 'E' } });
    await run(['info', '-c', configFile()], { verbs, typed: ['T\r'] });
    expect(keys).toEqual(['E', 'T']);
    expect((await run(['info', '-c', configFile()], { verbs })).code).toBe(2);
  });
});

describe('init', () => {
  const made =
    (change: Partial<t.InitResult> = {}) =>
    async (context: Context) => ({
      config: context.configFile,
      key: context.config.keyPath,
      store: context.config.store.url,
      store_id: 'id',
      created: { config: false, key: true, store: true },
      recovery_key: 'REC-KEY',
      ...change,
    });

  test('writes the config after the verb, and prints the recovery key even with --quiet', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'new', 'c.json');
    const init = async (context: Context) => {
      expect(existsSync(file)).toBe(false);
      return made()(context);
    };
    const args = ['init', '-c', file, '--store', join(folder, 's'), '--root', '/r'];
    const { code, stdout, calls } = await run(args, { verbs: { init } });
    expect(code).toBe(0);
    expect(stdout).toContain(`${file} (made)`);
    expect(stdout).toContain('REC-KEY');
    expect(calls[0].options).toEqual({ unlockWith: 'key-file', recovery: true, shared: false });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ file_dir: join(folder, 's'), backup_roots: ['/r'] });
    // Again: the file is as it was.
    const before = readFileSync(file, 'utf8');
    const again = await run([...args, '--json', '--no-recovery', '--shared'], {
      verbs: { init: made({ recovery_key: undefined }) },
    });
    expect(again.code).toBe(0);
    expect(again.calls[0].options).toEqual({ unlockWith: 'key-file', recovery: false, shared: true });
    expect(JSON.parse(again.stdout).created.config).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe(before);
    const quiet = await run(['init', '-c', file, '-q'], { verbs: { init: made() } });
    expect(quiet.stdout).not.toContain('store');
    expect(quiet.stdout).toContain('REC-KEY');
  });

  test('a wrong key leaves nothing behind', async () => {
    const folder = temporaryFolder();
    const init = () => Promise.reject(new UserError(ExitCode.wrongKey, 'wrong key; give another'));
    const file = join(folder, 'deep', 'c.json');
    const { code } = await run(['init', '-c', file, '--store', join(folder, 's')], { verbs: { init } });
    expect(code).toBe(12);
    expect(existsSync(join(folder, 'deep'))).toBe(false);
  });

  test.each([
    [['--passphrase'], 'passphrase'],
    [['--recovery'], 'recovery'],
    [['--key-file', 'k'], 'key-file'],
  ])('%j', async (args, unlockWith) => {
    const folder = temporaryFolder();
    const outcome = await run(['init', '-c', join(folder, 'c.json'), '--store', '/s', ...args], {
      verbs: { init: made() },
    });
    expect(outcome.calls[0].options).toMatchObject({ unlockWith, recovery: true });
  });

  test("without -c and environment it writes the user's file", async () => {
    const folder = temporaryFolder();
    const env = { XDG_CONFIG_HOME: folder, XDG_DATA_HOME: join(folder, 'data') };
    const { code, calls } = await run(['init', '--store', '/s'], { verbs: { init: made() }, env });
    expect(code).toBe(0);
    expect(existsSync(join(folder, 'backup-ninja', 'config.json'))).toBe(true);
    expect(calls[0].context.config.tableDir).toBe(join(folder, 'data', 'backup-ninja'));
    const byVariable = join(folder, 'v.json');
    await run(['init', '--store', '/s'], { verbs: { init: made() }, env: { ...env, BACKUP_NINJA_CONFIG: byVariable } });
    expect(existsSync(byVariable)).toBe(true);
  });

  test.each([
    [['--store', '/other'], '--store is not what key `file_dir`'],
    [['--root', '/other'], '--root is not what key `backup_roots`'],
    [['--key-file', '/other'], '--key-file is not what key `key_path`'],
    [['--passphrase', '--recovery'], '--passphrase and --recovery'],
  ])('an existing config is never changed: %j', async (args, message) => {
    const { code, stderr, calls } = await run(['init', '-c', configFile({ file_dir: '/s' }), ...args], {
      verbs: { init: made() },
    });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(calls).toEqual([]);
  });

  test('no store to make is exit 2; a folder that takes no files is found out before the store is made', async () => {
    const folder = temporaryFolder();
    expect((await run(['init', '-c', join(folder, 'c.json')], { verbs: { init: made() } })).code).toBe(2);
    writeFileSync(join(folder, 'file'), '');
    const args = ['init', '-c', join(folder, 'file', 'sub', 'c.json'), '--store', '/s'];
    const outcome = await run(args, { verbs: { init: made() } });
    expect(outcome).toMatchObject({ code: 1, calls: [], stderr: expect.stringContaining('takes no files (ENOTDIR)') });
  });
});

describe('what people see', () => {
  test('a backup', async () => {
    const result = { ...backedUp, errors: [{ path: '/x', message: 'permission denied' }], silent_changes: ['/y'] };
    const { stdout } = await run(['backup', '-c', configFile()], { verbs: { backup: result } });
    expect(stdout).toBe(
      [
        'snapshot abababababab of desk, full, in 2.5 s',
        '6 files in 5 directories: 1 new, 2 changed, 3 unchanged; 4 removed',
        '5.86 KiB scanned, 4.88 KiB read, 3.91 KiB new, 2.93 KiB stored; the store has 1.00 MiB',
        'not saved: /x: permission denied',
        'changed silently: /y',
        '',
      ].join('\n'),
    );
    expect((await run(['backup', '-q', '-c', configFile()], { verbs: { backup: result } })).stdout).toBe('');
  });

  const entry = { path: '/d/ü', type: 'file', size: 12, mode: 0o644, uid: 0, gid: 5, mtime: time } as const;
  const odd = { ...entry, path: '/d/\ufffd\n', path_base64: Buffer.from('/d/\xff\n', 'latin1').toString('base64') };

  test('ls in a pipe gives the bytes of names, on a terminal nothing that could upset it', async () => {
    const ls = [entry, odd];
    const pipe = await run(['ls', '-c', configFile()], { verbs: { ls } });
    expect(pipe.raw.toString('latin1')).toBe('/d/Ã¼\n/d/\xff\n\n');
    const terminal = await run(['ls', '-c', configFile()], { verbs: { ls }, stdoutIsTerminal: true });
    expect(terminal.stdout).toBe('/d/ü\n/d/\\xff\\n\n');
  });

  test('ls -l', async () => {
    const ls = [
      { ...entry, user: 'root' },
      { ...entry, path: '/d/l', type: 'symlink', mode: 0o777, target: '../t' },
    ];
    const { stdout } = await run(['ls', '-l', '-c', configFile()], { verbs: { ls } });
    const at = new Date(time);
    const two = (n: number) => String(n).padStart(2, '0');
    const local = `2026-05-01 ${two(at.getHours())}:${two(at.getMinutes())}:00`;
    expect(stdout).toBe(
      `-rw-r--r-- root     5                 12 ${local} /d/ü\nlrwxrwxrwx 0        5                 12 ${local} /d/l -> ../t\n`,
    );
  });

  test('modes as ls shows them', () => {
    expect(modeText({ type: 'dir', mode: 0o1777 })).toBe('drwxrwxrwt');
    expect(modeText({ type: 'file', mode: 0o4755 })).toBe('-rwsr-xr-x');
    expect(modeText({ type: 'file', mode: 0o6644 })).toBe('-rwSr-Sr--');
    expect(modeText({ type: 'chardev', mode: 0o1600 })).toBe('crw------T');
  });

  test('rows may come one by one; JSON of many is one array', async () => {
    async function* rows() {
      for (let i = 0; i < 5000; i++) yield { ...entry, path: `/${i}` };
    }
    const { stdout } = await run(['ls', '--json', '-c', configFile()], { verbs: { ls: async () => rows() } });
    expect(JSON.parse(stdout)).toHaveLength(5000);
    expect((await run(['ls', '--json', '-c', configFile()], { verbs: { ls: [] } })).stdout).toBe('[]\n');
  });

  test('an error before much was said leaves one JSON document', async () => {
    async function* rows() {
      yield entry;
      throw new UserError(ExitCode.failed, 'catalog is damaged; rebuild it');
    }
    const { stdout, code } = await run(['ls', '--json', '-c', configFile()], {
      verbs: { ls: async () => rows() as never },
    });
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error.message).toContain('damaged');
  });

  test('a reader that goes away ends the listing quietly', async () => {
    let made = 0;
    async function* rows() {
      for (; made < 1e6; made++) yield { ...entry, path: `/${'x'.repeat(200)}${made}` };
    }
    const outcome = await run(['ls', '-c', configFile()], {
      verbs: { ls: async () => rows() as never },
      closeStdoutAfter: 100_000,
    });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(made).toBeLessThan(10_000);
  });

  test.each<[string[], object, string[]]>([
    [
      ['snapshots'],
      {
        snapshots: [
          {
            id: 'ab'.repeat(32),
            time,
            source: 's',
            host: 'h',
            roots: ['/a', '/b'],
            tags: ['pin'],
            mode: 'soft',
            files: 12345,
            bytes: 2048,
            foreign: true,
          },
        ],
      },
      ['abababababab', '12,345', '2.00 KiB', 'pin,[foreign]', '/a /b'],
    ],
    [
      ['find', 'x', '--all'],
      { find: [{ path: '/x', versions: [{ from: time, to: null, size: 1, mtime: time, content: 'c0ffee' }] }] },
      ['/x\n    2026', 'now', 'c0ffee'],
    ],
    [
      ['history', '/x'],
      {
        history: {
          path: '/x',
          versions: [{ id: 'v1', kept_by: 'history', from: time, to: time, size: 1, mtime: time, content: 'c' }],
        },
      },
      ['kept by', 'v1', 'history'],
    ],
    [
      ['diff', 'a', 'b'],
      { diff: { added: ['/a'], removed: ['/r'], changed: [{ path: '/c', what: ['content', 'metadata'] }] } },
      ['+ /a\n- /r\n~ /c (content, metadata)\n'],
    ],
    [
      ['check'],
      {
        check: {
          ok: false,
          packs: 1,
          blobs: 2,
          read: 0,
          problems: [{ kind: 'missing', object: 'packs/ab', paths: ['/x'], snapshots: [], message: 'gone' }],
        },
      },
      ['missing: packs/ab: gone\n    /x\n', '1 problem found'],
    ],
    [['check', '-q'], { check: { ok: false, packs: 1, blobs: 2, read: 0, problems: [] } }, ['0 problems found']],
    [
      ['status'],
      {
        status: {
          source: 's',
          last_backup: null,
          targets: [{ name: 't', reachable: false, last_success: time, outstanding: 3, newest_snapshot: null }],
        },
      },
      ['last backup of s: -', 'no  ', '3'],
    ],
    [
      ['key', 'list'],
      { keyList: [{ id: 'ab'.repeat(32), kind: 'key-file', role: 'backup', sources: ['a', 'b'], current: true }] },
      ['* abababababab', 'a, b'],
    ],
    [['key', 'recovery', '-q'], { keyRecovery: { id: 'ab', recovery_key: 'R-1' } }, ['R-1\n']],
    [
      ['restore', '--dry-run'],
      { restore: { restored: 1, skipped: 2, bytes: 3, errors: [], deleted: ['/z'] } },
      ['would remove: /z', '1 entry would be restored (3 B), 2 skipped, 0 errors'],
    ],
  ])('%j', async (args, verbs, parts) => {
    const { stdout } = await run([...args, '-c', configFile()], { verbs });
    for (const part of parts) expect(stdout).toContain(part);
  });

  test('progress is not for pipes, and with --json it is JSON lines on stderr', async () => {
    const info = async (context: Context) => {
      context.report.start('counting', { files: 2 });
      context.report.progress({ files: 1, bytes: 5 });
      return {
        active: { files: 0, bytes: 0 },
        history: { versions: 0, bytes: 0 },
        store: { objects: 0, bytes: 0 },
        snapshots: 0,
        ratio: { dedup: 1, compression: 1 },
      };
    };
    expect((await run(['info', '-c', configFile()], { verbs: { info } })).stderr).toBe('');
    const { stderr, stdout } = await run(['info', '--json', '-c', configFile()], { verbs: { info } });
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.every((line) => line.type === 'progress')).toBe(true);
    expect(lines.at(-1)).toMatchObject({ files: 1, bytes: 5, total_files: 2 });
    expect(stdout.trimEnd()).not.toContain('\n');
  });
});
