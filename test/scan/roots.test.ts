import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fromDisplay } from '../../src/bytes.js';
import {
  keyOf,
  type PlanOptions,
  pathOf,
  planRoots,
  type RootPlan,
  type ScanItem,
  type SnapshotRoot,
  scan,
} from '../../src/scan/index.js';
import { runNode } from '../support/child.js';
import { freshFolder, makeTree, notes, pathsBelow, planOptions, show } from './support.js';

let base = '';
beforeEach(() => {
  base = freshFolder();
});

const at = (path: string) => fromDisplay(join(base, path));
const config = (...paths: string[]): SnapshotRoot[] => paths.map((path) => ({ path: at(path), adHoc: false }));
const adHoc = (...paths: string[]): SnapshotRoot[] => paths.map((path) => ({ path: at(path), adHoc: true }));

type Changes = Partial<Omit<PlanOptions, 'config'>> & { config?: Partial<PlanOptions['config']> };

/** Plans and scans with roots of the config; what a consumer makes of it for the active paths given. */
async function run(roots: string[], changes: Changes = {}, active: string[] = []) {
  const backupRoots = roots.map((root) => (root.startsWith('/') ? root : join(base, root)));
  const hasEntries = (key: string) => active.some((path) => keyOf(at(path)).startsWith(`${key}\0`));
  const plan = await planRoots(planOptions({ hasEntries, ...changes, config: { ...changes.config, backupRoots } }));
  const items = [...scan(plan.scan)];
  expect(items.map((item) => item.key)).toEqual(
    items.map((item) => item.key).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
  );
  return {
    plan,
    items,
    paths: pathsBelow(items, base),
    notes: notes(items).map((line) => line.replaceAll(base, '')),
    roots: plan.roots.map(({ path, adHoc }) => (adHoc ? '+' : '') + path.slice(base.length + 1)),
    problems: plan.problems.map(({ path, message }) => `${show(path).slice(base.length)} ${message}`),
    gone: active.filter((path) => !isEntry(items, path) && isGone(plan, items, keyOf(at(path)))),
  };
}

const isEntry = (items: ScanItem[], path: string) =>
  items.some((item) => item.kind === 'entry' && item.path === at(path));

/** How the contract tells consumers to judge an active key that no entry came for. */
function isGone(plan: RootPlan, items: ScanItem[], key: string): boolean {
  const isKept = items.some((item) => item.kind === 'keep' && item.key <= key && key < item.end);
  return !isKept && plan.covers(key);
}

const missing = (path: string) => expect.stringMatching(`^keep ${path} to ${path}~ error root: is missing`);
const empty = (path: string) => expect.stringMatching(`^keep ${path} to ${path}~ error root: is empty`);
const unconfirmed = (path: string) => expect.stringMatching(`^${path} is no longer among the backup roots`);

