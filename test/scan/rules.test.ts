import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { fromBytes, fromDisplay } from '../../src/bytes.js';
import { addLines, RuleSet } from '../../src/scan/rules.js';
import { parseComponents } from '../../src/scan/wildcard.js';
import { freshFolder, makeTree, pathsBelow, scanRoots } from './support.js';

const folders: string[] = [];
const folder = () => folders[folders.push(freshFolder()) - 1];
afterAll(() => {
  for (const path of folders) fs.rmSync(path, { recursive: true, force: true });
});

/** Whether the last of the lines that matches a path (`d/` for a directory) excludes it. Directories above are not asked. */
function excludes(lines: string, path: string): boolean {
  const set = new RuleSet();
  addLines(set, fromDisplay(lines), 'test');
  const parts = fromDisplay(path).split('/');
  const isDirectory = parts.at(-1) === '';
  if (isDirectory) parts.pop();
  let trail = set.start();
  for (const part of parts.slice(0, -1)) trail = set.descend(trail, part);
  const rule = set.match(trail, parts.at(-1)!, isDirectory);
  return rule !== undefined && !rule.negated;
}

describe('rules', () => {
  const table: [pattern: string, excluded: string[], saved: string[]][] = [
    ['a', ['a', 'a/', 'x/a', 'x/y/a/'], ['b', 'ab', 'x/b']],
    ['a/', ['a/', 'x/a/'], ['a', 'x/a']],
    ['/a', ['a', 'a/'], ['x/a']],
    ['a/b', ['a/b', 'a/b/'], ['x/a/b', 'b', 'a/c/b']],
    ['*.o', ['x.o', '.o', 'd/x.o'], ['x.ob', 'o']],
    ['a*', ['a', 'abc', 'x/abc'], ['ba']],
    ['a*c*e', ['ace', 'abcde', 'a/ace'], ['acd', 'aec']],
    ['/*', ['a', 'b/'], ['a/b']],
    ['a/*', ['a/b', 'a/c/'], ['a', 'a/b/c']],
    ['**/a', ['a', 'x/a', 'x/y/a'], ['x/ab']],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'a/', 'x/a/b']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['b', 'a/xb', 'x/a/b']],
    ['**/a/**/b', ['a/b', 'x/a/y/b', 'x/y/a/z/w/b'], ['b']],
    ['/**', ['a', 'a/b'], []],
    ['a**b', ['ab', 'axxb', 'x/ab'], ['a/b']],
    ['?', ['a', 'x/b'], ['ab', 'é']],
    ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
    ['[!a-c]x', ['dx', '-x'], ['ax', 'x']],
    ['[^a]x', ['bx'], ['ax']],
    ['[]-]x', [']x', '-x'], ['ax']],
    ['[[:digit:][:upper:]_]x', ['1x', 'Zx', '_x'], ['ax', ':x']],
    ['[[:nothing:]]', [], ['n', ':']],
    ['[a', [], ['[a', 'a']],
    ['a\\*', ['a*'], ['ab', 'a']],
    ['a\\', [], ['a', 'a\\']],
    ['\\!a', ['!a'], ['a']],
    ['\\#a', ['#a'], ['a']],
    ['#a', [], ['#a', 'a']],
    ['a  ', ['a'], ['a  ']],
    ['a\\ ', ['a '], ['a']],
    ['a\\\\ ', ['a\\'], ['a\\ ']],
    ['ä*', ['ä', 'äb', 'x/äb'], ['a', '\u00c3b']],
    ['a//b', [], ['a/b']],
    ['/', [], ['a', 'a/b']],
    ['*\n!keep', ['a', 'x/b'], ['keep', 'x/keep']],
    ['!a\na', ['a'], []],
    ['a\r\nb\r\n', ['a', 'b'], []],
    ['\ufeffa', ['a'], []],
  ];

  it.each(table)('%j', (pattern, excluded, saved) => {
    for (const path of excluded) expect(excludes(pattern, path), path).toBe(true);
    for (const path of saved) expect(excludes(pattern, path), path).toBe(false);
  });

  it('matches names that are not UTF-8', () => {
    const [{ wildcard }] = parseComponents('\xff*\xa0')!;
    expect(wildcard.matches('\xff\xfe\xa0')).toBe(true);
    expect(wildcard.matches('\xff\xfe')).toBe(false);
    const [{ wildcard: set }] = parseComponents('[\x80-\xff]')!;
    expect(set.matches('\xc3')).toBe(true);
    expect(set.matches('a')).toBe(false);
    // A pattern may end in a byte that is white space in Latin-1.
    expect(excludes('voilà', 'voilà')).toBe(true);
  });

  it('needs no more than the product of the lengths, whatever the pattern', () => {
    const [{ wildcard }] = parseComponents(`${'a*'.repeat(60)}b`)!;
    const started = process.cpuUsage();
    for (let i = 0; i < 100; i++) expect(wildcard.matches('a'.repeat(255))).toBe(false);
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
  });

  it('matches as a regular expression does', () => {
    const piece = fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 10 }),
        (parts, name) => {
          const [{ wildcard }] = parseComponents(parts.join(''))!;
          const source = parts.join('').replaceAll('*', '.*').replaceAll('?', '.').replaceAll('!', '^');
          expect(wildcard.matches(name)).toBe(new RegExp(`^${source}$`).test(name));
        },
      ),
    );
  });
});

