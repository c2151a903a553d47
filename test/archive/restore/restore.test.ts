import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fromDisplay } from '../../../src/bytes.js';
import { EntryType } from '../../../src/format/entry.js';
import { CWD, setTimesAt } from '../../../src/platform/index.js';
import { type Fields, Lab, noise } from './lab.js';

const isRoot = process.geteuid?.() === 0;

let lab: Lab;
beforeEach(async () => {
  lab = await Lab.open();
});
afterEach(() => lab.close());

const at = (path: string): string => join(lab.target, path);
const text = (path: string): string => fs.readFileSync(at(path), 'utf8');
const link = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const MTIME = 1_600_000_000_123_456_789n;

describe('a whole tree', () => {
  it('comes back with contents, types, modes and times', async () => {
    lab.dir('/home', { mode: 0o711 });
    lab.dir('/home/x', { mode: 0o555 });
    lab.file('/home/x/small', 'hello\n', { mode: 0o640 });
    lab.file('/home/x/readonly', 'r', { mode: 0o400 });
    lab.file('/home/x/empty', '');
    const big = noise(5_000_000);
    lab.file('/home/x/big', big);
    lab.file('/home/x/setuid', 's', { mode: 0o4755 });
    lab.dir('/home/x/sub', { mode: 0o1777, mtimeSec: -5, mtimeNsec: 1 });
    lab.symlink('/home/x/sub/link', '../../nowhere');
    lab.add('/home/x/sub/fifo', EntryType.fifo, { mode: 0o620 });
    lab.add('/home/x/sub/socket', EntryType.socket, { mode: 0o600 });
    const result = await lab.restore();
    expect(result).toEqual({ restored: 8, skipped: 0, bytes: 6 + 1 + 5_000_000 + 1, errors: [] });

    expect(text('home/x/small')).toBe('hello\n');
    expect(fs.readFileSync(at('home/x/big')).equals(big)).toBe(true);
    expect(fs.statSync(at('home/x/empty')).size).toBe(0);
    expect(fs.readlinkSync(at('home/x/sub/link'))).toBe('../../nowhere');
    const modes = ['home', 'home/x', 'home/x/small', 'home/x/readonly', 'home/x/big', 'home/x/sub', 'home/x/sub/fifo'];
    expect(modes.map((path) => (fs.lstatSync(at(path)).mode & 0o7777).toString(8))).toEqual([
      '711',
      '555',
      '640',
      '400',
      '644',
      '1777',
      '620',
    ]);
    if (isRoot) expect(fs.statSync(at('home/x/setuid')).mode & 0o7777).toBe(0o4755);
    expect(fs.lstatSync(at('home/x/sub/fifo')).isFIFO()).toBe(true);
    expect(fs.lstatSync(at('home/x/sub/socket')).isSocket()).toBe(true);
    for (const path of ['home', 'home/x', 'home/x/small', 'home/x/empty', 'home/x/big', 'home/x/sub/link'])
      expect(fs.lstatSync(at(path), { bigint: true }).mtimeNs, path).toBe(MTIME);
    expect(fs.statSync(at('home/x/sub'), { bigint: true }).mtimeNs).toBe(-4_999_999_999n);
  });

  it('is left alone by a second restore, but for attributes', async () => {
    lab.dir('/d', { mode: 0o750 });
    lab.file('/d/a', 'a');
    lab.file('/d/b', noise(2_000_000));
    lab.symlink('/d/l', 'a');
    await lab.restore();
    const before = fs.statSync(at('d/a')).ino;
    fs.chmodSync(at('d/a'), 0o777);
    fs.chmodSync(at('d'), 0o700);
    expect(await lab.restore()).toEqual({ restored: 0, skipped: 3, bytes: 0, errors: [] });
    expect(fs.statSync(at('d/a')).ino).toBe(before);
    expect(fs.statSync(at('d/a')).mode & 0o777).toBe(0o644);
    expect(fs.statSync(at('d')).mode & 0o777).toBe(0o750);
  });

  it('keeps names of any bytes', async () => {
    const bytes = '/d/\xff\xfe\n*';
    lab.dir('/d');
    lab.file({ bytes }, 'odd');
    await lab.restore();
    const [name] = fs.readdirSync(Buffer.from(at('d')), { encoding: 'buffer' });
    expect(name.toString('latin1')).toBe('\xff\xfe\n*');
  });

  it('goes deeper than a path may be long', async () => {
    const name = 'n'.repeat(200);
    let path = '';
    for (let i = 0; i < 60; i++) {
      path += `/${name}`;
      lab.dir(path, { mode: 0o700 });
    }
    lab.file(`${path}/deep`, 'deep');
    expect(await lab.restore()).toMatchObject({ restored: 1, errors: [] });
    // Down by relative steps: no system call takes the whole path.
    const cwd = process.cwd();
    try {
      process.chdir(lab.target);
      for (let i = 0; i < 60; i++) process.chdir(name);
      expect(fs.readFileSync('deep', 'utf8')).toBe('deep');
      expect(fs.statSync('deep', { bigint: true }).mtimeNs).toBe(MTIME);
      process.chdir('..');
      expect(fs.statSync(name, { bigint: true }).mtimeNs).toBe(MTIME);
    } finally {
      process.chdir(cwd);
    }
  });

  it('restores holes as holes', async () => {
    const hole = 64 * 1024 * 1024;
    lab.file('/middle', [Buffer.from('begin'), hole, Buffer.from('end')]);
    lab.file('/small', [300_000, Buffer.from('x'), 300_000]);
    lab.file('/nothing', [hole]);
    await lab.restore();
    const middle = fs.statSync(at('middle'));
    expect(middle.size).toBe(hole + 8);
    expect(middle.blocks * 512).toBeLessThan(1_000_000);
    const fd = fs.openSync(at('middle'), 'r');
    const end = Buffer.alloc(4);
    fs.readSync(fd, end, 0, 4, hole + 4);
    fs.closeSync(fd);
    expect(end.toString('latin1')).toBe('\0end');
    const small = fs.readFileSync(at('small'));
    expect(small.length).toBe(600_001);
    expect(small[300_000]).toBe(120);
    expect(fs.statSync(at('small')).blocks * 512).toBeLessThan(100_000);
    expect(fs.statSync(at('nothing'))).toMatchObject({ size: hole, blocks: 0 });
  });

  it('zeros that are no holes have their place on the disk, too', async () => {
    const content = Buffer.concat([
      noise(5_000_000, 1),
      Buffer.alloc(30_000_000),
      noise(100_000, 2),
      Buffer.alloc(70_000),
    ]);
    lab.file('/image', content);
    expect((await lab.restore()).errors).toEqual([]);
    expect(fs.readFileSync(at('image')).equals(content)).toBe(true);
    expect(fs.statSync(at('image')).blocks * 512).toBeGreaterThanOrEqual(content.length);
  });

  it('restores big files with long chunk lists across windows', async () => {
    lab.chunk = 8192;
    const one = noise(20_000_000, 3);
    const two = noise(9_000_000, 4);
    const shared = one.subarray(4096 * 100, 4096 * 600);
    lab.file('/one', one);
    await lab.cut();
    lab.file('/three', [two, 10_000_000, shared]);
    lab.file('/two', two);
    const result = await lab.restore();
    expect(result.errors).toEqual([]);
    expect(fs.readFileSync(at('one')).equals(one)).toBe(true);
    expect(fs.readFileSync(at('two')).equals(two)).toBe(true);
    const three = fs.readFileSync(at('three'));
    expect(three.subarray(0, two.length).equals(two)).toBe(true);
    expect(three.subarray(two.length + 10_000_000).equals(shared)).toBe(true);
  });

  it('takes one file from many frames and packs', async () => {
    lab.chunk = 1000;
    const pieces = Array.from({ length: 12 }, (_, i) => noise(1000, i + 1));
    for (const [i, piece] of pieces.entries()) {
      lab.file(`/part${String(i).padStart(2, '0')}`, piece);
      if (i % 3 === 2) await lab.cut();
      else lab.cutFrame();
    }
    const mixed = Buffer.concat([pieces[11], pieces[0], pieces[5], pieces[4], pieces[5], pieces[10]]);
    lab.file('/mixed', mixed);
    expect((await lab.restore()).errors).toEqual([]);
    expect(fs.readFileSync(at('mixed')).equals(mixed)).toBe(true);
  });

  it('reads frames again that had to make room', async () => {
    lab.chunk = 1000;
    const pieces = Array.from({ length: 12 }, (_, i) => noise(1000, i + 1));
    for (const [i, piece] of pieces.entries()) {
      lab.file(`/part${i}`, piece);
      lab.cutFrame();
    }
    const contents = Array.from({ length: 2600 }, (_, i) => [
      pieces[i % 12],
      pieces[(i * 5) % 12],
      pieces[(i * 7) % 11],
    ]);
    for (const [i, content] of contents.entries()) lab.file(`/f${i}`, content);
    expect((await lab.restore({ cacheBytes: 1500 })).errors).toEqual([]);
    for (const [i, content] of contents.entries())
      expect(Buffer.concat(content).equals(fs.readFileSync(at(`f${i}`)))).toBe(true);
  });
});

