import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ByteString, fromBytes, fromDisplay, toBytes } from '../../src/bytes.js';
import { EntryType } from '../../src/format/entry.js';
import { closeFd, createFileAt, makeDirectoryAt, openDirectory, openDirectoryAt } from '../../src/platform/index.js';
import { keyOf, pathOf, type ScanEntry, type ScanItem, scan } from '../../src/scan/index.js';
import { nodeCommand, runNode } from '../support/child.js';
import { freshFolder, makeTree, notes, pathsBelow, planFor, scanRoots, show } from './support.js';

let base = '';
beforeEach(() => {
  base = freshFolder();
});

const entries = (items: ScanItem[]) => items.filter((item): item is ScanEntry => item.kind === 'entry');
const entryOf = (items: ScanItem[], path: string) => entries(items).find((item) => item.path === fromDisplay(path))!;
const isRoot = process.getuid?.() === 0;

describe('order', () => {
  it('is that of path keys: a directory, what is in it, then its siblings, by bytes', async () => {
    makeTree(base, {
      'a/b': '',
      'a-b': '',
      'a.b': '',
      'a/b-c': '',
      'a/b!': '',
      A: '',
      '\x80': '',
      '\xff\xfe': '',
      'z/\xc3\xa4': '',
      'a\x01': '',
    });
    const items = await scanRoots([base]);
    expect(pathsBelow(items, base)).toEqual([
      'A',
      'a',
      'a/b',
      'a/b!',
      'a/b-c',
      'a\x01',
      'a-b',
      'a.b',
      'z',
      'z/\xc3\xa4',
      '\x80',
      '\xff\xfe',
    ]);
  });

  it('holds for any tree, and everything is there once', async () => {
    const name = fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 3 }).map((bytes) => {
      const text = fromBytes(bytes).replaceAll('/', '-');
      return text === '.' || text === '..' ? 'dot' : text;
    });
    const path = fc.array(name, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 20 }), async (paths) => {
        const top = fs.mkdtempSync(join(base, 'tree-'));
        const expected = new Set<ByteString>();
        for (const parts of paths) {
          // Directories all the way, but for a file where nothing is yet.
          parts.forEach((_, i) => {
            const below = parts.slice(0, i + 1).join('/');
            const full = toBytes(`${top}/${below}`);
            if (fs.existsSync(full)) return;
            const parent = fs.lstatSync(toBytes(`${top}/${parts.slice(0, i).join('/')}`), { throwIfNoEntry: false });
            if (parent?.isDirectory() !== true) return;
            if (i === parts.length - 1) fs.writeFileSync(full, 'x');
            else fs.mkdirSync(full);
            expected.add(below);
          });
        }
        const items = await scanRoots([top]);
        const keys = items.map((item) => item.key);
        expect(keys).toEqual([...keys].sort((a, b) => Buffer.compare(toBytes(a), toBytes(b))));
        expect(new Set(keys).size).toBe(keys.length);
        expect(new Set(pathsBelow(items, top))).toEqual(expected);
      }),
      { numRuns: 60, examples: [[[['å'], ['å', '\u0001']]]] },
    );
  });

  it('begins with the directories above the roots', async () => {
    makeTree(base, { 'r/one': '', 's/two': '' });
    const items = await scanRoots([join(base, 's'), join(base, 'r')]);
    const above = base
      .split('/')
      .slice(1)
      .map((_, i, parts) => parts.slice(0, i + 1).join('/'));
    expect(items.map((item) => show(item.key).slice(1))).toEqual([
      '',
      ...above,
      ...['r', 'r/one', 's', 's/two'].map((path) => `${base.slice(1)}/${path}`),
    ]);
    expect(
      entries(items).every((item) => item.type === (/one|two/.test(item.path) ? EntryType.file : EntryType.dir)),
    ).toBe(true);
  });
});

