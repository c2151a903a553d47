import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Archive } from './archive.js';
import { isRoot, needPrograms, needRoot, sh, temporaryFolder } from './cli.js';
import { expectSamePicture, expectSameTree, pictureOf } from './compare.js';
import { ordinaryTree } from './trees.js';

/** Paths that the latest snapshot has below a folder, relative to it. */
async function latestBelow(archive: Archive, folder: string): Promise<string[]> {
  const rows = await archive.json('ls', ['-R', folder]);
  return rows.map(({ path }) => path.slice(folder.length + 1));
}

/** Paths below a folder in any snapshot. */
async function everBelow(archive: Archive, folder: string): Promise<string[]> {
  const rows = await archive.json('find', [`${folder}/**`, '--all']);
  return rows.map(({ path }) => path.slice(folder.length + 1)).filter((path) => path !== '');
}

describe('a root that is not what it was keeps its versions', () => {
  test('an unmounted disk', async (context) => {
    needRoot(context, 'mount');
    const disk = temporaryFolder();
    sh('mount', '-t', 'tmpfs', '-o', 'size=32m', 'test', disk);
    let mounted = true;
    onTestFinished(() => {
      if (mounted) sh('umount', disk);
    });
    ordinaryTree(disk, 'disk', 50);
    const home = temporaryFolder();
    ordinaryTree(home, 'home', 20);
    const archive = await Archive.make({ roots: [disk, home] });
    await archive.backup();
    const picture = pictureOf(disk);
    const paths = await latestBelow(archive, disk);
    expect(paths.length).toBeGreaterThan(50);

    sh('umount', disk);
    mounted = false;
    expect(readdirSync(disk)).toEqual([]);
    for (const args of [[], ['--soft'], ['--full'], ['--yes']]) {
      writeFileSync(join(home, 'changed'), String(args));
      const outcome = await archive.run(['backup', ...args]);
      expect(outcome.code).toBe(3);
      expect(outcome.stderr).toContain(disk);
      expect(await latestBelow(archive, disk)).toEqual(paths);
    }
    const target = join(archive.folder, 'restored');
    await archive.restore(target);
    const restored = pictureOf(join(target, disk));
    // The mount point itself is what it is now, or what it was.
    for (const both of [restored, picture]) both.delete('');
    expectSamePicture(restored, picture);

    // Only who says so lets it go; its history stays.
    await archive.backup(['--accept-empty', disk]);
    expect(await latestBelow(archive, disk)).toEqual([]);
    expect(await everBelow(archive, disk)).toEqual(paths);
    await archive.backup();
  });

  test('a missing one, an empty one, and one that cannot be listed', async () => {
    const roots = ['missing', 'empty', 'locked'].map((name) => join(temporaryFolder(), name));
    for (const root of roots) ordinaryTree(root, root, 10);
    const archive = await Archive.make({ roots });
    await archive.backup();
    const before = await Promise.all(roots.map((root) => latestBelow(archive, root)));
    renameSync(roots[0]!, `${roots[0]} away`);
    renameSync(roots[1]!, `${roots[1]} away`);
    mkdirSync(roots[1]!);
    chmodSync(roots[2]!, 0);
    const result = await archive.backup([], 3, { under: withoutPrivilege() });
    expect(result.files.removed).toBe(0);
    for (const [i, root] of roots.entries()) expect(await latestBelow(archive, root)).toEqual(before[i]);
    // When they are back, all is well again.
    chmodSync(roots[2]!, 0o755);
    rmSync(roots[1]!, { recursive: true });
    for (const root of roots.slice(0, 2)) renameSync(`${root} away`, root!);
    expect((await archive.backup()).files).toMatchObject({ new: 0, removed: 0 });
  });

  test('no root of a first run can be read', async () => {
    const archive = await Archive.make({ roots: ['/nowhere/at/all'] });
    const { code, stderr } = await archive.run(['backup']);
    expect(code).toBe(1);
    expect(stderr).toContain('/nowhere/at/all');
    expect(await archive.json('snapshots')).toEqual([]);
  });

  test('a folder in the tree that cannot be read', async () => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree, 'a', 30);
    const folder = join(archive.tree, 'folder 1');
    await archive.backup();
    const before = await latestBelow(archive, archive.tree);
    chmodSync(folder, 0);
    writeFileSync(join(archive.tree, 'beside it'), 'still saved');
    for (let i = 0; i < 2; i++) {
      const result = await archive.backup([], 3, { under: withoutPrivilege() });
      expect(result.files).toMatchObject({ removed: 0 });
      expect(result.errors.map(({ path }) => path)).toContain(folder);
      expect(await latestBelow(archive, archive.tree)).toEqual([...before, 'beside it'].sort(byKey));
    }
    chmodSync(folder, 0o755);
  });

  test('a file that cannot be read', async () => {
    const archive = await Archive.make();
    writeFileSync(join(archive.tree, 'file'), 'first');
    await archive.backup();
    writeFileSync(join(archive.tree, 'file'), 'second, unseen');
    chmodSync(join(archive.tree, 'file'), 0);
    const result = await archive.backup([], 3, { under: withoutPrivilege() });
    expect(result).toMatchObject({ files: { unreadable: 1, removed: 0 } });
    const restored = await archive.restore(join(archive.folder, 'restored'));
    expect(readFileSync(join(restored, 'file'), 'utf8')).toBe('first');
  });
});