describe('hard links', () => {
  it('are made, whichever names are chosen', async () => {
    for (const dir of ['/a', '/b', '/c']) lab.dir(dir);
    const big = noise(3_000_000);
    for (const name of ['/a/1', '/b/2', '/c/3']) lab.file(name, 'linked', { link: link(1) });
    for (const name of ['/a/big', '/c/big']) lab.file(name, big, { link: link(2) });
    for (const name of ['/a/sym', '/b/sym']) lab.symlink(name, 't', { link: link(3) });
    expect(await lab.restore()).toMatchObject({ restored: 7, errors: [], bytes: 6 + big.length });
    const ino = (path: string): number => fs.lstatSync(at(path)).ino;
    expect(ino('b/2')).toBe(ino('a/1'));
    expect(ino('c/3')).toBe(ino('a/1'));
    expect(ino('c/big')).toBe(ino('a/big'));
    expect(ino('b/sym')).toBe(ino('a/sym'));
    expect(fs.statSync(at('b'), { bigint: true }).mtimeNs).toBe(MTIME);
    expect(await lab.restore()).toEqual({ restored: 0, skipped: 7, bytes: 0, errors: [] });

    fs.rmSync(lab.target, { recursive: true });
    await lab.restore({ only: (entry) => !entry.key.startsWith('a') });
    expect(ino('c/3')).toBe(ino('b/2'));
    expect(text('c/3')).toBe('linked');
  });

  it('are made only between names whose versions are the same, however many versions a group has', async () => {
    const acl: [string, Uint8Array][] = [['user.note', Buffer.from('x')]];
    lab.dir('/d');
    const versions: (Fields & { content?: string })[] = [
      {},
      { mtimeNsec: 5 },
      { mode: 0o600 },
      { uid: 54_321 },
      { gid: 54_321 },
      { xattrs: acl },
      { content: 'other1' },
      { content: 'longer than that' },
    ];
    const big = noise(3_000_000);
    for (const round of ['1', '2']) {
      versions.forEach(({ content = 'linked', ...fields }, i) => {
        lab.file(`/d/${round}-${i}`, content, { link: link(1), ...fields });
      });
      // The inode number of a file may be another's later, or that of something else.
      lab.symlink(`/d/${round}-sym`, 'linked', { link: link(1) });
      lab.symlink(`/d/${round}-sim`, 'other', { link: link(1) });
      lab.file(`/d/${round}-big`, big, { link: link(2) });
      lab.file(`/d/${round}-bag`, big.toReversed(), { link: link(2) });
    }
    await lab.restore();
    const inodes = new Map<number, string[]>();
    for (const name of fs.readdirSync(at('d'))) {
      const { ino } = fs.lstatSync(at(`d/${name}`));
      inodes.set(ino, [...(inodes.get(ino) ?? []), name.slice(2)]);
    }
    const kinds = [...versions.keys()].map(String).concat('sym', 'sim', 'big', 'bag');
    expect([...inodes.values()].sort()).toEqual(kinds.map((kind) => [kind, kind]).sort());
    expect([text('d/2-0'), text('d/2-6'), text('d/2-7')]).toEqual(['linked', 'other1', 'longer than that']);
    expect(fs.readFileSync(at('d/2-bag')).equals(big.toReversed())).toBe(true);
    expect(await lab.restore()).toMatchObject({ restored: 0, skipped: 2 * kinds.length, errors: [] });
  });

  it('that were made of names with different versions are taken apart', async () => {
    lab.file('/d/1', 'first', { link: link(1) });
    lab.file('/d/2', 'second', { link: link(1), mtimeNsec: 5 });
    await lab.restore();
    fs.rmSync(at('d/2'));
    fs.linkSync(at('d/1'), at('d/2'));
    await lab.restore();
    expect([text('d/1'), text('d/2')]).toEqual(['first', 'second']);
  });

  it('do not reach out of the target through names that were there', async () => {
    const outside = join(lab.base, 'outside');
    fs.writeFileSync(outside, 'hello');
    fs.mkdirSync(at('d'), { recursive: true });
    fs.linkSync(outside, at('d/file'));
    lab.dir('/d');
    lab.file('/d/file', 'other');
    await lab.restore();
    expect(text('d/file')).toBe('other');
    expect(fs.readFileSync(outside, 'utf8')).toBe('hello');
    // The same size and time: it would be left, but must not be given other permissions.
    fs.rmSync(at('d/file'));
    fs.utimesSync(outside, 1_600_000_000, 1_600_000_000);
    fs.chmodSync(outside, 0o600);
    fs.linkSync(outside, at('d/file'));
    lab.entries[1].mtimeNsec = 0;
    await lab.restore();
    expect(fs.statSync(outside).mode & 0o777).toBe(0o600);
    expect(fs.statSync(at('d/file')).mode & 0o777).toBe(0o644);
    expect(text('d/file')).toBe('other');
  });

  it('become files of their own where links cannot be made', async () => {
    // Another file system by --map.
    const shm = fs.mkdtempSync('/dev/shm/restore-');
    try {
      if (fs.statSync(shm).dev === fs.statSync(lab.base).dev) return;
      lab.dir('/a');
      lab.dir('/b');
      lab.file('/a/1', 'linked', { link: link(1) });
      lab.file('/b/2', 'linked', { link: link(1) });
      lab.file('/b/3', noise(2_000_000), { link: link(2) });
      lab.file('/a/4', noise(2_000_000), { link: link(2) });
      const map = [{ from: fromDisplay('/b'), to: fromDisplay(join(shm, 'b')) }];
      expect(await lab.restore({ map })).toMatchObject({ restored: 4, errors: [] });
      expect(fs.readFileSync(join(shm, 'b/2'), 'utf8')).toBe('linked');
      expect(fs.readFileSync(join(shm, 'b/3')).equals(noise(2_000_000))).toBe(true);
      expect(fs.statSync(join(shm, 'b'), { bigint: true }).mtimeNs).toBe(MTIME);
    } finally {
      fs.rmSync(shm, { recursive: true });
    }
  });
});

