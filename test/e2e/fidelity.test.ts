import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Archive } from './archive.js';
import { isRoot, needPrograms, needRoot, sh, skip, temporaryFolder } from './cli.js';
import { expectSamePicture, type Picture, pictureOf, rsyncDifferences } from './compare.js';
import { asPlainUser, giveAway, UNDER_PLAIN_USER } from './plain-user.js';
import { strangeTree } from './trees.js';

/** Not the one whose paths are longer than other programs go. */
const FOLDERS = ['attributes', 'contents', 'empty', 'links', 'many', 'modes', 'names', 'order', 'special', 'times'];

/** An archive with a tree that holds one of everything, made, saved and restored by a plain user. */
async function plainArchive(): Promise<Archive> {
  const archive = new Archive({ folder: temporaryFolder(), under: UNDER_PLAIN_USER });
  mkdirSync(archive.home, { recursive: true });
  giveAway(archive.folder);
  asPlainUser(() => strangeTree(archive.tree, false));
  await archive.json('init');
  return archive;
}

/** What a restore without root makes of it: no bits that lend its rights, as CLI help and guide say. */
function withoutSetuid(picture: Picture): Picture {
  return new Map(
    [...picture].map(([path, text]) => [
      path,
      text.replace(/^(type 8, mode )(\d+)/, (_, start: string, mode: string) => {
        return start + (Number.parseInt(mode, 8) & ~0o6000).toString(8);
      }),
    ]),
  );
}

/** What tar sees in some folders: contents, names, modes, owners, times, attributes, ACLs, hard links. A line for each. */
async function tarView(root: string): Promise<string[]> {
  const options = ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '--sort=name', '--format=pax'];
  // These differ from run to run.
  const pax = '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f';
  const tar = spawn('tar', [...options, pax, '-cf', '-', '-C', root, ...FOLDERS], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(tar, 'close');
  const lines: string[] = [];
  const entries = extract();
  tar.stdout.pipe(entries);
  for await (const entry of entries) {
    const hash = createHash('sha256');
    for await (const bytes of entry) hash.update(bytes as Buffer);
    // Attributes are listed in any order.
    const { pax: records, ...header } = entry.header;
    const sorted = Object.entries(records ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    lines.push(JSON.stringify([header, sorted, hash.digest('hex')]));
  }
  expect(await ended).toEqual([0, null]);
  return lines;
}

describe('one of everything', () => {
  test('as a plain user, in the eyes of three programs', async (context) => {
    needPrograms(context, ...UNDER_PLAIN_USER.slice(0, 1));
    const archive = await plainArchive();
    const was = pictureOf(archive.tree);
    expect(await archive.backup()).toMatchObject({ errors: [], files: { unreadable: 0 } });
    const target = join(archive.folder, 'restored');
    const outcome = await archive.run(['restore', '--target', target]);
    expect(outcome.code, outcome.stderr).toBe(0);
    // One warning, of the setuid bits; all else is the user's to restore.
    expect(outcome.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/^warning: owners not restored and setuid/),
    ]);
    const restored = join(target, archive.tree);
    expectSamePicture(pictureOf(restored), withoutSetuid(was));
    for (const name of ['4755', '2755', '7777']) sh('chmod', name.padStart(4, '0'), join(restored, 'modes', name));
    expectSamePicture(pictureOf(restored), was);
    for (const folder of FOLDERS)
      expect(rsyncDifferences(join(restored, folder), join(archive.tree, folder)), folder).toBe('');
    expect(await tarView(restored)).toEqual(await tarView(archive.tree));
  });

  test('as root, in the eyes of tar; and dump is what tar would have written', async (context) => {
    needRoot(context, 'have one of everything');
    needPrograms(context, 'tar');
    const archive = await Archive.make();
    strangeTree(archive.tree);
    await archive.backup();
    const restored = await archive.restore(join(archive.folder, 'restored'));
    expect(await tarView(restored)).toEqual(await tarView(archive.tree));

    const un = join(archive.folder, 'un');
    mkdirSync(un);
    const file = join(archive.folder, 'dump.tar');
    const dumped = await archive.run(['dump'], { under: ['sh', '-c', '"$@" > "$OUT"', 'sh'], env: { OUT: file } });
    expect(dumped.code, dumped.stderr).toBe(0);
    expect(dumped.stderr.trim()).toMatch(/^left out, as tar knows no sockets: .*\/special\/socket$/);
    const deep = ['--exclude=0 ddd*'];
    sh('tar', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', ...deep, '-xpf', file, '-C', un);
    const unpacked = join(un, archive.tree);
    sh('rm', join(restored, 'special/socket'));
    sh('touch', '-r', join(archive.tree, 'special'), join(restored, 'special'));
    expect(await tarView(unpacked)).toEqual(await tarView(restored));
    for (const folder of FOLDERS)
      expect(rsyncDifferences(join(unpacked, folder), join(restored, folder)), folder).toBe('');
  });

  test('what root has saved, restored by a plain user: all but what takes root, each thing named', async (context) => {
    needRoot(context, 'save what others own');
    needPrograms(context, 'setpriv');
    const archive = await Archive.make();
    strangeTree(archive.tree);
    await archive.backup();
    giveAway(archive.folder);
    const target = join(archive.folder, 'restored');
    const outcome = await archive.run(['restore', '--json', '--target', target], { under: UNDER_PLAIN_USER });
    expect(outcome.code, outcome.stderr).toBe(3);
    const { errors } = JSON.parse(outcome.stdout);
    const devices = ['far', 'null'].map((name) => join(archive.tree, 'special', name));
    expect(errors.map(({ path }: { path: string }) => path).sort()).toEqual(devices);
    const warnings = outcome.stderr.split('\n').filter((line) => line.includes('"warning"'));
    expect(warnings.join('\n')).toMatch(/owners not restored/);
    expect(warnings.join('\n')).toMatch(/trusted\.\* attributes \(EPERM\)/);
    expect(warnings.join('\n')).toMatch(/security\.\* attributes \(EPERM\)/);
    expect(warnings).toHaveLength(3);
    // The tree itself has been given away, which changes neither modes nor times of what has no setuid bits.
    const without = { without: ['owner', 'mode', 'xattrs'] as ('owner' | 'mode' | 'xattrs')[] };
    const was = pictureOf(archive.tree, without);
    for (const path of ['special/null', 'special/far']) was.delete(path);
    expectSamePicture(pictureOf(join(target, archive.tree), without), was);
    const mode = (path: string) => statSync(join(target, archive.tree, path)).mode & 0o7777;
    expect(
      ['0000', '0400', '0755', '4755', '7777', 'folder 1777', 'folder 500'].map((name) => mode(`modes/${name}`)),
    ).toEqual([0, 0o400, 0o755, 0o755, 0o1777, 0o1777, 0o500]);
    expect(sh('getfacl', '-cpn', join(target, archive.tree, 'attributes/file'))).toContain('user:12345:rw-');
  });
});