describe('entries', () => {
  it('hold what lstat tells, to the nanosecond', async () => {
    makeTree(base, { file: 'twelve bytes', link: '-> file', dangling: '-> no/such\xff' });
    fs.chmodSync(join(base, 'file'), 0o4751);
    fs.linkSync(join(base, 'file'), join(base, 'other'));
    spawnSync('touch', ['-d', '2001-02-03T04:05:06.123456789Z', join(base, 'other')]);
    const items = await scanRoots([base]);
    const file = entryOf(items, `${base}/file`);
    const stat = fs.lstatSync(join(base, 'file'), { bigint: true });
    expect(file).toMatchObject({
      type: EntryType.file,
      size: 12,
      mode: 0o4751,
      nlink: 2,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    expect([file.mtimeSec, file.mtimeNsec]).toEqual([Date.UTC(2001, 1, 3, 4, 5, 6) / 1000, 123456789]);
    expect(BigInt(file.ctimeSec) * 1_000_000_000n + BigInt(file.ctimeNsec)).toBe(stat.ctimeNs);
    expect(BigInt(file.ino)).toBe(stat.ino % 2n ** 53n);
    expect(file.blocks).toBe(Number(stat.blocks));
    const other = entryOf(items, `${base}/other`);
    expect([other.ino, other.dev, other.mountKey]).toEqual([file.ino, file.dev, file.mountKey]);
    expect(entryOf(items, `${base}/link`)).toMatchObject({ type: EntryType.symlink, target: 'file', size: 0 });
    expect(entryOf(items, `${base}/dangling`).target).toBe(fromDisplay('no/such\xff'));
    expect(entryOf(items, base).target).toBeUndefined();
    spawnSync('touch', ['-d', '@-1000.5', join(base, 'file')]);
    const old = entryOf(await scanRoots([base]), `${base}/file`);
    expect([old.mtimeSec, old.mtimeNsec]).toEqual([-1001, 500_000_000]);
  });

  it('are given for sockets, fifos and devices too, none of which is opened', async () => {
    spawnSync('mkfifo', [join(base, 'fifo')]);
    const server = createServer().listen(join(base, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    if (isRoot) spawnSync('mknod', [join(base, 'device'), 'c', '1', '7']);
    const items = await scanRoots([base]);
    server.close();
    expect(entryOf(items, `${base}/fifo`).type).toBe(EntryType.fifo);
    expect(entryOf(items, `${base}/socket`).type).toBe(EntryType.socket);
    if (isRoot)
      expect(entryOf(items, `${base}/device`)).toMatchObject({ type: EntryType.chardev, rdevMajor: 1, rdevMinor: 7 });
  });

  it('of symlinks to directories are links, and nothing below them', async () => {
    makeTree(base, { 'real/x': '', link: '-> real', loop: '-> .' });
    expect(pathsBelow(await scanRoots([base]), base)).toEqual(['link', 'loop', 'real', 'real/x']);
  });
});

describe('depth', () => {
  it('may go beyond the longest path of the kernel, and beyond the number of open files', async () => {
    const name = 'd'.repeat(200);
    let fd = openDirectory(fromDisplay(base));
    for (let depth = 0; depth < 150; depth++) {
      // A name after the directory, so that each one above has to be opened again on the way back.
      for (const file of ['a', 'z']) closeFd(createFileAt(fd, file, 0o600));
      makeDirectoryAt(fd, name, 0o700);
      const next = openDirectoryAt(fd, name);
      closeFd(fd);
      fd = next;
    }
    closeFd(fd);
    const before = fs.readdirSync('/proc/self/fd').length;
    const plan = await planFor([base]);
    let most = 0;
    const items: ScanItem[] = [];
    for (const item of scan(plan.scan)) {
      items.push(item);
      if (items.length % 50 === 0) most = Math.max(most, fs.readdirSync('/proc/self/fd').length);
    }
    expect(items.filter((item) => item.kind !== 'entry')).toEqual([]);
    expect(pathsBelow(items, base)).toHaveLength(450);
    expect(Math.max(...items.map((item) => item.key.length))).toBeGreaterThan(30_000);
    expect(items.at(-1)?.key).toBe(`${keyOf(fromDisplay(base))}\0z`);
    expect(most - before).toBeLessThan(110);
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before);
  });

  it('closes everything when it is stopped half-way', async () => {
    makeTree(base, { 'a/b/c/d': '' });
    const plan = await planFor([base]);
    const before = fs.readdirSync('/proc/self/fd').length;
    for (const item of scan(plan.scan)) if (item.key.endsWith('\0d')) break;
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before);
  });
});

describe('a tree that changes while it is walked', () => {
  /** Walks, and calls `change` when the entry at `path` has come. */
  async function walkWith(path: string, change: () => void): Promise<ScanItem[]> {
    const plan = await planFor([base]);
    const items: ScanItem[] = [];
    for (const item of scan(plan.scan)) {
      items.push(item);
      if (pathOf(item.key) === `${base}/${path}`) change();
    }
    return items;
  }

  beforeEach(() => makeTree(base, { 'a/1': '', 'b/1': '', 'c/1': '', d: 'file' }));

  it('does not yield what has gone since its directory was read', async () => {
    const items = await walkWith('a', () => {
      fs.rmSync(join(base, 'b'), { recursive: true });
      fs.rmSync(join(base, 'd'));
    });
    expect(pathsBelow(items, base)).toEqual(['a', 'a/1', 'c', 'c/1']);
    expect(notes(items)).toEqual([]);
  });

  it('takes what has become something else as what it is', async () => {
    const items = await walkWith('a', () => {
      fs.rmSync(join(base, 'b'), { recursive: true });
      fs.symlinkSync('/etc', join(base, 'b'));
      fs.rmSync(join(base, 'c'), { recursive: true });
      fs.writeFileSync(join(base, 'c'), '');
      fs.rmSync(join(base, 'd'));
      fs.mkdirSync(join(base, 'd/new'), { recursive: true });
    });
    expect(pathsBelow(items, base)).toEqual(['a', 'a/1', 'b', 'c', 'd', 'd/new']);
    expect([entryOf(items, `${base}/b`).type, entryOf(items, `${base}/c`).type]).toEqual([
      EntryType.symlink,
      EntryType.file,
    ]);
    expect(notes(items)).toEqual([]);
  });

  it('asks the rules again about what has become something else', async () => {
    const plan = await planFor([base], { exclude: ['c/', '!/**/d/', 'd'] });
    const items: ScanItem[] = [];
    for (const item of scan(plan.scan)) {
      items.push(item);
      if (!item.key.endsWith('\0a')) continue;
      fs.rmSync(join(base, 'b'), { recursive: true });
      fs.renameSync(join(base, 'c'), join(base, 'b'));
    }
    expect(pathsBelow(items, base)).toEqual(['a', 'a/1', 'b', 'b/1']);
  });

  it('keeps versions of a directory that was moved away under it, when it cannot find the way back', async () => {
    let deep = 'b';
    for (let depth = 0; depth < 120; depth++) deep += '/x';
    makeTree(base, { [deep]: null, 'b/y': '', 'b/z/1': '' });
    const items = await walkWith(deep, () => {
      fs.renameSync(join(base, 'b/x'), join(base, 'elsewhere'));
      fs.renameSync(join(base, 'b'), join(base, 'moved'));
      fs.mkdirSync(join(base, 'b'));
    });
    expect(notes(items)).toEqual([
      `keep ${base}/b/y to ${base}/b/y~ error: its directory was moved away while it was read`,
      `keep ${base}/b/z to ${base}/b/z~: its directory was moved away while it was read`,
    ]);
    expect(pathsBelow(items, base)).toContain('c/1');
  });

  it('goes on in a directory that was moved, with all in it, as long as it can be reached', async () => {
    const items = await walkWith('b', () => fs.renameSync(join(base, 'b'), join(base, 'moved')));
    expect(pathsBelow(items, base)).toEqual(['a', 'a/1', 'b', 'b/1', 'c', 'c/1', 'd']);
  });
});

describe.skipIf(!isRoot)('what may not be read', () => {
  /** Runs a scan as nobody; what it yields, in lines. */
  function scanAsNobody(root: string): { entries: string[]; notes: string[] } {
    fs.chmodSync(base, 0o755);
    const { stdout, stderr } = runNode(
      base,
      `import { planRoots, scan } from 'SRC/scan/index.ts';
       import { nativeAvailable } from 'SRC/platform/index.ts'; nativeAvailable();
       process.setgid(65534); process.setuid(65534);
       const plan = await planRoots({ config: { backupRoots: [${JSON.stringify(root)}], exclude: [], excludeFiles: [] }, roots: [], exclude: [],
         acceptEmpty: [], previousRoots: [], hasEntries: () => true, neverSaved: [], confirm: async () => false });
       console.log(JSON.stringify([[...scan(plan.scan)], plan.scan.rootsRead]));`,
    );
    expect(stderr).toBe('');
    const [items, rootsRead] = JSON.parse(stdout) as [ScanItem[], number];
    const lines = notes(items.filter((item) => item.kind !== 'entry'));
    return {
      entries: [...pathsBelow(items, base).filter((path) => !path.startsWith('child-')), String(rootsRead)],
      notes: lines,
    };
  }

  it('stays as it was: directories without permission to read or to enter', () => {
    makeTree(base, { 'r/locked/x': '', 'r/listed/x': '', 'r/listed/y': '', 'r/open/x': '', 'r/blind/x': '' });
    fs.chmodSync(join(base, 'r/locked'), 0o700);
    fs.chmodSync(join(base, 'r/listed'), 0o704);
    fs.chmodSync(join(base, 'r/blind'), 0o701);
    const found = scanAsNobody(join(base, 'r'));
    expect(found.entries).toEqual(['r', 'r/blind', 'r/listed', 'r/locked', 'r/open', 'r/open/x', '1']);
    expect(found.notes).toEqual([
      `keep ${base}/r/blind to ${base}/r/blind~ error: cannot be read: permission denied (EACCES)`,
      `keep ${base}/r/listed/x to ${base}/r/listed/x~ error: cannot be looked at: permission denied (EACCES)`,
      `keep ${base}/r/listed/y to ${base}/r/listed/y~ error: cannot be looked at: permission denied (EACCES)`,
      `keep ${base}/r/locked to ${base}/r/locked~ error: cannot be read: permission denied (EACCES)`,
    ]);
  });

  it('stays as it was: roots', () => {
    makeTree(base, { 'r/x': '', 'p/q/x': '' });
    fs.chmodSync(join(base, 'r'), 0o700);
    expect(scanAsNobody(join(base, 'r'))).toEqual({
      entries: ['r', '0'],
      notes: [`keep ${base}/r to ${base}/r~ error root: cannot be read: permission denied (EACCES)`],
    });
    fs.chmodSync(join(base, 'p'), 0o700);
    expect(scanAsNobody(join(base, 'p/q'))).toEqual({
      entries: ['p', '0'],
      notes: [`keep ${base}/p/q to ${base}/p/q~ error root: cannot be looked at: permission denied (EACCES)`],
    });
  });

  it('on the way to a root need not be readable, only passable', () => {
    makeTree(base, { 'p/r/x': '', 'p/secret': '' });
    fs.chmodSync(join(base, 'p'), 0o711);
    expect(scanAsNobody(join(base, 'p/r'))).toEqual({ entries: ['p', 'p/r', 'p/r/x', '1'], notes: [] });
  });

  it('an ignore file too: nothing is left out by it, and that is said', () => {
    makeTree(base, { 'r/.backupninjaignore': 'x', 'r/x': '' });
    fs.chmodSync(join(base, 'r/.backupninjaignore'), 0o600);
    const found = scanAsNobody(join(base, 'r'));
    expect(found.entries).toEqual(['r', 'r/.backupninjaignore', 'r/x', '1']);
    expect(found.notes).toEqual([
      `failed ${base}/r/.backupninjaignore: cannot be read, so nothing is left out by it: permission denied (EACCES)`,
    ]);
  });
});

describe('what is left out', () => {
  it('by an ignore file counts from its folder on, deeper files being stronger, config weaker, command line strongest', async () => {
    makeTree(base, {
      '.backupninjaignore': '/top\n*.log\nbuild/\n!*.cfg\n*.never\n',
      top: '',
      'sub/top': '',
      'x.log': '',
      'sub/y.log': '',
      'build/x': '',
      'sub/build': '',
      'a.cfg': '',
      'b.never': '',
      'sub/.backupninjaignore': '!y.log\nlocal\n!*.never\n',
      'sub/local': '',
      local: '',
      'sub/b.never': '',
    });
    const items = await scanRoots([base], { config: { exclude: ['*.cfg', 'local'] }, exclude: ['*.never'] });
    expect(pathsBelow(items, base)).toEqual([
      '.backupninjaignore',
      'a.cfg',
      'sub',
      'sub/.backupninjaignore',
      'sub/build',
      'sub/top',
      'sub/y.log',
    ]);
  });

  it('is not entered, so that nothing in it can be taken back in', async () => {
    makeTree(base, { 'a/b/c': '', 'a/.backupninjaignore': '!b', '.backupninjaignore': 'a/*\n!a/b\n' });
    expect(pathsBelow(await scanRoots([base]), base)).toEqual(['.backupninjaignore', 'a', 'a/b', 'a/b/c']);
    fs.writeFileSync(join(base, '.backupninjaignore'), 'a/\n');
    expect(pathsBelow(await scanRoots([base]), base)).toEqual(['.backupninjaignore']);
  });

  it('a re-included directory is saved with all in it, though a weaker rule names it', async () => {
    makeTree(base, { 'p/build/x': '', 'p/.backupninjaignore': '!build', 'q/build/x': '' });
    const items = await scanRoots([base], { config: { exclude: ['build'] } });
    expect(pathsBelow(items, base)).toEqual(['p', 'p/.backupninjaignore', 'p/build', 'p/build/x', 'q']);
  });

  it('caches keep their directory and tag', async () => {
    const tag = 'Signature: 8a477f597d28d172789f06886806bc55\n# cache';
    makeTree(base, {
      'c/CACHEDIR.TAG': tag,
      'c/a': '',
      'c/z/1': '',
      'no/CACHEDIR.TAG': 'Signature: something',
      'no/x': '',
      'link/CACHEDIR.TAG': '-> ../c/CACHEDIR.TAG',
      'link/x': '',
    });
    expect(pathsBelow(await scanRoots([base], { config: { excludeCaches: true } }), base)).toEqual([
      'c',
      'c/CACHEDIR.TAG',
      'link',
      'link/CACHEDIR.TAG',
      'link/x',
      'no',
      'no/CACHEDIR.TAG',
      'no/x',
    ]);
    expect(pathsBelow(await scanRoots([base]), base)).toContain('c/z/1');
  });

  it('large files', async () => {
    makeTree(base, { small: '12345', large: '123456', 'dir/x': '' });
    expect(pathsBelow(await scanRoots([base], { config: { excludeLargerThan: 5 } }), base)).toEqual([
      'dir',
      'dir/x',
      'small',
    ]);
    const named = await scanRoots([join(base, 'large')], { config: { excludeLargerThan: 5 } });
    expect(pathsBelow(named, base)).toEqual(['large']);
  });

  it('is named with its rule when that is asked for', async () => {
    makeTree(base, { 'a.tmp': '', 'd/.backupninjaignore': 'x\n\n# y\n*.o\n', 'd/m.o': '', big: '123456' });
    const items = await scanRoots([base], {
      reportExcluded: true,
      config: { exclude: ['*.tmp'], excludeLargerThan: 5 },
      exclude: ['*.X'],
    });
    const excluded = items.filter((item) => item.kind === 'excluded');
    expect(
      excluded.map((item) => [
        pathOf(item.key).slice(base.length + 1),
        item.rule?.source.replace(base, ''),
        item.rule?.line,
        item.rule?.pattern,
      ]),
    ).toEqual([
      ['a.tmp', 'exclude', 1, '*.tmp'],
      ['big', undefined, undefined, undefined],
      ['d/.backupninjaignore', undefined, undefined, undefined],
      ['d/m.o', '/d/.backupninjaignore', 4, '*.o'],
    ]);
  });

  it('files of patterns are read; one that cannot be read stops everything', async () => {
    makeTree(base, { 'r/a': '', 'r/b': '', patterns: '# comment\r\na\r\n' });
    const config = { excludeFiles: [join(base, 'patterns')], exclude: ['!a', 'b'] };
    expect(pathsBelow(await scanRoots([join(base, 'r')], { config }), base)).toEqual(['r', 'r/a']);
    await expect(scanRoots([base], { config: { excludeFiles: ['/no/such'] } })).rejects.toMatchObject({ exit: 2 });
  });
});

describe('what is never saved', () => {
  it('store and table_dir, under any path, and files', async () => {
    makeTree(base, {
      'store/config.json': '',
      'data/x': '',
      'data/table/c': '',
      'data/lock': '',
      'data/later-not': '',
      alias: '-> store',
    });
    fs.linkSync(join(base, 'data/lock'), join(base, 'data/lock-alias'));
    const neverSaved = ['store', 'data/table', 'data/lock', 'data/later'].map((path) => fromDisplay(join(base, path)));
    const plan = await planFor([base], { neverSaved });
    fs.mkdirSync(join(base, 'data/later'));
    const items = [...scan(plan.scan)];
    expect(pathsBelow(items, base)).toEqual(['alias', 'data', 'data/later-not', 'data/x']);
    expect(notes(items)).toEqual([]);
  });

  it('not as a root either, nor as part of one', async () => {
    makeTree(base, { 'store/packs/x': '', 'data/x': '' });
    const neverSaved = [fromDisplay(join(base, 'store'))];
    for (const root of ['store', 'store/packs']) {
      const plan = await planFor([join(base, root), join(base, 'data')], { neverSaved });
      const items = [...scan(plan.scan)];
      expect(pathsBelow(items, base)).toEqual(['data', 'data/x']);
      expect(notes(items)).toEqual([
        `failed ${base}/store: belongs to the backup itself (store or table_dir): never saved`,
      ]);
    }
  });
});

describe('file systems', () => {
  const run = (script: string) => spawnSync('unshare', ['-m', 'sh', '-ec', script], { encoding: 'utf8' });
  const canMount = isRoot && run('mount -t tmpfs none /mnt').status === 0;
  const scanIn = (roots: string[], config: object, mounts: string, neverSaved: string[] = []) => {
    const script = nodeCommand(
      base,
      `import { planRoots, scan } from 'SRC/scan/index.ts';
       const plan = await planRoots({ config: { backupRoots: ${JSON.stringify(roots)}, exclude: [], excludeFiles: [], ...${JSON.stringify(config)} },
         roots: [], exclude: [], acceptEmpty: [], previousRoots: [], hasEntries: () => true, neverSaved: ${JSON.stringify(neverSaved)}, confirm: async () => false });
       console.log(JSON.stringify([...scan(plan.scan)]));`,
    );
    const result = run(`${mounts}\n${script.join(' ')}`);
    expect(result.stderr).toBe('');
    const items = JSON.parse(result.stdout) as ScanItem[];
    return { paths: pathsBelow(items, base).filter((path) => !path.startsWith('child-')), notes: notes(items), items };
  };

  it.skipIf(!canMount)(
    'that only show the kernel are skipped and named; others are entered, but for one_file_system',
    () => {
      makeTree(base, { 'r/a': '', 'r/proc': null, 'r/tmp': null, 'r/z': '' });
      const mounts = `mount -t proc none ${base}/r/proc; mount -t tmpfs none ${base}/r/tmp; echo x >${base}/r/tmp/file`;
      const all = scanIn([`${base}/r`], {}, mounts);
      expect(all.paths).toEqual(['r', 'r/a', 'r/proc', 'r/tmp', 'r/tmp/file', 'r/z']);
      expect(all.notes).toEqual([`skipped ${base}/r/proc: pseudo file system (proc), never saved`]);
      const mountKeys = new Map(
        all.items.map((item) => [pathOf(item.key).slice(base.length + 1), (item as ScanEntry).mountKey]),
      );
      expect(mountKeys.get('r/tmp/file')).toBe(keyOf(`${base}/r/tmp`));
      expect(mountKeys.get('r/a')).toBe(mountKeys.get('r/z'));
      expect(mountKeys.get('r/a')).not.toContain('scan-test');
      const one = scanIn([`${base}/r`], { oneFileSystem: true }, mounts);
      expect(one.paths).toEqual(['r', 'r/a', 'r/proc', 'r/tmp', 'r/z']);
      expect(one.notes).toEqual([
        `skipped ${base}/r/proc: pseudo file system (proc), never saved`,
        `skipped ${base}/r/tmp: another file system (one_file_system is set)`,
      ]);
      const both = scanIn([`${base}/r`, `${base}/r/tmp`, `${base}/r/proc`], { oneFileSystem: true }, mounts);
      expect(both.paths).toEqual(all.paths);
      expect(both.notes).toEqual([`failed ${base}/r/proc: pseudo file system (proc), never saved`]);
    },
  );

  it.skipIf(!canMount)('a root whose disk is not mounted keeps its versions, also within another root', () => {
    makeTree(base, { 'r/disk': null, 'r/x': '' });
    const mounts = `mount -t tmpfs none ${base}/r/disk; umount ${base}/r/disk`;
    const found = scanIn([`${base}/r`, `${base}/r/disk`], { oneFileSystem: true }, mounts);
    expect(found.paths).toEqual(['r', 'r/x']);
    expect(found.notes).toEqual([
      expect.stringMatching(`^keep ${base}/r/disk to ${base}/r/disk~ error root: is empty, and was not before`),
    ]);
  });

  it.skipIf(!canMount)('mounted in several places show the store in each; it is not saved', () => {
    makeTree(base, { 'disk/store/x': '', 'disk/data': '', 'r/bind': null });
    const found = scanIn([`${base}/r`], {}, `mount --bind ${base}/disk ${base}/r/bind`, [`${base}/disk/store`]);
    expect(found.paths).toEqual(['r', 'r/bind', 'r/bind/data']);
  });
});

describe('without libc', () => {
  it('yields the same', () => {
    makeTree(base, { 'a/b': 'x', 'a-b': '', 'z\xff': '', link: '-> a' });
    const code = `import { planRoots, scan } from 'SRC/scan/index.ts';
      const plan = await planRoots({ config: { backupRoots: [${JSON.stringify(base)}], exclude: ['b'], excludeFiles: [] }, roots: [], exclude: [],
        acceptEmpty: [], previousRoots: [], hasEntries: () => true, neverSaved: [], confirm: async () => false });
      console.log(JSON.stringify([...scan(plan.scan)].filter((item) => !item.key.includes('child-') && item.key.includes('scan-test-')).map((item) => ({ ...item, mountKey: '', ctimeSec: 0, ctimeNsec: 0, mtimeSec: 0, mtimeNsec: 0, size: 0 }))));`;
    const withLibc = runNode(base, code);
    const without = runNode(
      base,
      `process.env.BACKUP_NINJA_NO_FFI = '1'; const m = await import('data:text/javascript,'); ${code.replace(/import \{ (.*) \} from '(.*?)';/, "const { $1 } = await import('$2');")}`,
    );
    expect(without.stderr).toBe('');
    expect(JSON.parse(without.stdout)).toEqual(JSON.parse(withLibc.stdout));
    expect(JSON.parse(without.stdout)).toHaveLength(5);
  });
});
