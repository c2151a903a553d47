import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttributeNotes, applyToNew } from '../../../src/archive/restore/attributes.js';
import { Directories } from '../../../src/archive/restore/directories.js';
import { fromDisplay } from '../../../src/bytes.js';
import { UserError } from '../../../src/errors.js';
import { EntryType } from '../../../src/format/entry.js';
import {
  CWD,
  closeFd,
  FileType,
  getXattrAt,
  listXattrsAt,
  makeFifoAt,
  openDirectory,
  removeXattrAt,
  setXattrAt,
} from '../../../src/platform/index.js';
import { Lab, noise } from './lab.js';

const isRoot = process.geteuid?.() === 0;
const link = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const MTIME = 1_600_000_000_123_456_789n;

let lab: Lab;
beforeEach(async () => {
  lab = await Lab.open();
});
afterEach(() => lab.close());

const at = (path: string): string => join(lab.target, path);
const text = (path: string): string => fs.readFileSync(at(path), 'utf8');
const paths = (errors: { path: string }[]): string[] => errors.map(({ path }) => path).sort();

describe('damage', () => {
  it('costs the files of a frame, each named, and no others', async () => {
    lab.dir('/d');
    lab.file('/d/a', 'a');
    lab.file('/d/b', 'b', { link: link(1) });
    lab.file('/d/b2', 'b', { link: link(1) });
    lab.file('/d/empty', '');
    lab.cutFrame();
    lab.file('/d/c', 'c');
    const pack = await lab.cut();
    lab.file('/d/e', 'e');
    fs.mkdirSync(at('d'), { recursive: true });
    fs.writeFileSync(at('d/a'), 'still here');
    lab.damage(pack!, 0);
    const result = await lab.restore();
    expect(result).toMatchObject({ restored: 3, bytes: 2 });
    expect(paths(result.errors)).toEqual(['/d/a', '/d/b', '/d/b2']);
    expect(result.errors[0].message).toMatch(/damaged in the store, frame 0 of pack [0-9a-f]{64}/);
    expect(fs.readdirSync(at('d')).sort()).toEqual(['a', 'c', 'e', 'empty']);
    // What cannot be replaced is not taken away.
    expect(text('d/a')).toBe('still here');
  });

  it('takes a whole pack', async () => {
    lab.file('/a', 'a');
    const pack = await lab.cut();
    lab.file('/b', 'b');
    fs.rmSync(lab.packFile(pack!));
    const result = await lab.restore();
    expect(result.restored).toBe(1);
    expect(paths(result.errors)).toEqual(['/a']);
    expect(result.errors[0].message).toMatch(/missing in the store, frame 0 of pack [0-9a-f]{64}/);
  });

  it('takes of a pack that is cut short only what lies behind the cut', async () => {
    lab.file('/a', 'a');
    lab.cutFrame();
    lab.file('/b', 'b');
    const pack = await lab.cut();
    fs.truncateSync(lab.packFile(pack!), 72 + 17 + 3);
    const result = await lab.restore();
    expect(paths(result.errors)).toEqual(['/b']);
    expect(text('a')).toBe('a');
  });

  it('leaves out what no pack has', async () => {
    lab.file('/a', 'a').ids[0] ^= 1;
    lab.file('/big', noise(3_000_000));
    lab.entries[1].ids[3] ^= 1;
    lab.file('/b', 'b');
    const result = await lab.restore();
    expect(result.errors.map(({ path, message }) => [path, message])).toEqual([
      ['/a', 'missing in the store: a chunk is in none of its packs'],
      ['/big', expect.stringMatching(/^its chunk list cannot be read: /)],
    ]);
    expect(fs.readdirSync(lab.target)).toEqual(['b']);
  });

  it('of a pack that goes away meanwhile, or is cut off', async () => {
    lab.file('/a', 'a');
    const gone = await lab.cut();
    lab.file('/b', 'b');
    lab.cutFrame();
    lab.file('/c', 'c');
    const cut = await lab.cut();
    lab.file('/d', 'd');
    const size = fs.statSync(lab.packFile(cut!)).size;
    let once = true;
    const result = await lab.restore({
      beforeTask: () => {
        if (!once) return;
        once = false;
        fs.rmSync(lab.packFile(gone!));
        // The header and the first frame stay.
        fs.truncateSync(lab.packFile(cut!), 72 + 17 + 3);
      },
    });
    expect(size).toBeGreaterThan(100);
    expect(paths(result.errors)).toEqual(['/a', '/c']);
    expect(text('b')).toBe('b');
    expect(text('d')).toBe('d');
  });

  it('is overcome when the chunks are stored elsewhere too', async () => {
    const big = noise(3_000_000);
    lab.file('/a', 'a');
    lab.file('/big', big);
    const first = await lab.cut();
    lab.twice = true;
    lab.file('/a2', 'a');
    await lab.cut();
    lab.file('/big2', big);
    lab.damage(first!, 0);
    lab.damage(first!, 1);
    const result = await lab.restore();
    expect(result).toMatchObject({ restored: 4, errors: [] });
    expect(text('a')).toBe('a');
    expect(fs.readFileSync(at('big')).equals(big)).toBe(true);
  });

  it('leaves nothing of a big file that looks whole', async () => {
    lab.dir('/d');
    lab.file('/d/big', noise(5_000_000));
    const pack = await lab.cut();
    lab.file('/d/other', noise(2_000_000, 9));
    lab.damage(pack!, 2);
    const result = await lab.restore();
    expect(paths(result.errors)).toEqual(['/d/big']);
    expect(fs.readdirSync(at('d'))).toEqual(['other']);
    expect(fs.statSync(at('d'), { bigint: true }).mtimeNs).toBe(MTIME);
  });

  it('of what an entry says about its size', async () => {
    lab.file('/small', 'abc').size = 4;
    lab.file('/big', noise(3_000_000)).size = 2_999_999;
    const result = await lab.restore();
    expect(paths(result.errors)).toEqual(['/big', '/small']);
    expect(fs.readdirSync(lab.target)).toEqual([]);
  });
});