describe('files that are nearly all hole', () => {
  test('of 2^53 bytes or more cost only themselves; what is a byte smaller comes back', async (context) => {
    const disk = '/dev/shm';
    const most = Number.MAX_SAFE_INTEGER;
    if (!existsSync(disk)) skip(context, 'no file system in memory, whose files may be that large');
    const folder = mkdtempSync(join(disk, 'bn-e2e-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const archive = await Archive.make({ folder });
    const at = (name: string) => join(archive.tree, name);
    try {
      // Together they are more than a number holds.
      for (const name of ['most', 'most again']) sh('truncate', '-s', `${most}`, at(name));
      sh('truncate', '-s', `${most + 1}`, at('more'));
      sh('truncate', '-s', `${2n ** 63n - 1n}`, at('far more'));
    } catch {
      skip(context, `no file of 2^53 bytes can be made in ${disk}`);
    }
    writeFileSync(at('small'), 'x');
    for (let i = 0; i < 2; i++) {
      const { errors, files } = await archive.backup([], 3);
      expect(errors.map(({ path }) => path).sort()).toEqual([at('far more'), at('more')]);
      expect(errors[0]!.message).toMatch(/2\^53 bytes/);
      expect(files.unreadable).toBe(2);
    }
    const restored = await archive.restore(join(folder, 'restored'));
    for (const name of ['most', 'most again']) {
      expect(statSync(join(restored, name), { bigint: true })).toMatchObject({ size: BigInt(most), blocks: 0n });
      sh('test', '!', join(restored, name), '-nt', at(name));
    }
    expect(readdirSync(restored).sort()).toEqual(['most', 'most again', 'small']);
    // Where files may not be that large (ext4), each is an error of its own.
    const other = temporaryFolder();
    if (spawnSync('truncate', ['-s', `${most}`, join(other, 'probe')]).status === 0) return;
    const small = await archive.json('restore', ['--target', join(other, 'r')], 3);
    expect(small.errors.map(({ path }) => path).sort()).toEqual([at('most'), at('most again')]);
    expect(small.restored).toBeGreaterThan(0);
  });
});

describe('owners', () => {
  test('come back by name, or by number with --numeric-owner', async (context) => {
    needRoot(context, 'give files away');
    needPrograms(context, 'unshare', 'mount');
    const archive = await Archive.make();
    writeFileSync(join(archive.tree, 'file'), 'x');
    sh('chown', 'daemon:daemon', join(archive.tree, 'file'));
    sh('chown', '4242:4243', archive.tree);
    await archive.backup();
    // On the machine that restores, `daemon` has other numbers.
    const passwd = join(archive.folder, 'passwd');
    const group = join(archive.folder, 'group');
    writeFileSync(passwd, 'root:x:0:0::/root:/bin/sh\ndaemon:x:7001:7002::/:/bin/false\n');
    writeFileSync(group, 'root:x:0:\ndaemon:x:7002:\n');
    const script = `mount --bind "${passwd}" /etc/passwd && mount --bind "${group}" /etc/group && exec "$@"`;
    const under = ['unshare', '-m', 'sh', '-c', script, 'sh'];
    const owners = async (name: string, options: string[]): Promise<[number, number][]> => {
      const target = join(archive.folder, name);
      const outcome = await archive.run(['restore', '--target', target, ...options], { under });
      expect(outcome.code, outcome.stderr).toBe(0);
      return ['', 'file'].map((path) => {
        const { uid, gid } = statSync(join(target, archive.tree, path));
        return [uid, gid];
      });
    };
    const { uid, gid } = statSync(join(archive.tree, 'file'));
    expect([uid, gid]).not.toContain(7001);
    expect(await owners('by name', [])).toEqual([
      [4242, 4243],
      [7001, 7002],
    ]);
    expect(await owners('by number', ['--numeric-owner'])).toEqual([
      [4242, 4243],
      [uid, gid],
    ]);
  });
});

describe('without libc', () => {
  test('one warning each, and all comes back but what Node cannot do', async () => {
    const env = { BACKUP_NINJA_NO_FFI: '1' };
    const archive = await Archive.make();
    strangeTree(archive.tree, isRoot);
    // Paths over 4,096 bytes go by descriptors, which work without libc too.
    const was = pictureOf(archive.tree);
    const warning = expect.stringMatching(/^warning: system functions cannot be called .*koffi/);
    const saved = await archive.run(['backup'], { env });
    expect(
      saved.stderr
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('warning')),
    ).toEqual([warning]);
    expect(saved.code, saved.stderr).toBe(0);
    const target = join(archive.folder, 'restored');
    const outcome = await archive.run(['restore', '--target', target], { env });
    const owners = expect.stringMatching(/^warning: owners not restored and setuid/);
    expect(
      outcome.stderr
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('warning')),
    ).toEqual(isRoot ? [warning] : [warning, owners]);
    const restored = join(target, archive.tree);
    // What is lost: sockets, attributes, nanoseconds.
    was.delete('special/socket');
    const dull = (picture: Picture): Picture =>
      new Map(
        [...picture].map(([path, text]) => [
          path,
          text
            .replace(
              /mtime (-?\d+)/,
              (_, ns: string) => `mtime ${BigInt.asIntN(64, BigInt(ns) - (((BigInt(ns) % 1000n) + 1000n) % 1000n))}`,
            )
            .replace(/, (user|trusted|security|system)\..*/, ''),
        ]),
      );
    expectSamePicture(dull(pictureOf(restored)), dull(isRoot ? was : withoutSetuid(was)));
    expect(outcome.stdout).toContain(join(archive.tree, 'special/socket'));
    expect(outcome.code, outcome.stderr).toBe(3);
    for (const [name, most] of [
      ['sparse', 4 << 20],
      ['all hole', 1 << 20],
    ] as const)
      expect(statSync(join(restored, 'contents', name)).blocks * 512, name).toBeLessThan(most);
  });
});
