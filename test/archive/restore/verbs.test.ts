import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Archive } from '../../e2e/archive.js';
import { temporaryFolder } from '../../e2e/cli.js';
import { asPlainUser, giveAway, UNDER_PLAIN_USER } from '../../e2e/plain-user.js';
import { noise } from './lab.js';

/** Restoring, as the command line does it: with a catalog and worker threads. */
const read = (...path: string[]): string => fs.readFileSync(join(...path), 'utf8');

describe('what is no longer there', () => {
  it('comes back by --deleted, --version-id and --snapshot', async () => {
    const a = await Archive.make();
    const at = (path: string): string => join(a.tree, path);
    fs.mkdirSync(at('gone/deep'), { recursive: true });
    fs.writeFileSync(at('gone/deep/f'), 'one');
    fs.writeFileSync(at('stays'), 'first');
    fs.writeFileSync(at('becomes'), 'a file');
    fs.mkdirSync(at('turns'));
    fs.writeFileSync(at('turns/inner'), 'inner');
    const { snapshot } = await a.backup();
    fs.writeFileSync(at('gone/deep/f'), 'two');
    fs.writeFileSync(at('stays'), 'second!');
    await a.backup();
    fs.rmSync(at('gone'), { recursive: true });
    fs.rmSync(at('turns'), { recursive: true });
    fs.writeFileSync(at('turns'), 'now a file');
    await a.backup();

    const out = join(a.folder, 'out');
    const found = await a.json('restore', ['--target', out, '--deleted', a.tree], 3);
    expect(read(out, at('gone/deep/f'))).toBe('two');
    expect(read(out, at('stays'))).toBe('second!');
    expect(read(out, at('turns'))).toBe('now a file');
    // Its place is taken: named, and the exit code is 3.
    expect(found.errors.map(({ path }) => path)).toEqual([at('turns/inner')]);

    const { versions } = await a.json('history', [at('gone/deep/f')]);
    expect(versions).toHaveLength(2);
    const one = join(a.folder, 'one');
    await a.json('restore', ['--target', one, '--version-id', versions[0].id, at('gone/deep/f')]);
    expect(read(one, at('gone/deep/f'))).toBe('one');
    await a.json('restore', ['--target', one, '--version-id', 'nonsense', at('gone/deep/f')], 2);

    const old = join(a.folder, 'old');
    await a.json('restore', ['--target', old, '--snapshot', snapshot!.slice(0, 10), at('stays'), at('gone')]);
    expect(read(old, at('stays'))).toBe('first');
    expect(read(old, at('gone/deep/f'))).toBe('one');
    expect(fs.existsSync(join(old, at('becomes')))).toBe(false);
    await a.json('restore', ['--target', old, join(a.tree, 'never-was')], 1);
    const partly = await a.json('restore', ['--target', old, at('stays'), join(a.tree, 'never-was')], 3);
    expect(partly.errors[0].message).toMatch(/not in snapshot/);
  });
});

describe('versions of the same size and time', () => {
  it('are told from each other by their content', async () => {
    const a = await Archive.make();
    const file = join(a.tree, 'file');
    for (const content of ['good', 'evil']) {
      fs.writeFileSync(file, content);
      fs.utimesSync(file, 1_000_000_000, 1_000_000_000);
      await a.backup();
    }
    const { versions } = await a.json('history', [file]);
    const restore = ['restore', '--target', '/', '--version-id', versions[0].id, file];
    const left = await a.run(restore);
    expect(left).toMatchObject({ code: 3, stdout: expect.stringContaining(`not restored: ${file}: left as it is`) });
    expect(read(file)).toBe('evil');
    expect((await a.run([...restore, '--overwrite', 'always'])).code).toBe(0);
    expect(read(file)).toBe('good');
    expect((await a.run(restore)).code).toBe(0);
  });
});