describe('roots gone from the config', () => {
  test('stay until somebody says yes', async () => {
    const roots = ['a', 'b'].map((name) => join(temporaryFolder(), name));
    for (const root of roots) ordinaryTree(root, root, 10);
    const archive = await Archive.make({ roots });
    await archive.backup();
    const before = await latestBelow(archive, roots[1]!);
    archive.configure({ backup_roots: [roots[0]] });
    for (let i = 0; i < 2; i++) {
      const outcome = await archive.run(['backup']);
      expect(outcome.code).toBe(3);
      expect(outcome.stderr).toContain(roots[1]);
      expect(await latestBelow(archive, roots[1]!)).toEqual(before);
    }
    await archive.backup(['--yes']);
    expect((await archive.run(['ls', roots[1]!])).stdout).toBe('');
    expect(await everBelow(archive, roots[1]!)).toEqual(before);
    await archive.backup(); // And from then on nothing is said.
  });
});

describe('entries', () => {
  test('a hard link whose twin goes is whole', async () => {
    const archive = await Archive.make();
    const [one, two] = ['one', 'two'].map((name) => join(archive.tree, name));
    writeFileSync(join(archive.tree, 'other'), 'so that the root is never empty');
    writeFileSync(one!, 'the content of both');
    linkSync(one!, two!);
    const { snapshot } = await archive.backup();
    rmSync(one!);
    await archive.backup();
    rmSync(two!);
    expect((await archive.backup()).files.removed).toBe(1);

    for (const [args, names] of [
      [
        ['--snapshot', snapshot!],
        ['one', 'two'],
      ],
      [['--snapshot', snapshot!, two!], ['two']],
      [['--snapshot', snapshot!, one!], ['one']],
      [['--deleted'], ['one', 'two']],
    ] as const) {
      const restored = await archive.restore(join(archive.folder, String(args)), [...args]);
      expect(readdirSync(restored).filter((name) => name !== 'other')).toEqual(names);
      for (const name of names) expect(readFileSync(join(restored, name), 'utf8')).toBe('the content of both');
      if (args[0] === '--snapshot') expect(statSync(join(restored, names[0]!)).nlink).toBe(names.length);
    }
    // Saved again after the twin went: the snapshot in between has the one that was left.
    const middle = (await archive.json('snapshots'))[1]!.id;
    const restored = await archive.restore(join(archive.folder, 'middle'), ['--snapshot', middle]);
    expect(readdirSync(restored)).toEqual(['other', 'two']);
    expect(readFileSync(join(restored, 'two'), 'utf8')).toBe('the content of both');
  });

  test('a/b beside a-b: each goes alone', async () => {
    const archive = await Archive.make();
    const write = (path: string) => {
      mkdirSync(join(archive.tree, path, '..'), { recursive: true });
      writeFileSync(join(archive.tree, path), path);
    };
    const all = ['a-b', 'a/b', 'a.b', 'a b', 'a/b-c', 'a/b.c', 'a-b-c', 'a!', 'a0', 'ab/c'];
    for (const path of all) write(path);
    await archive.backup();
    for (const path of all) {
      const folder = join(archive.tree, path, '..');
      rmSync(join(archive.tree, path));
      const result = await archive.backup();
      expect(result.files, path).toMatchObject({ new: 0, removed: 1, unchanged: all.length - 1 });
      expect((await latestBelow(archive, archive.tree)).sort()).not.toContain(path);
      mkdirSync(folder, { recursive: true });
      write(path);
      expect((await archive.backup()).files, path).toMatchObject({ new: 1, removed: 0 });
    }
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
  }, 120_000);

  test('a folder becomes a file, a file a folder, a link either', async () => {
    const archive = await Archive.make();
    const at = (path: string) => join(archive.tree, path);
    mkdirSync(at('x'));
    for (let i = 0; i < 20; i++) writeFileSync(at(`x/${i}`), `${i}`);
    writeFileSync(at('y'), 'file');
    await archive.backup();
    const before = pictureOf(archive.tree);
    const first = (await archive.json('snapshots'))[0]!.id;
    rmSync(at('x'), { recursive: true });
    rmSync(at('y'));
    writeFileSync(at('x'), 'now a file');
    mkdirSync(at('y'));
    writeFileSync(at('y/z'), 'in it');
    await archive.backup();
    const target = join(archive.folder, 'restored');
    expectSameTree(await archive.restore(target), archive.tree);
    // Over one another, both ways.
    expectSamePicture(pictureOf(await archive.restore(target, ['--snapshot', first, '--delete', '--yes'])), before);
    expectSameTree(await archive.restore(target, ['--delete', '--yes']), archive.tree);
  });

  test('a write through mmap that moves no time is seen by the next backup', async (context) => {
    needPrograms(context, 'python3');
    const archive = await Archive.make();
    const file = join(archive.tree, 'mapped');
    writeFileSync(file, Buffer.alloc(100_000, 'x'));
    const child = spawn('python3', ['-u', '-c', MMAP, file], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const said = createInterface({ input: child.stdout });
    await once(said, 'line'); // The page is mapped and dirty: later writes to it move no time.
    await archive.backup();
    const before = statSync(file, { bigint: true });
    child.stdin.write('again\n');
    await once(said, 'line');
    const after = statSync(file, { bigint: true });
    expect(readFileSync(file).subarray(0, 6).toString()).toBe('second');
    if (after.mtimeNs !== before.mtimeNs) context.annotate('this file system moved the time: the test shows nothing');
    const result = await archive.backup(['--soft']);
    expect(result.silent_changes).toEqual([]);
    const restored = await archive.restore(join(archive.folder, 'restored'));
    expect(readFileSync(join(restored, 'mapped')).subarray(0, 6).toString()).toBe('second');
  });

  test('neither the store nor the catalog saves itself', async () => {
    const root = temporaryFolder();
    const archive = await Archive.make({ folder: join(root, 'inside'), roots: [root] });
    writeFileSync(join(root, 'file'), 'saved');
    await archive.backup();
    await archive.backup();
    const paths = await latestBelow(archive, root);
    expect(paths).toContain('file');
    expect(paths.filter((path) => path.startsWith('inside/store/') || path.startsWith('inside/tables/'))).toEqual([]);
    expect(existsSync(archive.store)).toBe(true);
  });
});

const MMAP = `
import mmap, sys
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[0:5] = b'first'
print('ready')
sys.stdin.readline()
m[0:6] = b'second'
print('done')
sys.stdin.readline()
`;

/** What takes away root's right to read everything. */
function withoutPrivilege(): string[] {
  if (!isRoot) return [];
  const rights = '-dac_override,-dac_read_search';
  return ['setpriv', `--bounding-set=${rights}`, `--inh-caps=${rights}`, '--'];
}

/** The order of path keys: parents right before their children. */
function byKey(a: string, b: string): number {
  const [x, y] = [a, b].map((path) => Buffer.from(path.replaceAll('/', '\0')));
  return Buffer.compare(x!, y!);
}