describe('roots of the config', () => {
  it('are literal when they are there as written, else globs', async () => {
    makeTree(base, { 'a[1]/x': '', 'a1/y': '', 'a2/z': '', 'file*': '' });
    expect((await run(['a[1]'])).paths).toEqual(['a[1]', 'a[1]/x']);
    expect((await run(['file*'])).paths).toEqual(['file*']);
    expect((await run(['a[12]'])).paths).toEqual(['a1', 'a1/y', 'a2', 'a2/z']);
    expect((await run(['a[12]'])).roots).toEqual(['a1', 'a2']);
  });

  it('may be globs of all kinds, with hidden names and names that are no text', async () => {
    makeTree(base, {
      'u/ann/Pictures/1': '',
      'u/bob/Pictures/2': '',
      'u/.hid/Pictures/3': '',
      'u/eve/Music/4': '',
      'u/\xff/Pictures/5': '',
      'u/file': '',
    });
    expect((await run(['u/*/Pictures'])).roots).toEqual([
      'u/.hid/Pictures',
      'u/ann/Pictures',
      'u/bob/Pictures',
      'u/\xff/Pictures',
    ]);
    expect((await run(['u/*/Pictures'])).paths.filter((path) => path.split('/').length > 3)).toHaveLength(4);
    expect((await run(['u/{ann,eve}/*'])).roots).toEqual(['u/ann/Pictures', 'u/eve/Music']);
    expect((await run(['u/**/[24]'])).roots).toEqual(['u/bob/Pictures/2', 'u/eve/Music/4']);
    expect((await run(['u/a?n'])).roots).toEqual(['u/ann']);
    expect((await run(['u/fil*'])).paths).toEqual(['u', 'u/file']);
  });

  it('that match nothing are a problem', async () => {
    const found = await run(['none*'], {});
    expect(found.problems).toEqual(['/none* matches nothing: correct the pattern in backup_roots']);
    expect(found.plan.scan.rootsRead).toBe(0);
  });

  it('of a glob that a rule excludes are left out; what is named literally is saved', async () => {
    makeTree(base, { 'u/ann/P/1': '', 'u/guest/P/2': '', 'u/guest/P/guest': '' });
    const exclude = ['guest'];
    expect((await run(['u/*/P'], { config: { exclude } })).roots).toEqual(['u/ann/P']);
    expect((await run(['u/*/P', 'u/guest/P'], { config: { exclude } })).paths).toEqual([
      'u',
      'u/ann',
      'u/ann/P',
      'u/ann/P/1',
      'u/guest',
      'u/guest/P',
      'u/guest/P/2',
    ]);
    expect((await run(['u/guest/P'], { config: { exclude: [join(base, 'u')] } })).paths).toContain('u/guest/P/2');
  });

  it('may be files, overlap, be named twice and have doubled slashes', async () => {
    makeTree(base, { 'a/b/c': '', 'a/d': '', f: '' });
    const found = await run(['a', 'a/b', 'a/b/c', 'f', 'a/', `${base}//a`]);
    expect(found.paths).toEqual(['a', 'a/b', 'a/b/c', 'a/d', 'f']);
    expect(found.roots).toEqual(['a', 'a/b', 'a/b/c', 'f']);
    expect(found.notes).toEqual([]);
    expect(found.plan.scan.rootsRead).toBe(4);
  });

  it('that are symlinks are saved, and so is where they lead', async () => {
    makeTree(base, { 'data/real/x': '', 'home/link': '-> ../hop', hop: `-> ${base}/data/real`, 'home/other': '' });
    const found = await run(['home/link']);
    expect(found.paths).toEqual(['data', 'data/real', 'data/real/x', 'home', 'home/link', 'hop']);
    expect(found.roots).toEqual(['data/real', 'home/link', 'hop']);
    const through = await run(['home/link/x']);
    expect(through.paths).toEqual(['data', 'data/real', 'data/real/x', 'home', 'home/link', 'hop']);
    expect(through.roots).toEqual(['data/real/x', 'home/link', 'hop']);
  });

  it('that are symlinks to nowhere, or in a circle, are saved as links; where they should lead is missing', async () => {
    makeTree(base, { dangling: '-> no/where', circle: '-> circle2', circle2: '-> circle' });
    const found = await run(['dangling']);
    expect(found.paths).toEqual(['dangling']);
    expect(found.notes).toContainEqual(missing('/no/where'));
    const circle = await run(['circle']);
    expect(circle.paths).toEqual(['circle', 'circle2']);
  });

  it('in an excluded part of another root are saved, with the directories above them', async () => {
    makeTree(base, { 'a/skip/keep/x': '', 'a/skip/y': '', 'a/skip/z/1': '', 'a/x': '' });
    const found = await run(['a', 'a/skip/keep', 'a/skip/z'], { config: { exclude: ['skip'] } }, [
      'a/skip/y',
      'a/skip/gone',
      'a/skip/keep/gone',
    ]);
    expect(found.paths).toEqual(['a', 'a/skip', 'a/skip/keep', 'a/skip/keep/x', 'a/skip/z', 'a/skip/z/1', 'a/x']);
    expect(found.gone).toEqual(['a/skip/y', 'a/skip/gone', 'a/skip/keep/gone']);
  });
});