describe('--delete', () => {
  it('does nothing unless it is confirmed', async () => {
    const a = await Archive.make();
    fs.mkdirSync(join(a.tree, 'd'));
    fs.writeFileSync(join(a.tree, 'd/f'), 'f');
    await a.backup();
    fs.writeFileSync(join(a.tree, 'd/new'), 'n');
    fs.writeFileSync(join(a.tree, 'd/f'), 'changed');
    expect((await a.run(['restore', '--target', '/', '--delete', a.tree])).code).toBe(2);
    const told = await a.json('restore', ['--target', '/', '--delete', '--dry-run', a.tree]);
    expect(told.deleted).toEqual([join(a.tree, 'd/new')]);
    expect(read(a.tree, 'd/f')).toBe('changed');
    const done = await a.json('restore', ['--target', '/', '--delete', '--yes', a.tree]);
    expect(done).toEqual(told);
    expect(read(a.tree, 'd/f')).toBe('f');
    expect(fs.readdirSync(join(a.tree, 'd'))).toEqual(['f']);
    // The store and the catalog lie beside the tree: everything restored in place leaves them.
    await a.json('restore', ['--target', '/', '--delete', '--yes']);
    expect(fs.existsSync(a.store)).toBe(true);
    expect(fs.existsSync(a.config)).toBe(true);
  });
});

describe('--delete in place', () => {
  const TAG = 'Signature: 8a477f597d28d172789f06886806bc55';

  it('removes nothing that backups leave out, whatever says so', async () => {
    const a = await Archive.make();
    const at = (path: string): string => join(a.tree, path);
    const write = (path: string, content: string | Uint8Array = 'only here'): void => {
      fs.mkdirSync(join(at(path), '..'), { recursive: true });
      fs.writeFileSync(at(path), content);
    };
    const patterns = join(a.folder, 'patterns');
    fs.writeFileSync(patterns, '*.bak\n');
    a.configure({
      backup_roots: [a.tree],
      exclude: ['*.tmp'],
      exclude_file: patterns,
      exclude_caches: true,
      exclude_larger_than: '1MB',
    });
    write('.backupninjaignore', 'ig\nb/ig2\n');
    for (const path of ['b/saved', 'cache/deep/saved not', 'c/.keep']) write(path);
    write('cache/CACHEDIR.TAG', TAG);
    const left = [
      'a.tmp',
      'ig',
      'b/ig',
      'b/ig2',
      'b/x.bak',
      'b/t.log',
      'cache/data',
      'cache/deep/saved not',
      'new/in/ig',
    ];
    for (const path of left) write(path);
    write('b/large', noise(1_200_000));
    await a.backup(['--exclude', '*.log']);
    // Of a part only: what was left out of the rest still is.
    await a.backup([at('c')]);
    for (const path of ['b/new', 'new/in/file', 'new/other/.backupninjaignore']) write(path);
    write('new/cache/CACHEDIR.TAG', TAG);
    write('new/cache/data');
    const gone = ['b/new', 'new/cache/CACHEDIR.TAG', 'new/in/file', 'new/other', 'new/other/.backupninjaignore'];

    const restore = ['--target', '/', '--delete', '--yes'];
    // Named alone, too: what says so lies above.
    const part = await a.json('restore', [...restore, at('b')]);
    expect(part.deleted).toEqual([at('b/new')]);
    write('b/new');
    const { deleted, errors } = await a.json('restore', restore);
    expect(errors).toEqual([]);
    expect([...deleted!].sort()).toEqual(gone.map(at).sort());
    for (const path of [...left, 'new/cache/data']) expect(read(at(path)), path).toBe('only here');
    expect(fs.statSync(at('b/large')).size).toBe(1_200_000);
  });

  it('waits for the file that tells what is left out, if that is missing', async () => {
    const a = await Archive.make();
    const at = (path: string): string => join(a.tree, path);
    fs.mkdirSync(at('!first'));
    fs.writeFileSync(at('.backupninjaignore'), 'ig\n');
    for (const path of ['ig', '!first/ig']) fs.writeFileSync(at(path), 'only here');
    await a.backup();
    for (const path of ['new', '!first/new']) fs.writeFileSync(at(path), 'new');
    fs.rmSync(at('.backupninjaignore'));
    const restore = ['restore', '--json', '--target', '/', '--delete', '--yes', a.tree];
    const first = await a.run(restore);
    expect(JSON.parse(first.stdout)).toMatchObject({ restored: 1, deleted: [], errors: [] });
    expect(first.stderr).toMatch(/removed nothing in \S*\/tree\/!first, \S*\/tree: .*was missing/);
    const second = await a.run(restore);
    expect(JSON.parse(second.stdout).deleted).toEqual([at('!first/new'), at('new')]);
    expect(second.stderr).not.toMatch(/removed nothing/);
    for (const path of ['ig', '!first/ig']) expect(read(at(path))).toBe('only here');
  });

  it('leaves what its user cannot read, with one line about it', async () => {
    const folder = temporaryFolder();
    giveAway(folder);
    const a = asPlainUser(() => new Archive({ folder, under: UNDER_PLAIN_USER }));
    await a.json('init');
    const at = (path: string): string => join(a.tree, path);
    asPlainUser(() => {
      fs.writeFileSync(at('secret'), 'only here', { mode: 0 });
      fs.mkdirSync(at('d'));
      fs.writeFileSync(at('d/z'), 'only here');
      fs.chmodSync(at('d'), 0o300);
      fs.writeFileSync(at('saved'), 'saved');
    });
    await a.backup([], 3);
    asPlainUser(() => fs.writeFileSync(at('new'), 'new'));
    const outcome = await a.run(['restore', '--json', '--target', '/', '--delete', '--yes', a.tree]);
    expect(JSON.parse(outcome.stdout).deleted).toEqual([at('new')]);
    expect(outcome.stderr).toContain(`${at('d')}, ${at('secret')}`);
    // It was not saved when it could not be read, whoever can read it now.
    asPlainUser(() => fs.chmodSync(at('d'), 0o700));
    await a.run(['restore', '--target', '/', '--delete', '--yes', a.tree]);
    expect(fs.readdirSync(at('d'))).toEqual(['z']);
    expect(fs.existsSync(at('secret'))).toBe(true);
  });

  it('is refused while a file of patterns that the config names is missing', async () => {
    const a = await Archive.make();
    await a.backup();
    a.configure({ backup_roots: [a.tree], exclude_file: join(a.folder, 'nothing') });
    fs.writeFileSync(join(a.tree, 'new'), '');
    const outcome = await a.run(['restore', '--target', '/', '--delete', '--yes', a.tree]);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot read exclude_file') });
    expect(fs.existsSync(join(a.tree, 'new'))).toBe(true);
    expect((await a.run(['restore', '--target', '/', a.tree])).code).toBe(0);
  });
});