describe('a restore that was killed', () => {
  it('is finished by the next', async () => {
    lab.dir('/d', { mode: 0o555 });
    for (let i = 0; i < 40; i++) lab.file(`/d/f${i}`, noise(400_000, i + 1), { mode: 0o600 });
    lab.file('/d/z-big', noise(4_000_000, 77));
    let tasks = 0;
    const dies = lab.restore({
      beforeTask: () => {
        if (++tasks > 2) throw new Error('killed');
      },
    });
    await expect(dies).rejects.toThrow('killed');
    // As a kill leaves it: some files are whole, one is half written, a big one has its size but not its bytes.
    const there = fs.readdirSync(at('d')).length;
    expect(there).toBeGreaterThan(0);
    expect(there).toBeLessThan(41);
    fs.writeFileSync(at('d/f39'), noise(400_000, 1).subarray(0, 200_000));
    fs.writeFileSync(at('d/z-big'), '');
    fs.truncateSync(at('d/z-big'), 4_000_000);
    const result = await lab.restore();
    expect(result.errors).toEqual([]);
    expect(result.skipped).toBeGreaterThan(0);
    expect(result.restored + result.skipped).toBe(41);
    for (let i = 0; i < 40; i++) expect(fs.readFileSync(at(`d/f${i}`)).equals(noise(400_000, i + 1))).toBe(true);
    expect(fs.readFileSync(at('d/z-big')).equals(noise(4_000_000, 77))).toBe(true);
    expect(fs.statSync(at('d')).mode & 0o777).toBe(0o555);
  });

  it('stops when told to, leaving no half of a big file', async () => {
    lab.file('/a', 'a');
    lab.file('/big', noise(30_000_000));
    lab.file('/z', 'z');
    const abort = new AbortController();
    let tasks = 0;
    const stops = lab.restore({
      signal: abort.signal,
      beforeTask: () => {
        if (++tasks === 2) abort.abort(new Error('interrupted'));
      },
    });
    await expect(stops).rejects.toThrow('interrupted');
    expect(fs.existsSync(at('big'))).toBe(false);
  });
});

