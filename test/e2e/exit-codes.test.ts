import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Archive } from './archive.js';
import { needPrograms, runProgram, sh, TOP, temporaryFolder } from './cli.js';
import { expectSameTree } from './compare.js';
import { giveAway, UNDER_PLAIN_USER } from './plain-user.js';
import { noise, ordinaryTree } from './trees.js';

const commands = [
  ['backup'],
  ['snapshots'],
  ['ls'],
  ['find', '*'],
  ['restore'],
  ['check'],
  ['info'],
  ['catalog', 'rebuild'],
];

test('0: the built program knows its version', async () => {
  const { version } = JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8')) as { version: string };
  expect(await new Archive().run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
});

describe('10: no store there', () => {
  test.each(commands)('%s %s', async (...args) => {
    const archive = new Archive();
    const { code, stderr } = await archive.run(args);
    expect(code).toBe(10);
    expect(stderr).toMatch(/^error: .*\n$/);
    expect(stderr).toContain(archive.store);
    expect(existsSync(archive.store)).toBe(false);
  });
});

describe('12: wrong key', () => {
  // The others ask the catalog, which answers without key, with the store away too.
  test.each([['backup'], ['restore'], ['check'], ['catalog', 'rebuild']])('%s: another key file', async (...args) => {
    const archive = await Archive.make();
    await archive.backup();
    const before = archive.objects();
    writeFileSync(archive.key, `${Buffer.alloc(32, 7).toString('base64url')}\n`);
    const { code, stderr } = await archive.run(args);
    expect(code).toBe(12);
    expect(stderr).not.toContain(readFileSync(archive.key, 'utf8').trim());
    expect(archive.objects()).toEqual(before);
  });

  test('a wrong passphrase, then the right one', async () => {
    const archive = await Archive.make({ init: ['--passphrase'], env: { BACKUP_NINJA_PASSPHRASE: 'right' } });
    ordinaryTree(archive.tree, 'a', 5);
    const before = archive.objects();
    const wrong = await archive.run(['backup', '--json'], { env: { BACKUP_NINJA_PASSPHRASE: 'wrong' } });
    expect(wrong.code).toBe(12);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 12 } });
    expect(wrong.stderr + wrong.stdout).not.toContain('wrong\n');
    expect(archive.objects()).toEqual(before);
    await archive.backup();
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
  });

  test('init on a store of somebody else makes nothing', async () => {
    const theirs = await Archive.make();
    const mine = new Archive({ store: theirs.store });
    rmSync(mine.config);
    const before = theirs.objects();
    const outcome = await runProgram(mine.home, [
      'init',
      '-c',
      mine.config,
      '--store',
      mine.store,
      '--key-file',
      mine.key,
    ]);
    expect(outcome.code).toBe(12);
    expect([mine.config, mine.key, mine.tables].filter((path) => existsSync(path))).toEqual([]);
    expect(theirs.objects()).toEqual(before);
  });
});

describe('a catalog that may only be read', () => {
  test('answers, and serves restores and checks; what has to write it ends with 1', async (context) => {
    needPrograms(context, ...UNDER_PLAIN_USER.slice(0, 1));
    const archive = new Archive({ under: UNDER_PLAIN_USER });
    writeFileSync(join(archive.tree, 'f'), 'content');
    giveAway(archive.folder);
    await archive.json('init');
    await archive.backup();
    sh('chmod', '-R', 'a-w', archive.tables);
    const before = readdirSync(archive.tables);
    for (const args of [
      ['snapshots'],
      ['ls'],
      ['info'],
      ['history', join(archive.tree, 'f')],
      ['check', '--read-data'],
    ]) {
      const { code, stderr } = await archive.run(args);
      expect(code, `${args[0]}: ${stderr}`).toBe(0);
    }
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    const { code, stderr } = await archive.run(['backup']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: the catalog cannot be written, .* \(EACCES\); .*\n$/);
    expect(readdirSync(archive.tables)).toEqual(before);
  });
});