describe('a restore that is killed', () => {
  it('is finished by the next, and leaves no other names behind', async () => {
    const a = await Archive.make();
    for (let i = 0; i < 300; i++) {
      fs.mkdirSync(join(a.tree, `d${i % 10}`), { recursive: true });
      fs.writeFileSync(join(a.tree, `d${i % 10}`, `f${i}`), noise(100_000, i + 1));
    }
    fs.writeFileSync(join(a.tree, 'z'), noise(60_000_000, 5));
    await a.backup();
    const out = join(a.folder, 'out');
    let killed = 0;
    for (let i = 0; i < 8 && killed < 3; i++) {
      const before = fs.existsSync(out) ? fs.readdirSync(out, { recursive: true }).length : 0;
      const outcome = await a.run(['restore', '--target', out], {
        started: ({ kill }) => {
          const poll = setInterval(() => {
            const now = fs.existsSync(out) ? fs.readdirSync(out, { recursive: true }).length : 0;
            if (now > before) {
              clearInterval(poll);
              kill('SIGKILL');
            }
          }, 1);
          setTimeout(() => clearInterval(poll), 15_000);
        },
      });
      if (outcome.signal !== 'SIGKILL') break;
      killed++;
    }
    expect(killed).toBeGreaterThan(0);
    const result = await a.json('restore', ['--target', out]);
    expect(result.errors).toEqual([]);
    expect(result.restored + result.skipped).toBe(301);
    const { status, stdout } = spawnSync('diff', ['-r', a.tree, join(out, a.tree)], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
    expect(await a.json('restore', ['--target', out])).toMatchObject({ restored: 0, skipped: 301 });
  });
});

describe('cat and dump', () => {
  it('write the bytes that were saved', async () => {
    const a = await Archive.make();
    const at = (path: string): string => join(a.tree, path);
    const long = `${'long-name-'.repeat(20)}end`;
    fs.mkdirSync(at('d'));
    fs.writeFileSync(at('d/text'), 'some text\n');
    fs.writeFileSync(at(`d/${long}`), noise(3_000_000));
    fs.linkSync(at('d/text'), at('d/again'));
    fs.symlinkSync(long, at('d/link'));
    fs.writeFileSync(Buffer.from(`${at('d')}/\xff\xfe`, 'latin1'), 'odd');
    fs.writeFileSync(at('sparse'), 'x');
    fs.truncateSync(at('sparse'), 3_000_000);
    fs.utimesSync(at('d/text'), 1_000_000_000.5, -1.25);
    await a.backup();

    expect((await a.run(['cat', at('d/text')])).stdout).toBe('some text\n');
    for (const path of ['d', 'd/link', 'nothing']) expect((await a.run(['cat', at(path)])).code, path).toBe(1);
    const tar = join(a.folder, 'out.tar');
    const program = ['sh', '-c', '"$@" > "$OUT"', 'sh'];
    expect((await a.run(['dump'], { under: program, env: { OUT: tar } })).code).toBe(0);
    const un = join(a.folder, 'un');
    fs.mkdirSync(un);
    expect(spawnSync('tar', ['-xpf', tar, '-C', un], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    const compared = spawnSync('diff', ['-r', '--no-dereference', a.tree, join(un, a.tree)], { encoding: 'utf8' });
    expect(compared).toMatchObject({ status: 0, stdout: '' });
    expect(fs.statSync(join(un, at('d/again'))).ino).toBe(fs.statSync(join(un, at('d/text'))).ino);
    for (const path of ['d/text', `d/${long}`, 'd'])
      expect(fs.statSync(join(un, at(path)), { bigint: true }).mtimeNs, path).toBe(
        fs.statSync(at(path), { bigint: true }).mtimeNs,
      );

    // A damaged pack: small files are left out.
    for (const pack of a.packs()) {
      const bytes = fs.readFileSync(pack);
      if (bytes.length < 1_000_000) continue;
      bytes[2000] ^= 1;
      fs.writeFileSync(pack, bytes);
    }
    expect((await a.run(['dump', at('d')], { under: program, env: { OUT: tar } })).code).toBe(3);
    const listed = spawnSync('tar', ['-tf', tar], { encoding: 'utf8' });
    expect(listed.status).toBe(0);
    expect(listed.stdout).toContain('d/');
    expect(listed.stdout.split('\n').length).toBeLessThan(9);
  });

  it('and restore give each name of a file the version that the snapshot has of it', async () => {
    const a = await Archive.make();
    const [x, y] = [join(a.tree, 'A/x'), join(a.tree, 'B/y')];
    for (const folder of ['A', 'B']) fs.mkdirSync(join(a.tree, folder));
    fs.writeFileSync(x, 'what it was\n');
    fs.linkSync(x, y);
    await a.backup();
    fs.writeFileSync(x, 'what it has become\n');
    // Of two names one is saved again, the other is carried over.
    await a.backup([join(a.tree, 'B')]);
    const expected = ['what it was\n', 'what it has become\n'];
    expect([(await a.run(['cat', x])).stdout, (await a.run(['cat', y])).stdout]).toEqual(expected);

    const out = join(a.folder, 'out');
    await a.restore(out);
    expect([read(out, x), read(out, y)]).toEqual(expected);

    const un = join(a.folder, 'un');
    fs.mkdirSync(un);
    const program = ['sh', '-c', '"$@" | tar -x -C "$OUT"', 'sh'];
    expect((await a.run(['dump'], { under: program, env: { OUT: un } })).code).toBe(0);
    expect([read(un, x), read(un, y)]).toEqual(expected);
  });
});