describe('someone who changes the target meanwhile', () => {
  it('cannot lead anything out of it', async () => {
    const outside = join(lab.base, 'outside');
    fs.mkdirSync(outside);
    fs.writeFileSync(join(outside, 'file'), 'theirs');
    fs.writeFileSync(join(outside, 'big'), 'theirs');
    fs.chmodSync(outside, 0o711);
    lab.dir('/t');
    lab.dir('/t/sub');
    lab.dir('/t/sub/deep');
    lab.file('/t/sub/big', noise(1_100_000));
    lab.file('/t/sub/deep/file', 'ours');
    lab.file('/t/sub/file', 'ours', { link: link(1) });
    lab.file('/t/sub/file2', 'ours', { link: link(1) });
    lab.symlink('/t/sub/sym', 'ours');
    lab.add('/t/sub/fifo', EntryType.fifo);
    fs.mkdirSync(at('t/sub'), { recursive: true });
    const attacker = spawn(process.execPath, ['-e', ATTACKER, at('t'), outside], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => attacker.on('exit', resolve));
    await new Promise((resolve) => attacker.stdout.once('data', resolve));
    let whole = 0;
    const end = Date.now() + 5000;
    while (Date.now() < end) {
      const result = await lab.restore({ overwrite: 'always' });
      if (result.errors.length === 0) whole++;
    }
    attacker.kill();
    await exited;
    expect(fs.readdirSync(outside).sort()).toEqual(['big', 'file']);
    expect(fs.readFileSync(join(outside, 'file'), 'utf8')).toBe('theirs');
    expect(fs.readFileSync(join(outside, 'big'), 'utf8')).toBe('theirs');
    expect(fs.statSync(outside).mode & 0o777).toBe(0o711);
    expect(fs.statSync(join(outside, 'file')).nlink).toBe(1);
    expect(whole).toBeGreaterThanOrEqual(0);
    fs.rmSync(at('t'), { recursive: true, force: true });
    expect((await lab.restore()).errors).toEqual([]);
  });

  it.runIf(isRoot && process.platform === 'linux')('cannot have the owner and rights of another file changed', () => {
    fs.mkdirSync(lab.target);
    const dir = openDirectory(fromDisplay(lab.target));
    const want = { uid: 12, gid: 34, perm: 0o666, mtimeSec: 0, mtimeNsec: 0, xattrs: [] };
    const place = { isForeign: true, inheritsAcl: false };
    const notes = new AttributeNotes();
    makeFifoAt(CWD, fromDisplay(at('secret')), 0o600);
    fs.writeFileSync(at('shadow'), 'secret', { mode: 0o600 });
    // What has been put in the place of a symlink and of a fifo that were just made.
    fs.linkSync(at('secret'), at('fifo'));
    fs.linkSync(at('shadow'), at('link'));
    expect(() => applyToNew(dir, 'fifo', want, FileType.fifo, place, notes)).toThrow(/someone else/);
    expect(() => applyToNew(dir, 'link', want, FileType.symlink, place, notes)).toThrow(/someone else/);
    for (const name of ['secret', 'shadow']) expect(fs.statSync(at(name))).toMatchObject({ uid: 0, gid: 0 });
    expect(fs.statSync(at('secret')).mode & 0o777).toBe(0o600);
    // And what is one's own gets all that it should.
    fs.symlinkSync('nowhere', at('own'));
    makeFifoAt(CWD, fromDisplay(at('pipe')), 0o600);
    const xattrs: [string, Uint8Array][] = [['trusted.note', Buffer.from('n')]];
    applyToNew(dir, 'own', { ...want, xattrs }, FileType.symlink, place, notes);
    applyToNew(dir, 'pipe', { ...want, xattrs }, FileType.fifo, place, notes);
    closeFd(dir);
    expect(notes.warnings()).toEqual([]);
    for (const name of ['own', 'pipe']) {
      expect(fs.lstatSync(at(name))).toMatchObject({ uid: 12, gid: 34 });
      expect(getXattrAt(CWD, fromDisplay(at(name)), 'trusted.note')?.toString()).toBe('n');
    }
    expect(fs.statSync(at('pipe')).mode & 0o777).toBe(0o666);
  });

  it('is told when it puts another directory in the place of one', () => {
    fs.mkdirSync(at('one'), { recursive: true });
    fs.mkdirSync(at('two'));
    // Only the one that was used last stays open.
    const directories = new Directories({ dryRun: false, limit: 1 });
    const root = directories.root(fromDisplay(lab.target));
    const one = directories.child(root, 'one', false);
    const two = directories.child(root, 'two', false);
    expect(one.fd).toBe(-1);
    expect(directories.fd(one)).toBeGreaterThan(0);
    expect(two.fd).toBe(-1);
    fs.renameSync(at('two'), join(lab.base, 'away'));
    fs.renameSync(at('one'), at('two'));
    expect(() => directories.fd(two)).toThrow(/replaced by someone else/);
    directories.close();
  });
});

/** Puts symlinks that lead outside in the place of directories and files, and takes them away again. */
const ATTACKER = `
  const fs = require('node:fs');
  const [, target, outside] = process.argv;
  const quietly = (f) => { try { f(); } catch {} };
  let n = 0;
  process.stdin.resume();
  process.stdin.on('end', () => process.exit());
  process.stdout.write('ready');
  const round = () => {
    for (let i = 0; i < 50; i++) {
      n++;
      quietly(() => fs.renameSync(target + '/sub', target + '/away' + n));
      quietly(() => fs.symlinkSync(outside, target + '/sub'));
      for (let k = 0; k < 200 * (n % 7); k++) Math.sqrt(k);
      quietly(() => fs.unlinkSync(target + '/sub'));
      quietly(() => fs.renameSync(target + '/away' + n, target + '/sub'));
      quietly(() => fs.rmSync(target + '/away' + n, { recursive: true, force: true }));
      for (const name of ['file', 'big', 'deep']) {
        quietly(() => fs.renameSync(target + '/sub/' + name, target + '/sub/x'));
        quietly(() => fs.symlinkSync(outside + (name === 'deep' ? '' : '/' + name), target + '/sub/' + name));
        quietly(() => fs.unlinkSync(target + '/sub/' + name));
      }
    }
    setImmediate(round);
  };
  round();
`;