describe('a root that cannot be had', () => {
  it('is missing: it stays as it was', async () => {
    makeTree(base, { 'a/x': '' });
    const found = await run(['a', 'm', 'mnt/disk/data'], { previousRoots: config('a', 'm', 'mnt/disk/data') }, [
      'a/gone',
      'm',
      'm/x',
      'mnt',
      'mnt/disk',
      'mnt/disk/data/y',
    ]);
    expect(found.notes).toEqual([
      missing('/m'),
      'keep /mnt to /mnt/: holds a root',
      'keep /mnt/disk to /mnt/disk/: holds a root',
      missing('/mnt/disk/data'),
    ]);
    expect(found.gone).toEqual(['a/gone']);
    expect(found.roots).toEqual(['a', 'm', 'mnt/disk/data']);
    expect(found.plan.scan.rootsRead).toBe(1);
  });

  it('is empty where it was not: it stays as it was', async () => {
    makeTree(base, { a: null, b: null });
    const found = await run(['a', 'b'], {}, ['a', 'a/x']);
    expect(found.paths).toEqual(['b']);
    expect(found.notes).toEqual([empty('/a')]);
    expect(found.gone).toEqual([]);
  });

  it('within another root too: that its parent does not have it proves nothing', async () => {
    makeTree(base, { 'r/x': '', 'r/disk': null, 'r/sub/y': '' });
    const roots = ['r', 'r/disk', 'r/gone', 'r/sub/deep/data', 'r/x/y', 'r/z'];
    const found = await run(roots, {}, [
      'r/disk/1',
      'r/gone',
      'r/gone/1',
      'r/other',
      'r/sub/deep',
      'r/sub/deep/other',
      'r/sub/deep/data/1',
      'r/z/1',
    ]);
    expect(found.notes).toEqual([
      empty('/r/disk'),
      missing('/r/gone'),
      'keep /r/sub/deep to /r/sub/deep/: holds a root',
      missing('/r/sub/deep/data'),
      missing('/r/x/y'),
      missing('/r/z'),
    ]);
    expect(found.gone).toEqual(['r/other', 'r/sub/deep/other']);
  });

  it('goes when it is said that it may: missing, empty, or what a glob matched', async () => {
    makeTree(base, { e: null, 'u/ann/P': null, 'ok/x': '' });
    const active = ['m', 'm/x', 'e', 'e/x', 'u/bob/P', 'u/bob/P/1', 'u/bob'];
    const acceptEmpty = [at('m'), at('e'), at('u/bob/P')];
    const found = await run(
      ['m', 'e', 'u/*/P', 'ok'],
      { acceptEmpty, previousRoots: config('m', 'e', 'u/bob/P', 'ok') },
      active,
    );
    expect(found.notes).toEqual([]);
    expect(found.gone).toEqual(['m', 'm/x', 'e/x', 'u/bob/P', 'u/bob/P/1', 'u/bob']);
    expect(found.roots).toEqual(['e', 'm', 'ok', 'u/ann/P']);
    expect(found.problems).toEqual([]);
    const wrong = await run(['ok'], { acceptEmpty: [at('typo')] });
    expect(wrong.problems).toEqual(['/typo is no backup root: --accept-empty has no effect']);
  });

  it('but a root that has files is saved, whatever is accepted', async () => {
    makeTree(base, { 'a/x': '' });
    const found = await run(['a'], { acceptEmpty: [at('a')] }, ['a/x', 'a/y']);
    expect(found.paths).toEqual(['a', 'a/x']);
    expect(found.gone).toEqual(['a/y']);
  });

  it('was matched by a glob, and is missing like any other', async () => {
    makeTree(base, { 'u/ann/P/1': '' });
    const found = await run(['u/*/P'], { previousRoots: config('u/ann/P', 'u/bob/P') }, ['u/bob/P/1', 'u/bob']);
    expect(found.notes).toEqual(['keep /u/bob to /u/bob/: holds a root', missing('/u/bob/P')]);
    expect(found.roots).toEqual(['u/ann/P', 'u/bob/P']);
    expect(found.gone).toEqual([]);
  });

  it('is a literal name that looks like a glob', async () => {
    const found = await run(['a [b]'], { previousRoots: config('a [b]') }, ['a [b]/x']);
    expect(found.notes).toEqual([missing(String.raw`/a \[b\]`)]);
    expect(found.problems).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)('lies where a glob may not search', () => {
    makeTree(base, { 'u/x/P/1': '' });
    fs.chmodSync(base, 0o755);
    fs.chmodSync(join(base, 'u'), 0o700);
    const { stdout, stderr } = runNode(
      base,
      `import { planRoots, scan } from 'SRC/scan/index.ts';
       import { nativeAvailable } from 'SRC/platform/index.ts'; nativeAvailable();
       process.setgid(65534); process.setuid(65534);
       const plan = await planRoots({ config: { backupRoots: ['${base}/u/*/P'], exclude: [], excludeFiles: [] }, roots: [], exclude: [], acceptEmpty: [],
         previousRoots: [{ path: '${base}/u/x/P', adHoc: false }], hasEntries: () => true, neverSaved: [], confirm: async () => false });
       console.log(JSON.stringify([plan.problems, [...scan(plan.scan)].filter((item) => item.kind === 'keep'), plan.roots]));`,
    );
    expect(stderr).toBe('');
    const [problems, kept, roots] = JSON.parse(stdout);
    expect(problems).toEqual([
      { path: keyOf(at('u')), message: `cannot be searched for what matches ${base}/u/*/P: EACCES` },
    ]);
    expect(kept).toContainEqual(expect.objectContaining({ key: keyOf(at('u/x/P')), error: true, root: true }));
    expect(roots).toEqual(config('u/x/P'));
  });
});

describe('a root that is gone from the config', () => {
  const active = ['a/x', 'b', 'b/x', 'deep', 'deep/c', 'deep/c/x'];
  const previousRoots = () => config('a', 'b', 'deep/c');
  beforeEach(() => makeTree(base, { 'a/x': '', 'b/x': '', 'deep/c/x': '' }));

  it('stays until that is confirmed', async () => {
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) === 0;
    const found = await run(['a'], { previousRoots: previousRoots(), confirm }, active);
    expect(questions).toEqual([
      `No longer among the backup roots: ${base}/b, ${base}/deep/c. Let their files pass into history?`,
    ]);
    expect(found.gone).toEqual([]);
    expect(found.roots).toEqual(['a', 'b', 'deep/c']);
    expect(found.problems).toEqual([unconfirmed('/b'), unconfirmed('/deep/c')]);
    expect(found.paths).toEqual(['a', 'a/x', 'deep']);
  });

  it('goes when it is confirmed, and the directories above it with it', async () => {
    const found = await run(['a'], { previousRoots: previousRoots(), confirm: async () => true }, active);
    expect(found.gone).toEqual(['b', 'b/x', 'deep', 'deep/c', 'deep/c/x']);
    expect(found.roots).toEqual(['a']);
    expect(found.problems).toEqual([]);
  });

  it('asks nothing when all are still there, one is part of another now, or is newly excluded', async () => {
    const confirm = async () => expect.fail('nothing to ask');
    expect((await run(['a', 'b', 'deep/c'], { previousRoots: previousRoots(), confirm })).roots).toEqual([
      'a',
      'b',
      'deep/c',
    ]);
    const wider = await run(['a', 'b', 'deep'], { previousRoots: previousRoots(), confirm }, ['deep/c/gone']);
    expect(wider.roots).toEqual(['a', 'b', 'deep']);
    expect(wider.gone).toEqual(['deep/c/gone']);
    const excluded = await run(['*'], { previousRoots: previousRoots(), confirm, config: { exclude: ['b'] } }, active);
    expect(excluded.gone).toEqual(['b', 'b/x']);
  });

  it('gives way to a narrower one', async () => {
    makeTree(base, { 'b/in/y': '' });
    const narrow = ['a', 'b/in', 'deep/c'];
    const was = [...active, 'b/in', 'b/in/y', 'b/in/gone', 'b/zz'];
    const kept = await run(narrow, { previousRoots: previousRoots() }, was);
    expect(kept.gone).toEqual(['b/in/gone']);
    expect(kept.roots).toEqual(['a', 'b', 'b/in', 'deep/c']);
    const confirmed = await run(narrow, { previousRoots: previousRoots(), confirm: async () => true }, was);
    expect(confirmed.gone).toEqual(['b/x', 'b/in/gone', 'b/zz']);
    expect(confirmed.paths).toEqual(['a', 'a/x', 'b', 'b/in', 'b/in/y', 'deep', 'deep/c', 'deep/c/x']);
  });

  it('goes unasked when it is accepted by name', async () => {
    const confirm = async () => expect.fail('nothing to ask');
    const found = await run(
      ['a', 'b'],
      { previousRoots: previousRoots(), confirm, acceptEmpty: [at('deep/c')] },
      active,
    );
    expect(found.gone).toEqual(['deep', 'deep/c', 'deep/c/x']);
    expect(found.problems).toEqual([]);
  });
});

