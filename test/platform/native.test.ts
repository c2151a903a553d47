import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { fromDisplay } from '../../src/bytes.js';
import * as p from '../../src/platform/index.js';
import { codeOf, fileSystemTests } from './suite.js';

const linux = process.platform === 'linux';

describe.runIf(linux)('with libc', () => {
  it('has libc, and nothing to tell', () => {
    expect(p.nativeAvailable()).toBe(true);
    expect(p.platformNotes()).toEqual([]);
  });

  fileSystemTests(p, true);

  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'native-'));
  const dir = p.openDirectory(fromDisplay(base));
  const on = (name: string) => `${base}/${name}`;
  afterAll(() => {
    p.closeFd(dir);
    fs.rmSync(base, { recursive: true, force: true });
  });

  it('finds holes', () => {
    const size = 64 * 1024 * 1024;
    const fd = p.createFileAt(dir, 'sparse', 0o600);
    fs.ftruncateSync(fd, size);
    fs.writeSync(fd, Buffer.alloc(8192, 1), 0, 8192, 1024 * 1024);
    fs.fsyncSync(fd);
    const start = p.nextData(fd, 0);
    expect(start).not.toBeNull();
    const end = p.nextHole(fd, start!);
    expect([start, end, p.nextData(fd, end), p.nextHole(fd, end)]).toEqual([1_048_576, 1_056_768, null, end]);
    const far = 5 * 2 ** 40;
    fs.ftruncateSync(fd, far + 10);
    fs.writeSync(fd, 'x', far + 9);
    fs.fsyncSync(fd);
    expect(p.nextData(fd, end)).toBeGreaterThan(far - 4096);
    expect(p.nextHole(fd, far + 9)).toBe(far + 10);
    p.closeFd(fd);
  });

  it('tells mounts apart', () => {
    const st = new p.StatBuffer();
    const table = p.mountTable();
    for (const place of ['/', '/proc', base]) {
      p.statFollowAt(p.CWD, fromDisplay(place), st);
      const mount = p.mountOf(fromDisplay(fs.realpathSync(place)), table);
      if (st.mntId !== 0) expect(mount?.id).toBe(st.mntId);
    }
    p.statAt(p.CWD, '/proc', st);
    expect(st.isMountRoot).toBe(true);
    expect(p.mountOf('/proc/self/fd', table)?.type).toBe('proc');
    expect(p.isPseudo('proc')).toBe(true);
  });

  it('makes sockets', () => {
    const st = new p.StatBuffer();
    p.makeSocketAt(dir, 'sock', 0o600);
    p.statAt(dir, 'sock', st);
    expect(st.type).toBe(p.FileType.socket);
  });

  // tmpfs without user.* attributes, and overlays of old kernels, cannot run these.
  const probe = on('probe');
  fs.writeFileSync(probe, '');
  const hasUser = codeOf(() => p.setXattrAt(p.CWD, fromDisplay(probe), 'user.t', Buffer.from('1'))) === 'no error';

  describe.runIf(hasUser)('xattrs', () => {
    it('lists, reads, sets and removes, by name and by descriptor', () => {
      fs.writeFileSync(on('file'), '');
      fs.mkdirSync(on('dir'));
      expect(p.listXattrsAt(dir, 'file')).toEqual([]);
      const big = Buffer.alloc(2000, 7);
      const values: [string, Buffer][] = [
        ['user.empty', Buffer.alloc(0)],
        ['user.big', big],
        ['user.\xff\xc3\xa9', Buffer.from([0, 1, 255, 0])],
      ];
      for (const name of ['file', 'dir']) {
        for (const [attribute, value] of values) p.setXattrAt(dir, name, attribute, value);
        expect(p.listXattrsAt(dir, name)).toEqual(values.map(([a]) => a).sort());
        expect(p.listXattrsAt(p.CWD, fromDisplay(on(name)))).toEqual(values.map(([a]) => a).sort());
        for (const [attribute, value] of values) {
          expect(p.getXattrAt(dir, name, attribute)).toEqual(value);
          expect(p.getXattrAt(p.CWD, fromDisplay(on(name)), attribute)).toEqual(value);
        }
      }
      // As it goes on kernels before 6.13, which have no calls by directory and name.
      expect(p.listXattrsAt(p.CWD, `/proc/self/fd/${dir}/file`)).toEqual(values.map(([a]) => a).sort());
      const fd = p.openFileAt(dir, 'file');
      expect(p.listXattrsFd(fd)).toEqual(values.map(([a]) => a).sort());
      expect(p.getXattrFd(fd, 'user.big')).toEqual(big);
      expect(p.getXattrFd(fd, 'user.none')).toBeNull();
      expect(p.getXattrAt(dir, 'file', 'user.none')).toBeNull();
      p.setXattrFd(fd, 'user.big', Buffer.from('new'));
      expect(p.getXattrAt(dir, 'file', 'user.big')).toEqual(Buffer.from('new'));
      p.removeXattrFd(fd, 'user.big');
      p.removeXattrFd(fd, 'user.big');
      p.removeXattrAt(dir, 'file', 'user.empty');
      p.removeXattrAt(dir, 'file', 'user.empty');
      expect(p.listXattrsFd(fd)).toEqual(['user.\xff\xc3\xa9']);
      p.closeFd(fd);
    });

    it('does not follow symlinks', () => {
      fs.writeFileSync(on('aim'), '');
      fs.symlinkSync('aim', on('lnk'));
      p.setXattrAt(dir, 'aim', 'user.x', Buffer.from('x'));
      expect(p.listXattrsAt(dir, 'lnk')).toEqual([]);
      expect(p.getXattrAt(dir, 'lnk', 'user.x')).toBeNull();
      expect(codeOf(() => p.setXattrAt(dir, 'lnk', 'user.x', Buffer.from('y')))).toBe('EPERM');
      expect(codeOf(() => p.setXattrAt(p.CWD, fromDisplay(on('lnk')), 'user.x', Buffer.from('y')))).toBe('EPERM');
      expect(p.getXattrAt(dir, 'aim', 'user.x')).toEqual(Buffer.from('x'));
      if (process.getuid?.() === 0) {
        p.setXattrAt(dir, 'lnk', 'trusted.x', Buffer.from('of the link'));
        expect(p.listXattrsAt(dir, 'lnk')).toEqual(['trusted.x']);
        expect(p.getXattrAt(dir, 'aim', 'trusted.x')).toBeNull();
      }
    });

    it('fails as told', () => {
      expect(codeOf(() => p.listXattrsAt(dir, 'none'))).toBe('ENOENT');
      expect(codeOf(() => p.getXattrAt(dir, 'none', 'user.x'))).toBe('ENOENT');
      expect(codeOf(() => p.setXattrAt(dir, 'probe', 'wrong.x', Buffer.from('1')))).toBe('ENOTSUP');
      expect(codeOf(() => p.setXattrAt(dir, 'probe', 'user.x', Buffer.alloc(70_000)))).toBe('E2BIG');
      expect(() => p.listXattrsAt(dir, 'probe\0')).toThrow(TypeError);
      expect(p.listXattrsAt(p.CWD, '/proc/self/status')).toEqual([]);
    });

    it('carries POSIX ACLs', () => {
      // Version 2, then (tag, permissions, id): owner rw, user 1234 r, group r, mask r, others none.
      const entries: [number, number, number][] = [
        [1, 6, 0xffff_ffff],
        [2, 4, 1234],
        [4, 4, 0xffff_ffff],
        [0x10, 4, 0xffff_ffff],
        [0x20, 0, 0xffff_ffff],
      ];
      const acl = Buffer.alloc(4 + 8 * entries.length);
      acl.writeUInt32LE(2, 0);
      entries.forEach(([tag, perm, id], i) => {
        acl.writeUInt16LE(tag, 4 + 8 * i);
        acl.writeUInt16LE(perm, 6 + 8 * i);
        acl.writeUInt32LE(id, 8 + 8 * i);
      });
      fs.writeFileSync(on('acl'), '');
      fs.mkdirSync(on('acldir'));
      if (codeOf(() => p.setXattrAt(dir, 'acl', 'system.posix_acl_access', acl)) === 'ENOTSUP') return;
      expect(p.listXattrsAt(dir, 'acl')).toEqual(['system.posix_acl_access']);
      expect(p.getXattrAt(dir, 'acl', 'system.posix_acl_access')).toEqual(acl);
      expect(fs.statSync(on('acl')).mode & 0o777).toBe(0o640);
      p.setXattrAt(dir, 'acldir', 'system.posix_acl_default', acl);
      expect(p.getXattrAt(dir, 'acldir', 'system.posix_acl_default')).toEqual(acl);
    });
  });

  it('works in worker threads, each with memory of its own', async () => {
    // Workers do not go through the test runner's compiler.
    const { default: ts } = await import('typescript');
    const out = on('compiled');
    fs.mkdirSync(`${out}/platform`, { recursive: true });
    fs.symlinkSync(path.resolve('node_modules'), `${out}/node_modules`);
    fs.writeFileSync(`${out}/package.json`, '{"type":"module"}');
    const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
    for (const file of [
      'bytes.ts',
      'errors.ts',
      'lazily.ts',
      ...fs.readdirSync('src/platform').map((name) => `platform/${name}`),
    ]) {
      const { outputText } = ts.transpileModule(fs.readFileSync(`src/${file}`, 'utf8'), { compilerOptions });
      fs.writeFileSync(`${out}/${file.replace(/ts$/, 'js')}`, outputText);
    }
    fs.writeFileSync(
      `${out}/worker.js`,
      `import { parentPort, workerData } from 'node:worker_threads';
      import * as p from './platform/index.js';
      const dir = p.openDirectory(workerData);
      const st = new p.StatBuffer();
      const sizes = new Set();
      for (let i = 0; i < 20_000; i++) {
        p.statAt(dir, 'w' + (i % 5), st);
        sizes.add((i % 5) + ':' + st.size);
      }
      // Node warns in workers of descriptors that it did not open, when it is made to close them.
      const warnings = [];
      process.on('warning', (warning) => warnings.push(warning.message));
      p.closeFd(p.openFileAt(dir, 'w1'));
      const names = p.readDirectory(dir).length;
      p.closeFd(dir);
      setImmediate(() => parentPort.postMessage([p.nativeAvailable(), names, [...sizes].sort(), warnings]));`,
    );
    fs.mkdirSync(on('seen'));
    for (let i = 0; i < 5; i++) fs.writeFileSync(on(`seen/w${i}`), 'x'.repeat(i));
    const run = () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(`${out}/worker.js`, { workerData: fromDisplay(on('seen')) });
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    const answer = [true, 5, ['0:0', '1:1', '2:2', '3:3', '4:4'], []];
    expect(await Promise.all([run(), run(), run()])).toEqual([answer, answer, answer]);
  });
});