describe('what was there', () => {
  it('is replaced when its type differs, never followed', async () => {
    const outside = join(lab.base, 'outside');
    fs.mkdirSync(outside);
    fs.writeFileSync(join(outside, 'file'), 'theirs');
    fs.mkdirSync(at('t/was-dir/with/things'), { recursive: true });
    fs.writeFileSync(at('t/was-dir/with/file'), 'x');
    fs.symlinkSync(outside, at('t/was-dir/with/link'));
    fs.symlinkSync(outside, at('t/dir'));
    fs.symlinkSync(join(outside, 'file'), at('t/file'));
    fs.writeFileSync(at('t/dir2'), 'a file');
    fs.symlinkSync('elsewhere', at('t/sym'));
    lab.dir('/t');
    lab.file('/t/was-dir', 'now a file');
    lab.dir('/t/dir');
    lab.file('/t/dir/file', 'ours');
    lab.file('/t/file', 'ours');
    lab.dir('/t/dir2');
    lab.file('/t/dir2/f', 'ours');
    lab.symlink('/t/sym', 'right');
    expect((await lab.restore()).errors).toEqual([]);
    expect(fs.readFileSync(join(outside, 'file'), 'utf8')).toBe('theirs');
    expect(fs.lstatSync(at('t/dir')).isDirectory()).toBe(true);
    for (const path of ['t/dir/file', 't/file', 't/dir2/f']) expect(text(path)).toBe('ours');
    expect(text('t/was-dir')).toBe('now a file');
    expect(fs.lstatSync(at('t/file')).isFile()).toBe(true);
    expect(fs.readlinkSync(at('t/sym'))).toBe('right');
  });

  it('stays with overwrite never, and conflicts are errors', async () => {
    fs.mkdirSync(at('t/file-is-dir'), { recursive: true });
    fs.chmodSync(at('t'), 0o711);
    fs.writeFileSync(at('t/dir-is-file'), 'x');
    fs.writeFileSync(at('t/same'), 'mine');
    const outside = join(lab.base, 'outside');
    fs.mkdirSync(outside);
    fs.symlinkSync(outside, at('t/dir-is-link'));
    lab.dir('/t');
    lab.file('/t/file-is-dir', 'f');
    lab.dir('/t/dir-is-file');
    lab.file('/t/dir-is-file/below', 'f');
    lab.dir('/t/dir-is-link');
    lab.file('/t/dir-is-link/escaped', 'f');
    lab.file('/t/same', 'stored');
    lab.file('/t/new', 'stored');
    const result = await lab.restore({ overwrite: 'never' });
    expect(result).toMatchObject({ restored: 1, skipped: 1 });
    expect(result.errors.map(({ path }) => path).sort()).toEqual([
      '/t/dir-is-file',
      '/t/dir-is-link',
      '/t/file-is-dir',
    ]);
    expect(text('t/same')).toBe('mine');
    expect(text('t/new')).toBe('stored');
    expect(text('t/dir-is-file')).toBe('x');
    expect(fs.readdirSync(outside)).toEqual([]);
    expect(fs.statSync(at('t')).mode & 0o777).toBe(0o711);
  });

  it('is made anew with overwrite always', async () => {
    lab.file('/f', 'stored');
    await lab.restore();
    const { ino } = fs.statSync(at('f'));
    fs.linkSync(at('f'), at('keeps-the-inode'));
    expect(await lab.restore({ overwrite: 'always' })).toMatchObject({ restored: 1, skipped: 0 });
    expect(fs.statSync(at('f')).ino).not.toBe(ino);
  });

  it('is compared by time to the nanosecond', async () => {
    lab.file('/f', 'stored');
    await lab.restore();
    fs.writeFileSync(at('f'), 'forged');
    fs.utimesSync(at('f'), 1_600_000_000.1234, 1_600_000_000.1234);
    expect(await lab.restore()).toMatchObject({ restored: 1, skipped: 0 });
    expect(text('f')).toBe('stored');
  });

  it.each([
    ['one version is asked for', true, false],
    ['it is one that replaced another silently', false, true],
    ['neither is so', false, false],
  ])('is left when size and time match, and other content is told when %s', async (_, isOne, isReplacing) => {
    const replaced = { chunkClass: 0 as const, depth: 0, ids: new Uint8Array(24), size: 5 };
    const contents: [name: string, content: Uint8Array][] = [
      ['small', Buffer.from('these')],
      ['big', noise(2_500_000)],
      ['right', Buffer.from('right')],
    ];
    for (const [name, content] of contents) lab.file(`/${name}`, content, isReplacing ? { replaced } : {});
    await lab.restore();
    for (const name of ['small', 'big']) {
      const size = fs.statSync(at(name)).size;
      fs.writeFileSync(at(name), Buffer.alloc(size, 'x'));
      setTimesAt(CWD, fromDisplay(at(name)), 1_600_000_000, 123_456_789);
    }
    const versionId = isOne ? 'id' : undefined;
    for (const dryRun of [true, false]) {
      const { errors, ...result } = await lab.restore({ versionId, dryRun });
      expect(result).toEqual({ restored: 0, skipped: 3, bytes: 0 });
      expect(errors.map(({ path }) => path)).toEqual(isOne || isReplacing ? ['/big', '/small'] : []);
      for (const { message } of errors)
        expect(message).toMatch(/size and time .* content was not found to be; --overwrite always/);
    }
    expect(text('small')).toBe('xxxxx');
    expect(await lab.restore({ versionId, overwrite: 'always' })).toMatchObject({ restored: 3, errors: [] });
    expect(text('small')).toBe('these');
    expect(await lab.restore({ versionId })).toMatchObject({ skipped: 3, errors: [] });
  });

  it('is removed by --delete only inside restored directories, and never what is protected or excluded', async () => {
    lab.dir('/home');
    lab.dir('/home/x');
    lab.file('/home/x/a', 'a');
    lab.dir('/home/x/sub');
    lab.file('/home/x/sub/b', 'b');
    await lab.restore();
    fs.mkdirSync(at('home/other'));
    fs.mkdirSync(at('home/x/extra/deep'), { recursive: true });
    fs.writeFileSync(at('home/x/extra/deep/f'), 'x');
    fs.symlinkSync('/', at('home/x/link-to-root'));
    fs.mkdirSync(at('home/x/holder/store'), { recursive: true });
    fs.writeFileSync(at('home/x/holder/f'), 'x');
    fs.writeFileSync(at('home/x/sub/c.keep'), 'x');
    fs.mkdirSync(at('home/x/cache'));
    const { ino } = fs.statSync(at('home/x/holder/store'));
    const options = {
      delete: true,
      roots: ['/home/x'],
      exclude: ['*.keep'],
      unsaved: { exclude: ['/home/x/cache'] },
      isProtected: (stat: { ino: number }) => stat.ino === ino,
    };
    const names = (list: unknown): string[] => (list as string[]).map((path) => path.slice(lab.target.length)).sort();
    const removed = [
      '/home/x/extra',
      '/home/x/extra/deep',
      '/home/x/extra/deep/f',
      '/home/x/holder/f',
      '/home/x/link-to-root',
    ];
    const dry = await lab.restore({ ...options, dryRun: true });
    expect(names(dry.deleted)).toEqual(removed);
    expect(fs.existsSync(at('home/x/extra/deep/f'))).toBe(true);
    expect(names((await lab.restore(options)).deleted)).toEqual(removed);
    expect(fs.readdirSync(at('home')).sort()).toEqual(['other', 'x']);
    expect(fs.readdirSync(at('home/x')).sort()).toEqual(['a', 'cache', 'holder', 'sub']);
    expect(fs.readdirSync(at('home/x/holder'))).toEqual(['store']);
    expect(fs.readdirSync(at('home/x/sub')).sort()).toEqual(['b', 'c.keep']);
    expect(fs.statSync(at('home/x'), { bigint: true }).mtimeNs).toBe(MTIME);
  });
});