describe.runIf(isRoot)('without root', () => {
  const asNobody = async <T>(work: () => Promise<T>): Promise<T> => {
    for (const path of [lab.base, lab.target]) {
      fs.mkdirSync(path, { recursive: true });
      fs.chownSync(path, 65534, 65534);
    }
    spawnSync('chown', ['-R', '65534:65534', lab.base]);
    process.setegid!(65534);
    process.seteuid!(65534);
    try {
      return await work();
    } finally {
      process.seteuid!(0);
      process.setegid!(0);
    }
  };

  it('owners are skipped with one warning, setuid bits cleared, and all else comes back', async () => {
    lab.dir('/d', { uid: 1000, gid: 1000, mode: 0o2755 });
    lab.file('/d/setuid', 's', { uid: 0, gid: 0, mode: 0o6755 });
    lab.file('/d/secret', 's', { uid: 1000, gid: 1000, mode: 0o400, xattrs: [['user.note', Buffer.from('n')]] });
    lab.file('/d/big', noise(2_000_000), { uid: 1000, gid: 1000, mode: 0o444, xattrs: [['user.b', Buffer.from('b')]] });
    lab.dir('/d/locked', { uid: 1000, mode: 0o500 });
    lab.file('/d/locked/f', 'f');
    const result = await asNobody(() => lab.restore());
    expect(result).toMatchObject({ restored: 4, errors: [] });
    expect(lab.warnings).toHaveLength(1);
    expect(lab.warnings[0]).toMatch(/owners/);
    expect(fs.statSync(at('d/setuid')).mode & 0o7777).toBe(0o755);
    expect(fs.statSync(at('d')).mode & 0o7777).toBe(0o755);
    expect(fs.statSync(at('d/secret')).mode & 0o7777).toBe(0o400);
    expect(fs.statSync(at('d/locked')).mode & 0o7777).toBe(0o500);
    expect(fs.statSync(at('d/secret')).uid).toBe(65534);
    expect(getXattrAt(CWD, at('d/secret'), 'user.note')?.toString()).toBe('n');
    expect(getXattrAt(CWD, at('d/big'), 'user.b')?.toString()).toBe('b');
    // Directories that one may not write to are opened for the time of a restore.
    fs.rmSync(at('d/locked/f'));
    expect(await asNobody(() => lab.restore())).toMatchObject({ restored: 1, skipped: 3, errors: [] });
    expect(fs.statSync(at('d/locked')).mode & 0o7777).toBe(0o500);
  });

  it("locked directories of one's own are removed with what is in them", async () => {
    lab.dir('/d');
    lab.file('/d/file', 'f');
    const result = await asNobody(() => {
      for (const path of ['d/file/deep', 'd/extra/deep', 'd/holder/store', 'd/dark']) {
        fs.mkdirSync(at(path), { recursive: true });
        fs.writeFileSync(at(`${path}/f`), 'x');
      }
      for (const path of ['d/file/deep', 'd/file', 'd/extra/deep', 'd/extra', 'd/holder'])
        fs.chmodSync(at(path), 0o500);
      fs.chmodSync(at('d/dark'), 0);
      const { ino } = fs.statSync(at('d/holder/store'));
      return lab.restore({ delete: true, isProtected: (stat) => stat.ino === ino });
    });
    expect(result).toMatchObject({ restored: 1, errors: [] });
    // What does not open itself to its owner was not saved either.
    expect(fs.readdirSync(at('d')).sort()).toEqual(['dark', 'file', 'holder']);
    expect(lab.warnings.at(-1)).toMatch(/could not read, .*: \S*\/d\/dark;/);
    expect(fs.readdirSync(at('d/dark'))).toEqual(['f']);
    expect(fs.statSync(at('d/file')).isFile()).toBe(true);
    // What stays is as it was.
    expect(fs.readdirSync(at('d/holder'))).toEqual(['store']);
    expect(fs.statSync(at('d/holder')).mode & 0o7777).toBe(0o500);
  });

  it('what cannot be made is an error of its own', async () => {
    lab.dir('/d');
    lab.add('/d/null', EntryType.chardev, { rdev: { major: 1, minor: 3 } });
    lab.file('/d/f', 'f');
    const result = await asNobody(() => lab.restore());
    expect(result.restored).toBe(1);
    expect(paths(result.errors)).toEqual(['/d/null']);
  });

  it('a foreign directory that may not be written to costs only what is in it', async () => {
    fs.mkdirSync(at('theirs'), { recursive: true });
    lab.dir('/theirs');
    lab.file('/theirs/f', 'f');
    lab.file('/mine', 'm');
    const result = await asNobody(() => {
      process.seteuid!(0);
      fs.chownSync(at('theirs'), 0, 0);
      process.seteuid!(65534);
      return lab.restore();
    });
    expect(result.restored).toBe(1);
    expect(paths(result.errors)).toContain('/theirs/f');
  });
});

