import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ByteString, fromBytes, fromDisplay, toBytes } from '../../src/bytes.js';
import type * as Platform from '../../src/platform/index.js';

const root = process.getuid?.() === 0;

/** Code of the error that a call throws. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  return 'no error';
}

/** What must hold with libc and without it alike; `exact` says whether times keep their nanoseconds. */
export function fileSystemTests(p: typeof Platform, exact: boolean): void {
  let top = '';
  let base = '';
  let dir = -1;
  let count = 0;
  const at = (name: ByteString) => Buffer.concat([Buffer.from(`${base}/`), toBytes(name)]);
  const put = (name: ByteString, text = '') => fs.writeFileSync(at(name), text);
  const cut = (ns: bigint, unit: bigint) => ns - (((ns % unit) + unit) % unit);
  const expectTime = (got: bigint, wanted: bigint) => {
    if (exact) expect(got).toBe(wanted);
    else if (wanted >= 10n ** 19n)
      expect(Number(got - wanted) / 1000).toBeCloseTo(0, -1); // as far as a double goes
    else expect(got).toBe(cut(wanted, 1000n));
  };

  beforeAll(() => {
    top = fs.mkdtempSync(path.join(os.tmpdir(), 'platform-'));
  });
  beforeEach(() => {
    if (dir >= 0) p.closeFd(dir);
    base = `${top}/${++count}`;
    fs.mkdirSync(base);
    dir = p.openDirectory(fromDisplay(base));
  });
  afterAll(() => {
    p.closeFd(dir);
    spawnSync('rm', ['-rf', top]); // node's own gives up on paths that are too long
  });

  describe('stat', () => {
    const same = (mine: Platform.StatBuffer, theirs: fs.BigIntStats) => {
      expect(mine.mode).toBe(Number(theirs.mode));
      expect(mine.perm).toBe(Number(theirs.mode) & 0o7777);
      expect(mine.type).toBe(Number(theirs.mode) >>> 12);
      expect([mine.uid, mine.gid, mine.nlink]).toEqual([theirs.uid, theirs.gid, theirs.nlink].map(Number));
      expect([mine.size, mine.blocks, mine.blksize]).toEqual([theirs.size, theirs.blocks, theirs.blksize].map(Number));
      expect(mine.inoBig).toBe(theirs.ino);
      expect(mine.ino).toBe(Number(theirs.ino));
      expect(BigInt(mine.inoHigh) * 2n ** 32n + BigInt(mine.inoLow)).toBe(theirs.ino);
      expect(mine.mtimeNs).toBe(theirs.mtimeNs);
      expect(mine.ctimeNs).toBe(theirs.ctimeNs);
      expect(p.joinNs(mine.mtimeSec, mine.mtimeNsec)).toBe(theirs.mtimeNs);
      expect(p.joinNs(mine.ctimeSec, mine.ctimeNsec)).toBe(theirs.ctimeNs);
      expect(p.joinNs(mine.atimeSec, mine.atimeNsec)).toBe(theirs.atimeNs);
      const device = BigInt(mine.devMajor) * 256n + BigInt(mine.devMinor);
      if (mine.devMinor < 256 && mine.devMajor < 4096) expect(device).toBe(theirs.dev);
    };

    it('tells what Node tells', () => {
      put('file', 'hello');
      fs.mkdirSync(at('dir'), 0o750);
      fs.symlinkSync('file', at('link'));
      const st = new p.StatBuffer();
      for (const name of ['file', 'dir', 'link']) {
        p.statAt(dir, name, st);
        same(st, fs.lstatSync(at(name), { bigint: true }));
        p.statAt(p.CWD, fromBytes(at(name)), st);
        same(st, fs.lstatSync(at(name), { bigint: true }));
      }
      expect([st.isFile, st.isDirectory, st.isSymlink]).toEqual([false, false, true]);
      p.statFollowAt(dir, 'link', st);
      same(st, fs.statSync(at('file'), { bigint: true }));
      const fd = fs.openSync(at('file'), 'r');
      p.statFd(fd, st);
      same(st, fs.fstatSync(fd, { bigint: true }));
      fs.closeSync(fd);
      const other = new p.StatBuffer();
      other.copyFrom(st);
      p.statAt(dir, 'dir', st);
      same(other, fs.lstatSync(at('file'), { bigint: true }));
    });

    it('holds sizes beyond 4 GiB and times before 1970', () => {
      put('big');
      fs.truncateSync(at('big'), 5 * 2 ** 40 + 17);
      const st = new p.StatBuffer();
      p.setTimesAt(dir, 'big', -3, 250_000_000);
      p.statAt(dir, 'big', st);
      expect(st.size).toBe(5 * 2 ** 40 + 17);
      expect(st.blocks).toBeLessThan(100);
      expect([st.mtimeSec, st.mtimeNsec, st.mtimeNs]).toEqual([-3, 250_000_000, -2_750_000_000n]);
    });

    it('tells devices', () => {
      const st = new p.StatBuffer();
      p.statAt(p.CWD, '/dev/null', st);
      expect([st.type, st.rdevMajor, st.rdevMinor]).toEqual([p.FileType.charDevice, 1, 3]);
    });

    it('fails like Node', () => {
      const st = new p.StatBuffer();
      put('file');
      expect(p.tryStatAt(dir, 'none', st)).toBe(false);
      expect(p.tryStatAt(dir, 'file/x', st)).toBe(false);
      expect(p.tryStatAt(dir, 'file', st)).toBe(true);
      expect(() => p.statAt(dir, 'none', st)).toThrow(
        expect.objectContaining({ code: 'ENOENT', errno: -2, syscall: 'lstat', path: `${base}/none` }),
      );
      expect(() => p.statAt(dir, 'none', st)).toThrow(/^ENOENT: no such file or directory, lstat '.*\/none'$/);
      expect(codeOf(() => p.tryStatAt(dir, 'n'.repeat(256), st))).toBe('ENAMETOOLONG');
      expect(codeOf(() => p.statFd(9999, st))).toBe('EBADF');
      // Cut at the zero byte, this would name another file.
      expect(() => p.statAt(dir, 'file\0x', st)).toThrow(TypeError);
      expect(() => p.statAt(dir, 'fi\u0101le', st)).toThrow(TypeError);
    });
  });

  describe('readDirectory', () => {
    it('gives all names as bytes, in order, with types', () => {
      const names = ['a', 'a-b', 'B', '\xff\xfe', '\xc3\xa9', '\n', 'x'.repeat(255), '.hidden', '..x', ' '];
      for (const name of names) put(name);
      fs.mkdirSync(at('a b'));
      fs.symlinkSync('nowhere', at('lnk'));
      p.makeFifoAt(dir, 'pipe', 0o600);
      const found = p.readDirectory(dir);
      expect(found.map((e) => e.name)).toEqual([...names, 'a b', 'lnk', 'pipe'].sort());
      const types = new Map(found.map((e) => [e.name, e.type]));
      expect(types.get('a b')).toBe(p.FileType.directory);
      expect(types.get('lnk')).toBe(p.FileType.symlink);
      expect(types.get('pipe')).toBe(p.FileType.fifo);
      expect(types.get('\xff\xfe')).toBe(p.FileType.file);
    });

    it('reads everything again from the same descriptor', () => {
      put('one');
      expect(p.readDirectory(dir)).toHaveLength(1);
      put('two');
      expect(p.readDirectory(dir).map((e) => e.name)).toEqual(['one', 'two']);
    });

    it('takes more names than one buffer holds', () => {
      const wanted = Array.from({ length: 6000 }, (_, i) => `${String(i).padStart(5, '0')}-${'n'.repeat(60)}`);
      for (const name of wanted) fs.closeSync(fs.openSync(at(name), 'w'));
      expect(p.readDirectory(dir).map((e) => e.name)).toEqual(wanted);
    });

    it('throws rather than showing a part', () => {
      put('file');
      const fd = fs.openSync(at('file'), 'r');
      expect(codeOf(() => p.readDirectory(fd))).toBe('ENOTDIR');
      fs.closeSync(fd);
    });
  });

  describe('open', () => {
    it('opens files for plain fs calls, and refuses a symlink put in their place', () => {
      put('file', 'secret');
      fs.symlinkSync('file', at('link'));
      const fd = p.openFileAt(dir, 'file');
      expect(fs.readFileSync(fd, 'utf8')).toBe('secret');
      p.closeFd(fd);
      expect(codeOf(() => p.openFileAt(dir, 'link'))).toBe('ELOOP');
      expect(codeOf(() => p.openForWriteAt(dir, 'link'))).toBe('ELOOP');
      expect(codeOf(() => p.createFileAt(dir, 'link', 0o600))).toBe('EEXIST');
      expect(codeOf(() => p.createFileAt(dir, 'file', 0o600))).toBe('EEXIST');
      fs.symlinkSync('nowhere', at('dangling'));
      expect(codeOf(() => p.createFileAt(dir, 'dangling', 0o600))).toBe('EEXIST');
      expect(fs.existsSync(at('nowhere'))).toBe(false);
    });

    it('opens files of a directory one after another, by their paths', () => {
      const opener = new p.FileOpener();
      const open = (path: string) => opener.open(p.parentPath(fromDisplay(path)), p.baseName(fromDisplay(path)));
      const read = (path: string) => {
        const fd = open(path);
        const text = fs.readFileSync(fd, 'utf8');
        p.closeFd(fd);
        return text;
      };
      const failure = (path: string) => {
        try {
          p.closeFd(open(path));
        } catch (error) {
          return error as NodeJS.ErrnoException;
        }
        throw new Error('opened');
      };
      for (const folder of ['one', 'other', 'one/deeper']) fs.mkdirSync(at(folder));
      for (const file of ['one/a', 'one/b', 'other/a', 'one/deeper/a']) put(file, file);
      for (const file of ['one/a', 'one/b', 'other/a', 'one/a', 'one/deeper/a'])
        expect(read(`${base}/${file}`)).toBe(file);
      fs.symlinkSync('a', at('one/link'));
      expect(failure(`${base}/one/link`).code).toBe('ELOOP');
      const missing = failure(`${base}/one/none`);
      expect([missing.code, missing.message]).toEqual(['ENOENT', expect.stringContaining(`${base}/one/none`)]);
      expect(failure(`${base}/nowhere/none`).code).toBe('ENOENT');
      expect(failure('/no such file').code).toBe('ENOENT');
      // Another directory takes the place of the one that is open.
      expect(read(`${base}/one/a`)).toBe('one/a');
      fs.renameSync(at('one'), at('away'));
      fs.mkdirSync(at('one'));
      put('one/new', 'new');
      expect(read(`${base}/one/new`)).toBe('new');
      opener.close();
      opener.close();
      expect(read(`${base}/one/new`)).toBe('new');
      opener.close();
    });

    it('refuses a symlink put in the place of a directory', () => {
      fs.mkdirSync(at('real'));
      fs.symlinkSync('real', at('link'));
      expect(['ENOTDIR', 'ELOOP']).toContain(codeOf(() => p.openDirectoryAt(dir, 'link')));
      expect(['ENOTDIR', 'ELOOP']).toContain(codeOf(() => p.openDirectory(`${fromDisplay(base)}/link`)));
      p.closeFd(p.openDirectoryAt(dir, 'link', { follow: true }));
      p.closeFd(p.openDirectory(`${fromDisplay(base)}/link`, { follow: true }));
    });

    it('keeps to an opened directory that is replaced by a symlink', () => {
      fs.mkdirSync(at('inside'));
      fs.mkdirSync(at('outside'));
      const inside = p.openDirectoryAt(dir, 'inside');
      fs.renameSync(at('inside'), at('moved'));
      fs.symlinkSync('outside', at('inside'));
      p.closeFd(p.createFileAt(inside, 'file', 0o600));
      expect(fs.readdirSync(at('outside'))).toEqual([]);
      expect(fs.readdirSync(at('moved'))).toEqual(['file']);
      p.closeFd(inside);
    });

    it('does not block on a fifo', () => {
      p.makeFifoAt(dir, 'pipe', 0o600);
      const st = new p.StatBuffer();
      for (const fd of [p.openFileAt(dir, 'pipe'), p.openForWriteAt(dir, 'pipe')]) {
        p.statFd(fd, st);
        expect(st.type).toBe(p.FileType.fifo);
        p.closeFd(fd);
      }
    });

    it('creates with the mode, and writes', () => {
      const fd = p.createFileAt(dir, 'new', 0o640);
      fs.writeSync(fd, 'text');
      p.closeFd(fd);
      expect(fs.statSync(at('new')).mode & 0o777).toBe(0o640 & ~process.umask());
      const again = p.openForWriteAt(dir, 'new');
      fs.writeSync(again, 'T', 0);
      p.closeFd(again);
      expect(fs.readFileSync(at('new'), 'utf8')).toBe('Text');
    });

    it('leaves the time of access alone', () => {
      put('file', 'x');
      p.setTimesAt(dir, 'file', 1_000_000_000, 0, 1000, 0);
      const fd = p.openFileAt(dir, 'file');
      fs.readSync(fd, Buffer.alloc(1));
      p.closeFd(fd);
      expect(Math.floor(fs.statSync(at('file')).atimeMs / 1000)).toBe(1000);
    });

    it('works far below 4,096 bytes of path', () => {
      const part = 'd'.repeat(200);
      let deep = p.openDirectory(fromDisplay(base));
      let long = fromDisplay(base);
      for (let i = 0; i < 45; i++) {
        p.makeDirectoryAt(deep, part, 0o755);
        const next = p.openDirectoryAt(deep, part);
        p.closeFd(deep);
        deep = next;
        long += `/${part}`;
      }
      expect(long.length).toBeGreaterThan(2 * 4096);
      p.closeFd(p.createFileAt(deep, 'bottom', 0o600));
      p.symlinkAt('t'.repeat(4000), deep, 'sym');
      const again = p.openDirectory(long);
      expect(p.readDirectory(again).map((e) => e.name)).toEqual(['bottom', 'sym']);
      expect(p.readLinkAt(again, 'sym')).toBe('t'.repeat(4000));
      const st = new p.StatBuffer();
      const one = new p.StatBuffer();
      p.statFd(deep, one);
      p.statFd(again, st);
      expect(st.inoBig).toBe(one.inoBig);
      const parent = p.openParent(`${long}/bottom`);
      expect(parent.name).toBe('bottom');
      p.statAt(parent.dir, parent.name, st);
      expect(st.isFile).toBe(true);
      p.removeFileAt(parent.dir, parent.name);
      expect(p.tryStatAt(deep, 'bottom', st)).toBe(false);
      for (const fd of [deep, again, parent.dir]) p.closeFd(fd);
      expect(codeOf(() => p.openDirectory(`${long}/none`))).toBe('ENOENT');
      const before = fs.readdirSync('/proc/self/fd').length;
      expect(codeOf(() => p.openDirectory(`${long}/none/${'x/'.repeat(3000)}`))).toBe('ENOENT');
      expect(codeOf(() => p.openDirectory(`/${'x'.repeat(5000)}`))).toBe('ENAMETOOLONG');
      expect(fs.readdirSync('/proc/self/fd')).toHaveLength(before);
    });

    it('finds parents', () => {
      const st = new p.StatBuffer();
      const parent = p.openParent(`${fromDisplay(base)}//name//`);
      p.statFd(parent.dir, st);
      expect(parent.name).toBe('name');
      expect(st.inoBig).toBe(fs.statSync(base, { bigint: true }).ino);
      p.closeFd(parent.dir);
      const top = p.openParent('/etc');
      expect(top.name).toBe('etc');
      p.closeFd(top.dir);
      for (const bad of ['/', '', '/x/..', '/x/.']) expect(() => p.openParent(bad)).toThrow(TypeError);
    });
  });

  describe('names', () => {
    it('makes, renames, links and removes any name', () => {
      const st = new p.StatBuffer();
      for (const name of ['\xff\xfe\x01', 'n'.repeat(255), '-rf', 'sp ace\n', '\\134']) {
        p.makeDirectoryAt(dir, name, 0o700);
        expect(codeOf(() => p.makeDirectoryAt(dir, name, 0o700))).toBe('EEXIST');
        expect(codeOf(() => p.removeFileAt(dir, name))).toBe('EISDIR');
        p.removeDirectoryAt(dir, name);
        p.closeFd(p.createFileAt(dir, 'one', 0o600));
        p.linkAt(dir, 'one', dir, name);
        p.statAt(dir, name, st);
        expect(st.nlink).toBe(2);
        expect(codeOf(() => p.linkAt(dir, 'one', dir, name))).toBe('EEXIST');
        put('two', 'two');
        p.renameAt(dir, 'two', dir, name);
        expect(fs.readFileSync(at(name), 'utf8')).toBe('two');
        expect(codeOf(() => p.removeDirectoryAt(dir, name))).toBe('ENOTDIR');
        p.removeFileAt(dir, name);
        p.removeFileAt(dir, 'one');
        expect(p.readDirectory(dir)).toEqual([]);
      }
      put('a');
      fs.mkdirSync(at('full'));
      fs.mkdirSync(at('full/x'));
      expect(codeOf(() => p.removeDirectoryAt(dir, 'full'))).toBe('ENOTEMPTY');
      expect(() => p.renameAt(dir, 'none', dir, 'b')).toThrow(
        expect.objectContaining({ code: 'ENOENT', path: `${base}/none`, dest: `${base}/b` }),
      );
      expect(() => p.removeFileAt(dir, 'a\0b')).toThrow(TypeError);
      expect(() => p.symlinkAt('a\0b', dir, 's')).toThrow(TypeError);
      expect(fs.existsSync(at('a'))).toBe(true);
    });

    it('links a symlink itself', () => {
      fs.symlinkSync('target', at('sym'));
      p.linkAt(dir, 'sym', dir, 'hard');
      expect(fs.readlinkSync(at('hard'))).toBe('target');
    });

    it('keeps the bytes of symlinks', () => {
      for (const [name, target] of [
        ['s1', '/x/\xff\xc3\xa9'],
        ['s2', 'l'.repeat(4095)],
        ['s3', '../\\ \n'],
      ]) {
        p.symlinkAt(target, dir, name);
        expect(p.readLinkAt(dir, name)).toBe(target);
        expect(fromBytes(fs.readlinkSync(at(name), { encoding: 'buffer' }))).toBe(target);
      }
      expect(codeOf(() => p.symlinkAt('x', dir, 's1'))).toBe('EEXIST');
      put('file');
      expect(codeOf(() => p.readLinkAt(dir, 'file'))).toBe('EINVAL');
    });

    it('makes fifos and, as root, devices', () => {
      const st = new p.StatBuffer();
      p.makeFifoAt(dir, '\xfffifo', 0o640);
      p.statAt(dir, '\xfffifo', st);
      expect([st.type, st.perm]).toEqual([p.FileType.fifo, 0o640 & ~process.umask()]);
      expect(codeOf(() => p.makeFifoAt(dir, '\xfffifo', 0o640))).toBe('EEXIST');
      if (!root) return;
      p.makeDeviceAt(dir, 'chr', 0o020600, 5, 300);
      p.makeDeviceAt(dir, 'blk', 0o060660, 259, 70_000);
      p.statAt(dir, 'chr', st);
      expect([st.mode, st.rdevMajor, st.rdevMinor]).toEqual([0o020600, 5, 300]);
      p.statAt(dir, 'blk', st);
      expect([st.type, st.rdevMajor, st.rdevMinor]).toEqual([p.FileType.blockDevice, 259, 70_000]);
      expect(p.readDirectory(dir).map((e) => e.name)).toEqual(['blk', 'chr', '\xfffifo']);
    });
  });

  describe('attributes', () => {
    const TIMES: [number, number][] = [
      [0, 0],
      [1_700_000_000, 123_456_789],
      [1_700_000_000, 999_999_999],
      [-1, 1],
      [-1, 999_999_999],
      [-2_000_000_000, 5],
      [13_569_465_600, 987_654_321], // the year 2400
      [0xffff_ffff, 1],
    ];

    it('sets times to the nanosecond, in any century', () => {
      put('file');
      fs.symlinkSync('file', at('link'));
      p.setTimesAt(dir, 'file', 77, 0, 55, 0);
      for (const [sec, nsec] of TIMES) {
        const wanted = p.joinNs(sec, nsec);
        p.setTimesAt(dir, 'link', sec, nsec, 1_600_000_000, 111_222_333);
        const link = fs.lstatSync(at('link'), { bigint: true });
        expectTime(link.mtimeNs, wanted);
        expectTime(link.atimeNs, 1_600_000_000_111_222_333n);
        expect(fs.statSync(at('file')).mtimeMs).toBe(77_000);
        const fd = p.openFileAt(dir, 'file');
        p.setTimesFd(fd, sec, nsec);
        const file = fs.fstatSync(fd, { bigint: true });
        expectTime(file.mtimeNs, wanted);
        expect(file.atimeNs / 1_000_000_000n).toBe(55n);
        p.setTimesAt(dir, 'file', 77, 0);
        p.closeFd(fd);
      }
      expect(() => p.setTimesAt(dir, 'file', 1, 1e9)).toThrow(RangeError);
      expect(() => p.setTimesAt(dir, 'file', 1, -1)).toThrow(RangeError);
      expect(() => p.setTimesAt(dir, 'file', 1.5, 0)).toThrow(RangeError);
      expect(codeOf(() => p.setTimesAt(dir, 'none', 1, 0))).toBe('ENOENT');
    });

    it('sets modes without following', () => {
      put('file');
      fs.chmodSync(at('file'), 0o600);
      fs.symlinkSync('file', at('link'));
      expect(codeOf(() => p.chmodAt(dir, 'link', 0o777))).toBe('ENOTSUP');
      expect(fs.statSync(at('file')).mode & 0o7777).toBe(0o600);
      p.chmodAt(dir, 'file', 0o6751);
      expect(fs.statSync(at('file')).mode & 0o7777).toBe(0o6751);
      const fd = p.openFileAt(dir, 'file');
      p.chmodFd(fd, 0o1604);
      expect(fs.statSync(at('file')).mode & 0o7777).toBe(0o1604);
      p.closeFd(fd);
      p.makeFifoAt(dir, 'pipe', 0o600);
      p.chmodAt(dir, 'pipe', 0o611);
      expect(fs.statSync(at('pipe')).mode & 0o7777).toBe(0o611);
      expect(codeOf(() => p.chmodAt(dir, 'none', 0o600))).toBe('ENOENT');
    });

    it.runIf(root)('sets owners without following', () => {
      put('file');
      fs.symlinkSync('file', at('link'));
      p.chownAt(dir, 'link', 4_000_000_000, 12);
      expect(fs.lstatSync(at('link'))).toMatchObject({ uid: 4_000_000_000, gid: 12 });
      expect(fs.statSync(at('file')).uid).toBe(0);
      const fd = p.openFileAt(dir, 'file');
      p.chownFd(fd, 1234, 5678);
      p.closeFd(fd);
      expect(fs.statSync(at('file'))).toMatchObject({ uid: 1234, gid: 5678 });
      expect(codeOf(() => p.chownAt(dir, 'none', 1, 1))).toBe('ENOENT');
    });

    it('splits times below zero downwards', () => {
      expect(p.splitNs(-1n)).toEqual({ sec: -1, nsec: 999_999_999 });
      expect(p.splitNs(1_500_000_000n)).toEqual({ sec: 1, nsec: 500_000_000 });
      expect(p.joinNs(-1, 999_999_999)).toBe(-1n);
    });
  });

  describe('lock', () => {
    const holder = (file: string, flag: string) =>
      spawn('flock', ['-F', flag, file, 'sh', '-c', 'echo held; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });

    it('shuts others out, and is freed when the holder is killed', async () => {
      const file = `${base}/lock`;
      fs.writeFileSync(file, '');
      const child = holder(file, '-x');
      await once(child.stdout, 'data');
      expect(p.openLock(fromDisplay(file), 'exclusive')).toBeNull();
      expect(p.openLock(fromDisplay(file), 'shared')).toBeNull();
      child.kill('SIGKILL');
      await once(child, 'exit');
      const lock = p.openLock(fromDisplay(file), 'exclusive');
      expect(lock).not.toBeNull();
      expect(spawnSync('flock', ['-n', file, 'true']).status).toBe(1);
      lock!.release();
      lock!.release();
      expect(spawnSync('flock', ['-n', file, 'true']).status).toBe(0);
    });

    it('is shared among readers', () => {
      const file = fromDisplay(`${base}/lock`);
      const one = p.openLock(file, 'shared')!;
      const two = p.openLock(file, 'shared')!;
      expect(two).not.toBeNull();
      expect(p.openLock(file, 'exclusive')).toBeNull();
      one.release();
      two.release();
      const three = p.openLock(file, 'exclusive')!;
      expect(p.openLock(file, 'shared')).toBeNull();
      p.unlockFd(three.fd);
      const four = p.openLock(file, 'shared')!;
      expect(p.lockFd(three.fd, 'exclusive')).toBe(false);
      four.release();
      expect(p.lockFd(three.fd, 'exclusive')).toBe(true);
      three.release();
    });

    it('is not fooled by a lock file that is replaced while it is opened', () => {
      const file = `${base}/lock`;
      const open = fs.openSync;
      const spy = vi.spyOn(fs, 'openSync').mockImplementationOnce((...args) => {
        const fd = open(...args);
        fs.unlinkSync(file);
        return fd;
      });
      const lock = p.openLock(fromDisplay(file), 'exclusive')!;
      spy.mockRestore();
      // Held on the removed file alone, this would be free to take.
      expect(p.openLock(fromDisplay(file), 'exclusive')).toBeNull();
      expect(fs.fstatSync(lock.fd).ino).toBe(fs.statSync(file).ino);
      lock.release();
    });

    it('does not follow a symlink to the lock file', () => {
      put('file');
      fs.symlinkSync('file', at('lnk'));
      expect(codeOf(() => p.openLock(fromDisplay(`${base}/lnk`), 'exclusive'))).toBe('ELOOP');
    });
  });

  describe('file', () => {
    it('syncs a directory, or a whole file system, and takes hints', async () => {
      put('file', 'abc');
      p.syncDirectory(dir);
      expect(codeOf(() => p.syncDirectory(9999))).toBe('EBADF');
      await p.syncFileSystem(dir);
      if (p.nativeAvailable() && process.platform === 'linux')
        await expect(p.syncFileSystem(9999)).rejects.toMatchObject({ code: 'EBADF' });
      const fd = p.openFileAt(dir, 'file');
      p.adviseSequential(fd);
      p.adviseDontNeed(fd, 0, 0);
      p.adviseSequential(9999);
      p.closeFd(fd);
    });

    it('knows data and its end', () => {
      put('file', 'abc');
      put('empty');
      const fd = p.openFileAt(dir, 'file');
      expect([p.nextData(fd, 0), p.nextData(fd, 1), p.nextData(fd, 3)]).toEqual([0, 1, null]);
      expect([p.nextHole(fd, 0), p.nextHole(fd, 3)]).toEqual([3, 3]);
      p.closeFd(fd);
      const empty = p.openFileAt(dir, 'empty');
      expect([p.nextData(empty, 0), p.nextHole(empty, 0)]).toEqual([null, 0]);
      p.closeFd(empty);
    });

    it('finds holes, asked for or guessed from zeros', () => {
      const fd = p.createFileAt(dir, 'sparse', 0o600);
      const MIB = 1 << 20;
      fs.writeSync(fd, Buffer.alloc(100_000, 1), 0, 100_000, 4 * MIB);
      fs.writeSync(fd, Buffer.from('x'), 0, 1, 8 * MIB + 5);
      fs.ftruncateSync(fd, 16 * MIB);
      const from = p.nextData(fd, 0)!;
      const to = p.nextHole(fd, from);
      expect(from).toBe(4 * MIB);
      expect(to).toBeGreaterThanOrEqual(4 * MIB + 100_000);
      expect(to).toBeLessThanOrEqual(4 * MIB + 2 * 65_536);
      const last = p.nextData(fd, to)!;
      expect(last).toBeGreaterThan(8 * MIB - 65_536);
      expect(last).toBeLessThanOrEqual(8 * MIB + 5);
      expect(p.nextHole(fd, last)).toBeGreaterThan(8 * MIB + 5);
      expect(p.nextData(fd, 9 * MIB)).toBeNull();
      expect(p.nextHole(fd, 9 * MIB)).toBe(9 * MIB);
      p.closeFd(fd);
    });
  });

  describe('owners', () => {
    it('knows names and numbers', () => {
      expect(p.userName(0)).toBe('root');
      expect(p.userId('root')).toBe(0);
      expect(p.groupName(0)).toBe('root');
      expect(p.groupId('root')).toBe(0);
      expect(p.userName(3_999_999_999)).toBeNull();
      expect(p.groupName(3_999_999_999)).toBeNull();
      expect(p.userId('no such user')).toBeNull();
      expect(p.groupId('no such\0group')).toBeNull();
      for (const line of fs.readFileSync('/etc/passwd', 'utf8').trim().split('\n').slice(0, 5)) {
        const [name, , uid] = line.split(':');
        expect(p.userId(name)).toBe(Number(uid));
      }
      for (const line of fs.readFileSync('/etc/group', 'utf8').trim().split('\n')) {
        const [name, , gid] = line.split(':');
        expect([p.groupId(name), p.groupName(Number(gid))]).toEqual([Number(gid), name]);
      }
    });

    it('gives the number of an own user whom nobody has named', () => {
      expect(p.ownUserName()).toBe(os.userInfo().username);
      const unnamed = vi.spyOn(os, 'userInfo').mockImplementation(() => {
        throw new Error('uv_os_get_passwd returned ENOENT');
      });
      expect(p.ownUserName()).toBe(String(process.geteuid?.()));
      unnamed.mockRestore();
    });
  });
}