describe('what is chosen', () => {
  beforeEach(() => {
    lab.dir('/home', { mode: 0o700 });
    lab.dir('/home/x', { mode: 0o750 });
    lab.file('/home/x/a.txt', 'a');
    lab.file('/home/x/b.bin', 'b');
    lab.dir('/home/x/empty');
    lab.dir('/home/x/sub');
    lab.file('/home/x/sub/c.txt', 'c');
    lab.dir('/home/x/sub/cache');
    lab.file('/home/x/sub/cache/d.txt', 'd');
  });

  const tree = (dir: string): string[] => fs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).map(String).sort();

  it('by --include and --exclude, with the directories that it takes', async () => {
    await lab.restore({ include: ['*.txt'], exclude: ['cache/'] });
    expect(tree(lab.target)).toEqual(['home', 'home/x', 'home/x/a.txt', 'home/x/sub', 'home/x/sub/c.txt']);
    expect(fs.statSync(at('home/x')).mode & 0o777).toBe(0o750);
    expect(fs.statSync(at('home/x'), { bigint: true }).mtimeNs).toBe(MTIME);
  });

  it('by anchored and negated patterns', async () => {
    await lab.restore({ include: ['/home/x/sub', '!c.txt'] });
    expect(tree(lab.target)).toEqual(['home', 'home/x', 'home/x/sub', 'home/x/sub/cache', 'home/x/sub/cache/d.txt']);
  });

  it('by path: directories above are made as they were, and left as they are when they are there', async () => {
    fs.mkdirSync(at('home'), { recursive: true, mode: 0o711 });
    fs.chmodSync(at('home'), 0o711);
    const only = (entry: { key: string }): boolean => entry.key.startsWith('home\0x\0sub');
    expect(await lab.restore({ only })).toMatchObject({ restored: 2 });
    expect(fs.statSync(at('home')).mode & 0o777).toBe(0o711);
    expect(fs.statSync(at('home/x')).mode & 0o777).toBe(0o750);
    expect(fs.readdirSync(at('home/x'))).toEqual(['sub']);
  });

  it('elsewhere, by --map: the nearest FROM wins', async () => {
    const map = [
      { from: fromDisplay('/home/x'), to: fromDisplay(join(lab.base, 'elsewhere/deep')) },
      { from: fromDisplay('/home/x/sub/cache'), to: fromDisplay(join(lab.base, 'cache')) },
      { from: fromDisplay('/home/x/b.bin'), to: fromDisplay(join(lab.base, 'one/B')) },
    ];
    await lab.restore({ map });
    expect(tree(join(lab.base, 'elsewhere'))).toEqual([
      'deep',
      'deep/a.txt',
      'deep/empty',
      'deep/sub',
      'deep/sub/c.txt',
    ]);
    expect(tree(join(lab.base, 'cache'))).toEqual(['d.txt']);
    expect(fs.readFileSync(join(lab.base, 'one/B'), 'utf8')).toBe('b');
    expect(fs.statSync(join(lab.base, 'elsewhere/deep')).mode & 0o777).toBe(0o750);
    expect(tree(lab.target)).toEqual(['home']);
  });

  it('elsewhere, by --map, and nothing where it would have been', async () => {
    const map = [{ from: fromDisplay('/home/x/sub'), to: fromDisplay(join(lab.base, 'elsewhere')) }];
    await lab.restore({ map, only: ({ key }) => key.startsWith('home\0x\0sub') });
    expect(tree(join(lab.base, 'elsewhere'))).toEqual(['c.txt', 'cache', 'cache/d.txt']);
    expect(fs.existsSync(lab.target)).toBe(false);
  });

  it('and a dry run tells the same without writing', async () => {
    const told = await lab.restore({ dryRun: true });
    expect(fs.existsSync(lab.target)).toBe(false);
    expect(await lab.restore()).toEqual(told);
    fs.rmSync(at('home/x/a.txt'));
    fs.writeFileSync(at('home/x/b.bin'), 'changed');
    const again = await lab.restore({ dryRun: true });
    expect(again).toEqual({ restored: 2, skipped: 2, bytes: 2, errors: [] });
    expect(text('home/x/b.bin')).toBe('changed');
    expect(await lab.restore()).toEqual(again);
  });
});