describe.runIf(isRoot)('as root', () => {
  it('owners, devices, setuid bits and attributes come back', async () => {
    const acl = posixAcl();
    lab.dir('/d', { uid: 12345, gid: 23456, mode: 0o2775, xattrs: [['system.posix_acl_default', acl]] });
    lab.file('/d/f', 'f', { uid: 12345, gid: 23456, mode: 0o6755 });
    lab.file('/d/big', noise(2_000_000), { uid: 1, gid: 2, mode: 0o4711 });
    lab.file('/d/acl', 'f', {
      mode: 0o674,
      xattrs: [
        ['system.posix_acl_access', acl],
        ['user.x', Buffer.from([0, 255])],
      ],
    });
    lab.file('/d/named', 'f', { uid: 4242, user: 'daemon', gid: 4242, group: 'no-such-group-here' });
    lab.add('/d/null', EntryType.chardev, { rdev: { major: 1, minor: 3 }, mode: 0o666, uid: 7 });
    lab.symlink('/d/l', 'x', { uid: 12345, gid: 1 });
    expect((await lab.restore()).errors).toEqual([]);
    const stat = (path: string): number[] => {
      const { uid, gid, mode } = fs.lstatSync(at(path));
      return [uid, gid, mode & 0o7777];
    };
    expect(stat('d')).toEqual([12345, 23456, 0o2775]);
    expect(stat('d/f')).toEqual([12345, 23456, 0o6755]);
    expect(stat('d/big')).toEqual([1, 2, 0o4711]);
    expect(stat('d/acl').at(2)).toBe(0o674);
    expect(stat('d/named').slice(0, 2)).toEqual([1, 4242]);
    expect(stat('d/l').slice(0, 2)).toEqual([12345, 1]);
    expect(fs.statSync(at('d/null')).rdev).toBe(fs.statSync('/dev/null').rdev);
    expect(getXattrAt(CWD, at('d/acl'), 'system.posix_acl_access')?.equals(acl)).toBe(true);
    expect(getXattrAt(CWD, at('d/acl'), 'user.x')?.equals(Buffer.from([0, 255]))).toBe(true);
    expect(getXattrAt(CWD, at('d'), 'system.posix_acl_default')?.equals(acl)).toBe(true);
    // The directory's default ACL came after its files.
    expect(listXattrsAt(CWD, at('d/f'))).toEqual([]);
    expect(await lab.restore()).toMatchObject({ restored: 0, skipped: 6, errors: [] });

    // Into a directory that hands an ACL and a group down.
    setXattrAt(CWD, lab.target, 'system.posix_acl_default', acl);
    fs.chownSync(lab.target, 0, 999);
    fs.chmodSync(lab.target, 0o2755);
    lab.file('/plain', 'p');
    lab.dir('/plaindir', { mode: 0o755 });
    lab.file('/plaindir/f', 'p');
    await lab.restore();
    for (const path of ['plain', 'plaindir', 'plaindir/f']) {
      expect(listXattrsAt(CWD, at(path)), path).toEqual([]);
      expect(fs.statSync(at(path)).gid, path).toBe(0);
    }
    expect(stat('plain')[2]).toBe(0o644);
    expect(stat('plaindir')[2]).toBe(0o755);
    // Attributes that were not stored go.
    setXattrAt(CWD, at('plain'), 'user.more', Buffer.from('x'));
    await lab.restore();
    expect(listXattrsAt(CWD, at('plain'))).toEqual([]);
  });

  it.each(['that is there', 'that is made'])('nothing keeps an ACL from a directory %s', async (which) => {
    const acl = posixAcl();
    const handsDown = which === 'that is there' ? at('d') : lab.base;
    fs.mkdirSync(handsDown, { recursive: true });
    setXattrAt(CWD, fromDisplay(handsDown), 'system.posix_acl_default', acl);
    lab.dir('/d');
    lab.add('/d/pipe', EntryType.fifo, { mode: 0o600 });
    lab.add('/d/socket', EntryType.socket, { mode: 0o755 });
    lab.add('/d/zero', EntryType.chardev, { rdev: { major: 1, minor: 5 }, mode: 0o640 });
    lab.add('/d/shared', EntryType.fifo, { mode: 0o674, xattrs: [['system.posix_acl_access', acl]] });
    lab.symlink('/d/symlink', 'x');
    lab.file('/d/file', 'f');
    lab.dir('/d/dir');
    lab.add('/top', EntryType.fifo, { mode: 0o640 });
    expect((await lab.restore()).errors).toEqual([]);
    expect(lab.warnings).toEqual([]);
    for (const { key, mode } of lab.entries) {
      const path = key.replaceAll('\0', '/');
      const isShared = path === 'd/shared';
      expect(listXattrsAt(CWD, at(path)), path).toEqual(isShared ? ['system.posix_acl_access'] : []);
      expect(fs.lstatSync(at(path)).mode & 0o7777, path).toBe(mode);
    }
    expect(getXattrAt(CWD, at('d/shared'), 'system.posix_acl_access')?.equals(acl)).toBe(true);
  });

  it('attributes of what is no file are set where it is left as it is', async () => {
    const acl = posixAcl();
    const note: [string, Uint8Array] = ['trusted.note', Buffer.from('saved')];
    lab.dir('/d');
    lab.symlink('/d/symlink', 'x', { xattrs: [note] });
    lab.add('/d/pipe', EntryType.fifo, { mode: 0o640, xattrs: [note] });
    lab.add('/d/socket', EntryType.socket, { mode: 0o674, xattrs: [['system.posix_acl_access', acl], note] });
    lab.add('/d/zero', EntryType.chardev, { rdev: { major: 1, minor: 5 }, mode: 0o4640, uid: 12, xattrs: [note] });
    await lab.restore();
    const wanted = lab.entries
      .slice(1)
      .map(({ key, mode, uid, xattrs }) => [at(key.replace('\0', '/')), mode, uid, xattrs]);
    const found = () =>
      (wanted as [string, ...unknown[]][]).map(([path]) => {
        const { mode, uid } = fs.lstatSync(path);
        const xattrs = listXattrsAt(CWD, path).map((name) => [name, getXattrAt(CWD, path, name)]);
        return [path, mode & 0o7777, uid, xattrs];
      });
    expect(found()).toEqual(wanted);
    const inodes = () => fs.readdirSync(at('d')).map((name) => fs.lstatSync(at(`d/${name}`)).ino);
    const before = inodes();
    const all = ['symlink', 'pipe', 'socket', 'zero'];
    const changes: [names: string[], change: (path: string) => void][] = [
      [all, (path) => setXattrAt(CWD, path, 'trusted.note', Buffer.from('other'))],
      [all, (path) => removeXattrAt(CWD, path, 'trusted.note')],
      [all, (path) => fs.lchownSync(path, 7, 7)],
      [['pipe', 'zero'], (path) => setXattrAt(CWD, path, 'system.posix_acl_access', acl)],
      [['socket'], (path) => removeXattrAt(CWD, path, 'system.posix_acl_access')],
      [['pipe', 'socket', 'zero'], (path) => fs.chmodSync(path, 0o600)],
    ];
    for (const [names, change] of changes) {
      for (const name of names) change(at(`d/${name}`));
      expect(found()).not.toEqual(wanted);
      const untouched = found();
      expect(await lab.restore({ dryRun: true })).toMatchObject({ restored: 0, skipped: 4, errors: [] });
      expect(found()).toEqual(untouched);
      expect(await lab.restore()).toMatchObject({ restored: 0, skipped: 4, errors: [] });
      expect(found()).toEqual(wanted);
      expect(inodes()).toEqual(before);
    }
    expect(lab.warnings).toEqual([]);
    // With a further name, which may lie outside, it is made anew instead.
    for (const name of all) {
      fs.linkSync(at(`d/${name}`), join(lab.base, name));
      setXattrAt(CWD, at(`d/${name}`), 'trusted.note', Buffer.from('theirs'));
    }
    expect(await lab.restore()).toMatchObject({ restored: 4, skipped: 0, errors: [] });
    expect(found()).toEqual(wanted);
    for (const name of all)
      expect(getXattrAt(CWD, fromDisplay(join(lab.base, name)), 'trusted.note')?.toString()).toBe('theirs');
  });

  it('what is mounted in the target is not removed, nor what lies in it', async () => {
    lab.dir('/d');
    lab.file('/d/file', 'f');
    const mount = (path: string, ...options: string[]): boolean => {
      fs.mkdirSync(at(path), { recursive: true });
      return spawnSync('mount', [...options, at(path)]).status === 0;
    };
    const theirs = join(lab.base, 'theirs');
    fs.mkdirSync(theirs);
    fs.writeFileSync(join(theirs, 'f'), 'theirs');
    try {
      if (!mount('d/extra/disk', '-t', 'tmpfs', 'tmpfs')) return;
      // The device is the same here: only the mount tells.
      mount('d/extra/bound', '--bind', theirs);
      mount('d/file', '--bind', theirs);
      fs.writeFileSync(at('d/extra/disk/f'), 'theirs');
      fs.writeFileSync(at('d/extra/goes'), 'x');
      const result = await lab.restore({ delete: true });
      expect(paths(result.errors)).toEqual(['/d/file']);
      expect(result.deleted).toEqual([at('d/extra/goes')]);
      for (const path of ['d/extra/disk/f', 'd/extra/bound/f', 'd/file/f']) expect(text(path)).toBe('theirs');
    } finally {
      for (const path of ['d/extra/disk', 'd/extra/bound', 'd/file']) spawnSync('umount', [at(path)]);
    }
  });

  it.each([
    ['left, whatever the snapshot has in it', {}, ['gone'], ['bound', 'saved', 'usb']],
    ['left with another named', { named: ['/d'] }, ['gone'], ['bound', 'saved', 'usb']],
    ['restored as named', { named: ['/d/saved', '/d/usb'] }, ['gone', 'saved/new', 'usb/new'], ['bound']],
    [
      'restored as a root, unless the root was empty',
      { roots: ['/', '/d/saved', '/d/usb'] },
      ['gone', 'saved/new'],
      ['bound', 'usb'],
    ],
    [
      'left though named, where backups keep to one',
      { named: ['/d/saved'], unsaved: { oneFileSystem: true } },
      ['gone'],
      ['bound', 'saved', 'usb'],
    ],
    ['restored as mapped', { map: 'saved' }, ['gone', 'saved/new'], ['bound', 'usb']],
  ])('what is in a directory of the snapshot on which something is mounted is %s', async (_, how, goes, left) => {
    lab.dir('/d');
    lab.dir('/d/bound');
    lab.dir('/d/saved');
    lab.dir('/d/saved/sub');
    lab.file('/d/saved/sub/file', 'f');
    lab.dir('/d/usb');
    const mounts = ['bound', 'saved', 'usb'];
    const theirs = join(lab.base, 'theirs');
    fs.mkdirSync(theirs);
    const { map, ...options } = how as { map?: string; named?: string[]; roots?: string[]; unsaved?: object };
    try {
      for (const name of mounts) {
        fs.mkdirSync(at(`d/${name}`), { recursive: true });
        const what = name === 'bound' ? ['--bind', theirs] : ['-t', 'tmpfs', 'tmpfs'];
        if (spawnSync('mount', [...what, at(`d/${name}`)]).status !== 0) return;
      }
      fs.mkdirSync(at('d/saved/sub'));
      for (const path of ['gone', 'bound/new', 'saved/new', 'usb/new']) fs.writeFileSync(at(`d/${path}`), 'x');
      const mapped = map === undefined ? [] : [{ from: `/d/${map}`, to: at(`d/${map}`) }];
      for (const dryRun of [true, false]) {
        lab.warnings.length = 0;
        const result = await lab.restore({ delete: true, dryRun, map: mapped, ...options });
        expect(result.errors).toEqual([]);
        expect([...result.deleted!].sort()).toEqual(goes.map((path) => at(`d/${path}`)));
        const named = left.map((name) => at(`d/${name}`)).join(', ');
        expect(lab.warnings).toEqual([expect.stringContaining(`on other file systems than the target's: ${named};`)]);
      }
      for (const name of left) expect(text(`d/${name}/new`)).toBe('x');
      expect(text('d/saved/sub/file')).toBe('f');
    } finally {
      for (const name of mounts) spawnSync('umount', [at(`d/${name}`)]);
    }
  });

  it('a pseudo file system is left even if its path is named', async () => {
    lab.dir('/d');
    lab.dir('/d/queues');
    fs.mkdirSync(at('d/queues'), { recursive: true });
    if (spawnSync('mount', ['-t', 'mqueue', 'none', at('d/queues')]).status !== 0) return;
    try {
      fs.writeFileSync(at('d/queues/queue'), '');
      expect(await lab.restore({ delete: true, named: ['/d/queues'] })).toMatchObject({ deleted: [], errors: [] });
      expect(fs.readdirSync(at('d/queues'))).toEqual(['queue']);
    } finally {
      spawnSync('umount', [at('d/queues')]);
    }
  });

  it('a full target is told, and the next restore goes on', async () => {
    fs.mkdirSync(lab.target);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', lab.target]);
    if (mounted.status !== 0) return;
    try {
      for (let i = 0; i < 30; i++) lab.file(`/f${String(i).padStart(2, '0')}`, noise(200_000, i + 1));
      const fails = lab.restore();
      await expect(fails).rejects.toThrow(UserError);
      await expect(fails).rejects.toThrow(/no space left/);
      for (const name of fs.readdirSync(lab.target)) expect(fs.statSync(at(name)).size, name).toBe(200_000);
      spawnSync('mount', ['-o', 'remount,size=30m', lab.target]);
      lab.file('/z', noise(20_000_000));
      const result = await lab.restore();
      expect(result.errors).toEqual([]);
      expect(result.skipped).toBeGreaterThan(3);
      lab.file('/zz', noise(20_000_000, 5));
      await expect(lab.restore()).rejects.toThrow(/no space left/);
      expect(fs.existsSync(at('zz'))).toBe(false);
    } finally {
      spawnSync('umount', [lab.target]);
    }
  });
});

