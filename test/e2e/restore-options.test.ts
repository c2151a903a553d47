import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fromDisplay } from '../../src/bytes.js';
import { CWD, setTimesAt } from '../../src/platform/index.js';
import { Archive } from './archive.js';
import { needPrograms, temporaryFolder } from './cli.js';
import { expectSamePicture, expectSameTree, type Picture, pictureOf } from './compare.js';
import { noise, ordinaryTree, strangeTree } from './trees.js';

/** The part of a picture below a path, as `pictureOf` would make it of that path. */
function below(picture: Picture, path: string): Picture {
  const prefix = `${path}/`;
  return new Map(
    [...picture]
      .filter(([key]) => key === path || key.startsWith(prefix))
      .map(([key, text]) => [key.slice(prefix.length), text]),
  );
}

test('--map: all lands where it says, with all its attributes, and the rest where it always does', async () => {
  const archive = await Archive.make();
  strangeTree(archive.tree);
  const was = pictureOf(archive.tree, { without: ['links'] });
  await archive.backup();
  const target = join(archive.folder, 'restored');
  const away = join(archive.folder, 'away');
  fs.mkdirSync(join(archive.folder, 'really'));
  fs.symlinkSync('really', away); // named by the user, so it is followed
  const at = (path: string) => join(archive.tree, path);
  const args = [
    ...['--map', `${at('names')}=${join(away, 'of names')}`],
    ...['--map', `${at('times')}=${join(archive.folder, 'a/b/c')}`],
    ...['--map', `${at('contents/text.txt')}=${join(away, 'one file')}`],
  ];
  const result = await archive.json('restore', ['--target', target, ...args]);
  expect(result.errors).toEqual([]);
  const pictured = (path: string) => pictureOf(path, { without: ['links'] });
  expectSamePicture(pictured(join(archive.folder, 'really/of names')), below(was, 'names'));
  expectSamePicture(pictured(join(archive.folder, 'a/b/c')), below(was, 'times'));
  expect(pictured(join(archive.folder, 'really')).get('one file')).toBe(was.get('contents/text.txt'));
  for (const path of [...was.keys()])
    if (/^(names|times)(\/|$)/.test(path) || path === 'contents/text.txt') was.delete(path);
  expectSamePicture(pictured(join(target, archive.tree)), was);
  // Nothing is left to do, there as well.
  expect(await archive.json('restore', ['--target', target, ...args])).toMatchObject({ bytes: 0, errors: [] });
});

test('--verify: what only looks right is restored, and the rest is left', async () => {
  const archive = await Archive.make();
  ordinaryTree(archive.tree);
  await archive.backup();
  const target = join(archive.folder, 'restored');
  const restored = await archive.restore(target, ['--verify']);
  expectSameTree(restored, archive.tree);
  for (const name of ['noise.bin', 'folder 1/file 1.txt']) {
    const path = join(restored, name);
    const { mtimeNs } = fs.statSync(path, { bigint: true });
    const bytes = fs.readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    fs.writeFileSync(path, bytes);
    setTimesAt(CWD, fromDisplay(path), Number(mtimeNs / 1_000_000_000n), Number(mtimeNs % 1_000_000_000n));
  }
  // Without it size and time decide.
  expect(await archive.json('restore', ['--target', target])).toMatchObject({ restored: 0, errors: [] });
  expect(await archive.json('restore', ['--target', target, '--verify'])).toMatchObject({ restored: 2, errors: [] });
  expectSameTree(restored, archive.tree);
});