describe('a drive of Windows', () => {
  it('becomes a directory', async () => {
    lab.entries.push({ ...lab.dir('/C:'), key: 'C:' });
    lab.entries.shift();
    lab.file('/C:/f', 'x');
    await lab.restore();
    expect(text('C_/f')).toBe('x');
  });
});

describe('a listing made by someone else', () => {
  it('cannot name what lies outside', async () => {
    const { dir, file } = EntryType;
    const evil: [key: string, type: EntryType][] = [
      ['..\0evil', file],
      ['d', dir],
      ['d\0.', dir],
      ['d\0.\0evil', file],
      ['d\0..', dir],
      ['d\0..\0..', dir],
      ['d\0..\0..\0evil', file],
      ['d\0..\0..x/../../evil', file],
      ['d\0/evil', file],
      ['d\0e/../../../evil', file],
      ['d\0x/../../..', dir],
      ['d\0x/../../..\0evil', file],
    ];
    const { ids, size } = lab.file('/x', 'evil');
    lab.entries.length = 0;
    for (const [key, type] of evil) lab.add({ bytes: `/${key.replaceAll('\0', '/')}` }, type, { ids, size }).key = key;
    const result = await lab.restore();
    expect(result.restored).toBe(0);
    expect(fs.readdirSync(lab.base).sort()).toEqual(['store', 'target']);
    expect(fs.readdirSync(lab.target)).toEqual(['d']);
    expect(result.errors.length).toBeGreaterThanOrEqual(6);
  });
});