/** user::rw-, user:1:rw-, group::r--, mask::rwx, other::r-- as Linux holds it. */
function posixAcl(): Buffer {
  const entries: [tag: number, perm: number, id: number][] = [
    [1, 6, 0xffffffff],
    [2, 6, 1],
    [4, 4, 0xffffffff],
    [16, 7, 0xffffffff],
    [32, 4, 0xffffffff],
  ];
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  entries.forEach(([tag, perm, id], i) => {
    bytes.writeUInt16LE(tag, 4 + i * 8);
    bytes.writeUInt16LE(perm, 6 + i * 8);
    bytes.writeUInt32LE(id, 8 + i * 8);
  });
  return bytes;
}

describe('any tree over any other', () => {
  const names = fc.constantFrom('a', 'b', 'a-b', '\xff', 'é');
  const node = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.record({
        kind: fc.constant('file' as const),
        content: fc.nat({ max: 3 }),
        mode: fc.constantFrom(0o644, 0o400),
      }),
      fc.record({ kind: fc.constant('link' as const), content: fc.nat({ max: 2 }) }),
      fc.record({ kind: fc.constant('fifo' as const) }),
      fc.record({ kind: fc.constant('dir' as const), children: fc.dictionary(names, tie('tree'), { maxKeys: 4 }) }),
    ) as fc.Arbitrary<Tree>,
  })).tree;
  const tree = fc.dictionary(names, node, { minKeys: 1, maxKeys: 4 });

  it('gives exactly the tree, but for what it does not name', async () => {
    await fc.assert(
      fc.asyncProperty(tree, tree, fc.boolean(), async (old, wanted, remove) => {
        const one = await Lab.open();
        try {
          fs.mkdirSync(join(one.target, 'r'), { recursive: true });
          plant(Buffer.from(join(one.target, 'r')), old);
          one.dir('/r');
          addAll(one, '/r', wanted);
          const told = await one.restore({ delete: remove, dryRun: true });
          const result = await one.restore({ delete: remove });
          expect(result.errors).toEqual([]);
          expect(told).toEqual(result);
          const found = harvest(Buffer.from(join(one.target, 'r')));
          expect(found).toEqual(remove ? plain(wanted) : over(plain(old, true), plain(wanted)));
          expect(await one.restore({ delete: remove })).toMatchObject({ restored: 0, bytes: 0, errors: [] });
        } finally {
          await one.close();
        }
      }),
      { numRuns: 40 },
    );
  });
});