describe('roots of the command line', () => {
  beforeEach(() => makeTree(base, { 'a/x': '', 'a/sub/y': '', 'b/x': '', 'c/d/x': '' }));
  const active = ['a', 'a/x', 'a/gone', 'a/sub/gone', 'b/gone', 'c/d/gone', 'ad/hoc', 'old/x'];

  it('at or in one of the config are a partial run of it; all else stays', async () => {
    const previousRoots = [...config('a', 'b', 'old'), ...adHoc('ad')];
    const confirm = async () => expect.fail('nothing to ask');
    const found = await run(['a', 'b'], { roots: [at('a/sub')], previousRoots, confirm }, active);
    expect(found.paths).toEqual(['a', 'a/sub', 'a/sub/y']);
    expect(found.gone).toEqual(['a/sub/gone']);
    expect(found.roots).toEqual(['a', '+ad', 'b', 'old']);
    expect(found.plan.partial).toBe(true);
    expect(found.problems).toEqual([]);
    const one = await run(['a', 'b'], { roots: [at('b')], previousRoots }, active);
    expect(one.gone).toEqual(['b/gone']);
    expect(one.plan.partial).toBe(true);
  });

  it('that name all there is are no partial run', async () => {
    const found = await run(['a', 'b'], { roots: [at('a'), at('b')], previousRoots: config('a', 'b') }, active);
    expect(found.plan.partial).toBe(false);
    expect(found.gone).toEqual(['a/gone', 'a/sub/gone', 'b/gone']);
    expect((await run(['a', 'b'])).plan.partial).toBe(false);
    expect((await run(['a', 'b'], { roots: [at('a')] })).plan.partial).toBe(true);
  });

  it('elsewhere are ad hoc: later runs carry them over without a word', async () => {
    const first = await run(['a'], { roots: [at('c/d')], previousRoots: config('a') }, active);
    expect(first.roots).toEqual(['a', '+c/d']);
    expect(first.gone).toEqual(['c/d/gone']);
    fs.rmSync(join(base, 'c'), { recursive: true });
    const confirm = async () => expect.fail('nothing to ask');
    const later = await run(['a'], { previousRoots: [...config('a'), ...adHoc('c/d')], confirm }, [
      'c',
      'c/d',
      'c/d/x',
      'a/gone',
    ]);
    expect(later.roots).toEqual(['a', '+c/d']);
    expect(later.gone).toEqual(['a/gone']);
    expect(later.problems).toEqual([]);
    expect(later.notes.some((line) => line.includes('error'))).toBe(false);
    const part = await run(['a'], { roots: [at('c/d/x')], previousRoots: [...config('a'), ...adHoc('c/d')] });
    expect(part.roots).toEqual(['a', '+c/d']);
    const retired = await run(['a'], { previousRoots: [...config('a'), ...adHoc('c/d')], acceptEmpty: [at('c/d')] }, [
      'c',
      'c/d',
      'c/d/x',
    ]);
    expect(retired.gone).toEqual(['c', 'c/d', 'c/d/x']);
    expect(retired.roots).toEqual(['a']);
  });

  it('obey the rules of the root that they are part of', async () => {
    makeTree(base, { 'a/.backupninjaignore': 'sub/y\nlogs/\n', 'a/logs/1': '', 'a/sub/z': '' });
    const options = { previousRoots: config('a'), config: { exclude: ['*.tmp'] } };
    expect((await run(['a'], { ...options, roots: [at('a/sub')] })).paths).toEqual(['a', 'a/sub', 'a/sub/z']);
    const excluded = await run(['a'], { ...options, roots: [at('a/logs'), at('a/logs/1'), at('a/sub')] }, ['a/logs/1']);
    expect(excluded.problems).toEqual([
      `/a/logs is not saved: excluded by 'logs/' (${base}/a/.backupninjaignore, line 2)`,
      `/a/logs/1 is not saved: excluded by 'logs/' (${base}/a/.backupninjaignore, line 2)`,
    ]);
    expect(excluded.paths).toEqual(['a', 'a/sub', 'a/sub/z']);
    expect(excluded.gone).toEqual([]);
    makeTree(base, { 'v/x.tmp': '' });
    expect((await run(['a'], { ...options, roots: [at('v/x.tmp')] })).paths).toEqual(['v', 'v/x.tmp']);
  });

  it('that are missing keep what was saved of them', async () => {
    const found = await run(['a'], { roots: [at('a/none'), at('nowhere')], previousRoots: config('a') }, ['a/none/x']);
    expect(found.notes).toEqual([missing('/a/none'), missing('/nowhere')]);
    expect(found.gone).toEqual([]);
    expect(found.plan.scan.rootsRead).toBe(0);
  });

  it('around roots of the config leave out nothing that those have', async () => {
    makeTree(base, { 'c/tmp/in/x': '' });
    const options = { previousRoots: config('c/tmp/in'), config: { exclude: ['tmp'] } };
    const found = await run(['c/tmp/in'], { ...options, roots: [at('c')] }, ['c/tmp/in/x', 'c/tmp/in/gone']);
    expect(found.paths).toEqual(['c', 'c/d', 'c/d/x', 'c/tmp', 'c/tmp/in', 'c/tmp/in/x']);
    expect(found.gone).toEqual(['c/tmp/in/gone']);
    expect(found.roots).toEqual(['+c', 'c/tmp/in']);
  });

  it('may come from a file, each line as it is', async () => {
    makeTree(base, { 'c/*': 'x' });
    const found = await run(['a'], { filesFrom: [at('c/*'), at('a/x')], previousRoots: config('a') });
    expect(found.paths).toEqual(['a', 'a/x', 'c', 'c/*']);
    expect(found.roots).toEqual(['a', '+c/*']);
    const many = Array.from({ length: 5_000 }, (_, i) => at(`c/file-${i}`));
    const started = process.cpuUsage();
    await planRoots(planOptions({ filesFrom: many, previousRoots: many.map((path) => ({ path, adHoc: true })) }));
    // Microseconds; far more if each line were compared with each.
    expect(process.cpuUsage(started).user).toBeLessThan(3_000_000);
  });

  it('leave a place for standard input, which later runs do not miss', async () => {
    const first = await run(['a'], { stdin: at('a/dump/db.sql'), previousRoots: config('a') }, active);
    expect(first.items.map((item) => item.kind)).toContain('stdin');
    expect(first.notes).toEqual(['keep /a/dump to /a/dump/: holds a root', 'stdin /a/dump/db.sql']);
    expect(first.roots).toEqual(['a', '+a/dump/db.sql']);
    expect(first.gone).toEqual([]);
    const previousRoots = [...config('a'), ...adHoc('a/dump/db.sql')];
    const later = await run(['a'], { previousRoots }, ['a/dump', 'a/dump/db.sql', 'a/dump/other', 'a/gone']);
    expect(later.gone).toEqual(['a/dump/other', 'a/gone']);
    expect(later.roots).toEqual(['a', '+a/dump/db.sql']);
    expect(later.problems).toEqual([]);
    const part = await run(['a'], { roots: [at('a')], previousRoots }, ['a/dump/db.sql']);
    expect(part.gone).toEqual([]);
  });
});