describe('11: locked', () => {
  test('by somebody who has the store for himself', async (context) => {
    needPrograms(context, 'flock');
    const archive = await Archive.make();
    await archive.backup();
    const holder = spawn('flock', [join(archive.store, 'lock'), 'sh', '-c', 'echo held; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const let_go = () => {
      try {
        process.kill(-holder.pid!, 'SIGKILL');
      } catch {}
    };
    onTestFinished(let_go);
    await once(holder.stdout, 'data');
    for (const args of [['backup'], ['restore'], ['check']]) {
      const { code, stderr } = await archive.run(args);
      expect(code, args[0]).toBe(11);
      expect(stderr).toMatch(/lock/);
    }
    // It waits as long as it is told, and goes on when the other dies.
    const waiting = archive.run(['backup', '--wait-lock', '30s']);
    await sleep(1500);
    let_go();
    expect((await waiting).code).toBe(0);
  });

  test('two backups at once: one waits its turn or says so, both end well or with 11', async () => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree);
    const codes = (await Promise.all([1, 2, 3].map(() => archive.run(['backup'])))).map(({ code }) => code);
    expect(codes.filter((code) => code === 0).length).toBeGreaterThan(0);
    expect(codes.filter((code) => code !== 0 && code !== 11)).toEqual([]);
    const waited = await Promise.all([1, 2].map(() => archive.run(['backup', '--wait-lock', '60s'])));
    expect(waited.map(({ code }) => code)).toEqual([0, 0]);
    await archive.checkAll();
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
  });
});

describe('2: wrong usage', () => {
  test.each([
    [['backup', '--sofd'], /--soft/],
    [['bakcup'], /backup/],
    [['backup', '--soft', '--full'], /--full/],
    [['forget'], /./],
    [['restore', '--snapshot'], /snapshot/],
  ])('%j', async (args, message) => {
    const archive = await Archive.make();
    const { code, stderr, stdout } = await archive.run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });

  test.each([
    ['{"file_dir": "s", "backup_root": []}', /backup_roots/],
    ['{"file_dir": "s", "workers": "many"}', /workers/],
    ['{"file_dir": ', /./],
    ['{}', /file_dir/],
  ])('config %s', async (text, message) => {
    const archive = new Archive();
    writeFileSync(archive.config, text);
    const { code, stderr } = await archive.run(['backup']);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(archive.config);
  });

  test('no config at all', async () => {
    const { code, stderr } = await runProgram(temporaryFolder(), ['backup']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/init/);
  });

  test.each([
    [['cleanup_hard']],
    [['cleanup_soft']],
    [['forget', '--keep-last', '1']],
    [['purge', '/x']],
    [['restore', '--delete']],
  ])('%j with nobody to ask does nothing', async (args) => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree, 'a', 5);
    await archive.backup();
    await archive.backup();
    const before = archive.objects();
    const { code, stderr } = await archive.run(args);
    expect(code).toBe(2);
    expect(stderr).toContain('--yes');
    expect(archive.objects()).toEqual(before);
  });
});

describe('130: interrupted', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s during a backup; the next one goes on',
    async (signal) => {
      const archive = await Archive.make();
      for (let i = 0; i < 8; i++) writeFileSync(join(archive.tree, `noise ${i}`), noise(24 << 20, `${i}`));
      const outcome = await archive.run(['backup'], {
        started: async (child) => {
          while (archive.packs().length === 0) await sleep(5); // It has begun to store things.
          child.kill(signal);
        },
      });
      expect(outcome, outcome.stderr).toMatchObject({ code: 130, signal: null });
      expect(outcome.stderr).toMatch(/interrupted/);
      expect(await archive.json('snapshots')).toEqual([]);
      archive.expectTidy();
      const packs = new Set(archive.packs());
      await archive.backup();
      // What was durable is used.
      expect(archive.packs().filter((pack) => packs.has(pack)).length).toBe(packs.size);
      // Each worker may have put one pack that nobody heard of any more.
      expect(archive.size()).toBeLessThan(8 * (24 << 20) * 1.02 + 2 * (25 << 20));
      await archive.checkAll();
      expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    },
    120_000,
  );
});