type Tree =
  | { kind: 'file'; content: number; mode: number }
  | { kind: 'link'; content: number }
  | { kind: 'fifo' }
  | { kind: 'dir'; children: Record<string, Tree> };
type Plain = string | { [name: string]: Plain };

const contentOf = (n: number): Uint8Array => noise([0, 10, 70_000, 1_200_000][n], n + 1);
const child = (path: Buffer, name: string): Buffer =>
  Buffer.concat([path, Buffer.from('/'), Buffer.from(name, 'latin1')]);

function plant(path: Buffer, children: Record<string, Tree>): void {
  for (const [name, item] of Object.entries(children)) {
    const to = child(path, name);
    if (item.kind === 'file') fs.writeFileSync(to, contentOf(item.content), { mode: 0o600 });
    else if (item.kind === 'link') fs.symlinkSync(`old${item.content}`, to);
    else if (item.kind === 'fifo') makeFifoAt(CWD, to.latin1Slice(), 0o600);
    else {
      fs.mkdirSync(to);
      plant(to, item.children);
    }
  }
}

function addAll(one: Lab, path: string, children: Record<string, Tree>): void {
  for (const [name, item] of Object.entries(children)) {
    const bytes = `${path}/${name}`;
    if (item.kind === 'file') one.file({ bytes }, contentOf(item.content), { mode: item.mode });
    else if (item.kind === 'link') one.add({ bytes }, EntryType.symlink, { mode: 0o777, target: `to${item.content}` });
    else if (item.kind === 'fifo') one.add({ bytes }, EntryType.fifo);
    else {
      one.add({ bytes }, EntryType.dir);
      addAll(one, bytes, item.children);
    }
  }
}