const git = (cwd: string, ...args: string[]) => spawnSync('git', args, { cwd });
const hasGit = git('/', '--version').status === 0;

describe.skipIf(!hasGit)('beside git', () => {
  const segment = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'ab', 'c.o', '.x', 'A', 'a b', '[', 'é') },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        '*',
        'a*',
        '*.o',
        '?',
        '**',
        '[ab]',
        '[!a]',
        '*b*',
        '.*',
        '[[:upper:]]',
        '\\[',
        'a\\ b',
        '[a-',
        '***',
      ),
    },
  );
  const pattern = fc
    .tuple(
      fc.constantFrom('', '', '', '!', '!'),
      fc.constantFrom('', '', '/', '**/'),
      fc.array(segment, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('', '', '', '/', '/**', ' ', '/*'),
    )
    .map(([not, start, parts, end]) => not + start + parts.join('/') + end);
  const lines = fc.array(pattern, { maxLength: 4 });

  const repository = folder();
  const tree: Record<string, string> = {};
  const names = ['a', 'b', 'ab', 'c.o', '.x', 'A', 'a b', '[', fromDisplay('é')];
  for (const name of names) tree[`top-${name}`] = '';
  for (const one of ['a', 'b', 'ab', '.x']) {
    for (const name of names.slice(2)) tree[`${one}/${name}`] = '';
    for (const two of ['a', 'b'])
      for (const name of names.slice(1)) tree[`${one}/${two}/${name === 'b' ? 'b/ab' : name}`] = '';
  }
  makeTree(repository, tree);
  git(repository, 'init', '-q');
  fs.renameSync(join(repository, '.git'), `${repository}-git`);
  folders.push(`${repository}-git`);
  const ignoreFiles = ['', 'a/', 'a/b/', 'b/'].map((place) => join(repository, place, '.backupninjaignore'));

  it('saves exactly the files that git does not ignore, with rules of all kinds at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(lines, { minLength: 4, maxLength: 4 }),
        lines,
        lines,
        async (nested, config, commandLine) => {
          nested.forEach((some, i) => {
            fs.writeFileSync(ignoreFiles[i], `${some.join('\n')}\n`);
          });
          // For git these are relative to the repository, for us to the root of the file system.
          const absolute = (some: string[]) => some.map((line) => anchor(line, repository));
          fs.writeFileSync(`${repository}-git/config-rules`, `${config.join('\n')}\n`);
          const { stdout, stderr } = git(
            repository,
            `--git-dir=${repository}-git`,
            `--work-tree=${repository}`,
            'ls-files',
            '--others',
            '-z',
            '--exclude-per-directory=.backupninjaignore',
            `--exclude-from=${repository}-git/config-rules`,
            // git takes these without trimming them.
            ...commandLine
              .map((line) => `--exclude=${line.replace(/(?<!\\) +$/, '')}`)
              .filter((option) => !/=!?$/.test(option)),
          );
          expect(stderr.toString()).toBe('');
          const expected = fromBytes(stdout)
            .split('\0')
            .filter((path) => path !== '');
          const items = await scanRoots([repository], {
            exclude: absolute(commandLine),
            config: { exclude: absolute(config) },
          });
          const files = items.filter((item) => item.kind === 'entry' && item.type === 1);
          expect(pathsBelow(files, repository).sort()).toEqual(expected.sort());
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** A pattern that is anchored in `base`, for use at the root of the file system. */
function anchor(line: string, base: string): string {
  const [, not, body] = /^(!?)(.*)$/.exec(line)!;
  const isAnchored = body.replace(/\/ *$/, '').includes('/');
  return isAnchored ? `${not}${base}/${body.replace(/^\//, '')}` : line;
}