test('what is told to be restored is on the disk', async (context) => {
  needPrograms(context, 'strace');
  const archive = await Archive.make();
  ordinaryTree(archive.tree);
  const target = join(archive.folder, 'restored');
  const trace = join(archive.folder, 'trace');
  const calls = async (): Promise<string[]> => {
    const under = ['strace', '-f', '-qq', '--seccomp-bpf', '-e', 'trace=utimensat,fdatasync,syncfs', '-y', '-o', trace];
    const outcome = await archive.run(['restore', '--target', target], { under });
    expect(outcome.code, outcome.stderr).toBe(0);
    return fs
      .readFileSync(trace, 'latin1')
      .split('\n')
      .filter((line) => /^\d+ +\w+\(/.test(line)); // how calls begin; their ends may be lines of their own
  };
  fs.writeFileSync(join(archive.tree, 'sparse'), noise(100_000, 'sparse'));
  fs.truncateSync(join(archive.tree, 'sparse'), 900_000);
  await archive.backup();
  const first = await calls();
  // What has its size before its content is there must not look restored before it is.
  for (const name of ['noise.bin', 'sparse']) {
    const ofFile = first.filter((line) => line.includes(`${name}>`)).map((line) => /\w+(?=\()/.exec(line)?.[0]);
    expect(ofFile, name).toEqual(['fdatasync', 'utimensat']);
  }
  expect(first.filter((line) => line.includes('utimensat(')).length).toBeGreaterThan(200);
  expect(first.at(-1)).toContain(`syncfs(`);
  expect(first.at(-1)).toContain(target);
  // Nothing was restored: there is nothing to wait for.
  expect((await calls()).filter((line) => line.includes('syncfs('))).toEqual([]);
});

test('--delete over a tree that someone else changes all the time', async () => {
  const archive = await Archive.make();
  ordinaryTree(archive.tree);
  fs.writeFileSync(join(archive.tree, 'folder 1/big'), noise(8 << 20, 'big'));
  await archive.backup();
  const outside = temporaryFolder();
  ordinaryTree(outside, 'outside', 20);
  fs.chmodSync(outside, 0o711);
  const theirs = pictureOf(outside);
  const target = join(archive.folder, 'restored');
  const restored = join(target, archive.tree);
  fs.mkdirSync(restored, { recursive: true });
  const churn = spawn(process.execPath, ['-e', CHURN, restored, outside], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(churn.stdout, 'data');
  for (let i = 0; i < 3; i++) {
    const outcome = await archive.run(['restore', '--json', '--target', target, '--delete', '--yes']);
    // What it cannot do is told, path by path.
    expect([0, 3], outcome.stderr + outcome.stdout).toContain(outcome.code);
    expect(JSON.parse(outcome.stdout).errors.length > 0).toBe(outcome.code === 3);
    expect(outcome.stderr).not.toMatch(/internal error/);
  }
  churn.stdin.end();
  const [rounds] = await Promise.all([once(churn.stdout, 'data'), once(churn, 'close')]);
  expect(Number(rounds)).toBeGreaterThan(10);
  expectSamePicture(pictureOf(outside), theirs);
  // In peace it is finished by the next.
  await archive.json('restore', ['--target', target, '--delete', '--yes', '--verify']);
  expectSameTree(restored, archive.tree);
});

/** Makes, changes, removes and swaps what is in a tree, until its input ends; then tells how often. */
const CHURN = `
  const fs = require('node:fs');
  const [, tree, outside] = process.argv;
  const quietly = (work) => { try { work(); } catch {} };
  let n = 0, stop = false;
  process.stdin.resume();
  process.stdin.on('end', () => { stop = true; });
  process.stdout.write('ready');
  const round = () => {
    n++;
    const folder = tree + '/folder ' + n % 8;
    quietly(() => fs.renameSync(folder, tree + '/away'));
    quietly(() => fs.symlinkSync(outside, folder));
    quietly(() => fs.unlinkSync(folder));
    quietly(() => fs.renameSync(tree + '/away', folder));
    quietly(() => fs.mkdirSync(folder + '/deeper', { recursive: true }));
    quietly(() => fs.writeFileSync(folder + '/file ' + n % 200 + '.txt', 'changed'));
    quietly(() => fs.mkdirSync(folder + '/more ' + n % 50));
    quietly(() => fs.symlinkSync(outside, folder + '/more ' + n % 50 + '/link'));
    quietly(() => fs.unlinkSync(folder + '/big'));
    quietly(() => fs.symlinkSync(outside + '/noise.bin', folder + '/big'));
    quietly(() => fs.rmSync(folder + '/deeper', { recursive: true }));
    quietly(() => fs.symlinkSync(outside, folder + '/deeper'));
    if (stop) process.stdout.write(String(n), () => process.exit());
    else if (n % 20 === 0) setTimeout(round, 5);
    else setImmediate(round);
  };
  round();
`;