function plain(children: Record<string, Tree>, isOld = false): { [name: string]: Plain } {
  return Object.fromEntries(
    Object.entries(children).map(([name, item]) => [
      name,
      item.kind === 'dir'
        ? plain(item.children, isOld)
        : item.kind === 'file'
          ? `file ${item.content}`
          : item.kind === 'link'
            ? `link ${isOld ? 'old' : 'to'}${item.content}`
            : 'fifo',
    ]),
  );
}

function over(old: { [name: string]: Plain }, wanted: { [name: string]: Plain }): { [name: string]: Plain } {
  const result = { ...old };
  for (const [name, item] of Object.entries(wanted)) {
    const before = old[name];
    result[name] =
      typeof item !== 'string' && before !== undefined && typeof before !== 'string' ? over(before, item) : item;
  }
  return result;
}

function harvest(path: Buffer): { [name: string]: Plain } {
  const result: { [name: string]: Plain } = {};
  for (const name of fs.readdirSync(path, { encoding: 'buffer' })) {
    const to = child(path, name.toString('latin1'));
    const stat = fs.lstatSync(to);
    let item: Plain = 'fifo';
    if (stat.isDirectory()) item = harvest(to);
    else if (stat.isSymbolicLink()) item = `link ${fs.readlinkSync(to)}`;
    else if (stat.isFile()) {
      const bytes = fs.readFileSync(to);
      item = `file ${[0, 1, 2, 3].find((n) => bytes.equals(contentOf(n)))}`;
    }
    result[name.toString('latin1')] = item;
  }
  return result;
}