describe('--verify', () => {
  it('reads back, and restores what only looks right', async () => {
    lab.file('/same', 'stored');
    lab.file('/looks', 'stored');
    lab.file('/big', noise(3_000_000));
    lab.file('/bigsame', [noise(1_500_000, 2), 500_000]);
    expect(await lab.restore({ verify: true })).toMatchObject({ restored: 4, errors: [] });
    const forge = (path: string, bytes: string, position: number): void => {
      const fd = fs.openSync(at(path), 'r+');
      fs.writeSync(fd, bytes, position);
      fs.closeSync(fd);
    };
    forge('looks', 'forged', 0);
    forge('big', 'x', 2_000_000);
    for (const path of ['looks', 'big']) setTimesAt(CWD, fromDisplay(at(path)), 1_600_000_000, 123_456_789);
    expect(await lab.restore()).toMatchObject({ restored: 0, skipped: 4 });
    expect(text('looks')).toBe('forged');
    expect(await lab.restore({ verify: true })).toMatchObject({ restored: 2, skipped: 2, errors: [] });
    expect(text('looks')).toBe('stored');
    expect(fs.readFileSync(at('big')).equals(noise(3_000_000))).toBe(true);
  });

  it('looks into holes, too', async () => {
    const small = [noise(1000), 5000, noise(1000, 2), 3000];
    const big = [noise(1_500_000, 3), 2_000_000];
    lab.file('/small', small);
    lab.file('/big', big);
    await lab.restore();
    for (const [path, position] of [
      ['small', 3000],
      ['big', 3_000_000],
    ] as const) {
      for (const offset of [position, fs.statSync(at(path)).size - 1]) {
        const fd = fs.openSync(at(path), 'r+');
        fs.writeSync(fd, 'x', offset);
        fs.closeSync(fd);
        setTimesAt(CWD, fromDisplay(at(path)), 1_600_000_000, 123_456_789);
        expect(await lab.restore({ verify: true }), `${path} ${offset}`).toMatchObject({ restored: 1, skipped: 1 });
        expect(await lab.restore({ verify: true }), `${path} ${offset}`).toMatchObject({ restored: 0, skipped: 2 });
      }
    }
  });

  it.runIf(process.platform === 'linux')(
    'names what does not read back as it was written, and leaves nothing of it that looks whole',
    async () => {
      lab.file('/a', noise(20_000));
      lab.file('/b', noise(20_000, 2));
      lab.file('/c', noise(3_000_000, 3));
      const write = fs.writeSync.bind(fs) as (...args: unknown[]) => number;
      const rotten = vi.spyOn(fs, 'writeSync').mockImplementation((...args: unknown[]) => {
        const [fd, bytes, start, length, offset] = args as [number, Uint8Array, number, number, number];
        const copy = bytes.slice(start, start + length);
        // A bit falls in the middle of the second small file and of each piece of the big one.
        if (/\/target\/[bc]$/.test(fs.readlinkSync(`/proc/self/fd/${fd}`))) copy[length >> 1] ^= 1;
        return write(fd, copy, 0, length, offset);
      });
      try {
        const result = await lab.restore({ verify: true });
        expect(result.errors).toEqual([
          { path: '/b', message: expect.stringContaining('reads back differently') },
          { path: '/c', message: expect.stringContaining('reads back differently') },
        ]);
        expect(result.restored).toBe(1);
      } finally {
        rotten.mockRestore();
      }
      expect(fs.readdirSync(lab.target)).toEqual(['a']);
      expect(await lab.restore({ verify: true })).toMatchObject({ restored: 2, skipped: 1, errors: [] });
      expect(fs.readFileSync(at('c')).equals(noise(3_000_000, 3))).toBe(true);
    },
  );
});