describe('an unreadable directory with roots in it', () => {
  it.skipIf(process.getuid?.() !== 0)('stays as it was around them', () => {
    makeTree(base, { 'r/p/root/x': '', 'r/p/secret': '', 'r/p/s/t/y': '' });
    fs.chmodSync(base, 0o755);
    fs.chmodSync(join(base, 'r/p'), 0o711);
    const roots = ['r', 'r/p/root', 'r/p/s/t'].map((path) => join(base, path));
    const { stdout, stderr } = runNode(
      base,
      `import { planRoots, scan } from 'SRC/scan/index.ts';
       import { nativeAvailable } from 'SRC/platform/index.ts'; nativeAvailable();
       process.setgid(65534); process.setuid(65534);
       const plan = await planRoots({ config: { backupRoots: ${JSON.stringify(roots)}, exclude: [], excludeFiles: [] }, roots: [], exclude: [], acceptEmpty: [],
         previousRoots: [], hasEntries: () => true, neverSaved: [], confirm: async () => false });
       console.log(JSON.stringify([...scan(plan.scan)]));`,
    );
    expect(stderr).toBe('');
    const items = JSON.parse(stdout) as ScanItem[];
    expect(
      items
        .filter((item) => pathOf(item.key).startsWith(`${base}/r`))
        .map(
          (item) =>
            `${item.kind} ${show(item.key).slice(base.length)}${item.kind === 'keep' ? ` ${show(item.end).slice(base.length)} ${item.error}` : ''}`,
        ),
    ).toEqual([
      'entry /r',
      'entry /r/p',
      'keep /r/p /r/p/root true',
      'entry /r/p/root',
      'entry /r/p/root/x',
      'keep /r/p/root~ /r/p/s/t false',
      'entry /r/p/s',
      'entry /r/p/s/t',
      'entry /r/p/s/t/y',
      'keep /r/p/s/t~ /r/p~ false',
    ]);
  });
});
