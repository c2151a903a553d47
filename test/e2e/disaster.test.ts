import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Archive } from './archive.js';
import { needRoot, type RunOptions, runProgram, sh, temporaryFolder } from './cli.js';
import { expectSamePicture, type Picture, pictureOf } from './compare.js';
import { ordinaryTree, strangeTree } from './trees.js';

/** Runs on a machine of another name. */
function onHost(name: string): RunOptions {
  return { under: ['unshare', '-u', 'sh', '-c', 'hostname "$0" && exec "$@"', name] };
}

/** Node's own gives up on paths over 4,096 bytes. */
function removeTree(folder: string): void {
  sh('rm', '-rf', folder);
}

/** Everything that any snapshot holds. */
async function everything(archive: Archive, options: RunOptions = {}): Promise<unknown> {
  const source = ['--source', hostname()];
  return {
    snapshots: (await archive.json('snapshots', [], 0, options)).filter((row) => row.source === hostname()),
    versions: await archive.json('find', ['**', '--all', ...source], 0, options),
  };
}

describe('the machine is gone; what is left are the store and the recovery key', () => {
  test('everything comes back on another machine, and scheduled backups there destroy nothing', async (context) => {
    needRoot(context, 'give a process another host name');
    // The old machine: its source is its host name, its history has some length.
    const old = new Archive();
    old.configure({ backup_roots: [old.tree], source: undefined });
    old.recoveryKey = (await old.json('init')).recovery_key!;
    strangeTree(old.tree);
    const pictures = new Map<string, Picture>();
    for (let i = 0; i < 2; i++) {
      ordinaryTree(old.tree, `${i}`, 20);
      pictures.set((await old.backup()).snapshot!, pictureOf(old.tree));
    }
    const had = await everything(old);
    // It burns down. The store had a copy elsewhere.
    const store = join(temporaryFolder(), 'store');
    cpSync(old.store, store, { recursive: true, preserveTimestamps: false });
    const treeAway = join(temporaryFolder(), 'away');
    renameSync(old.tree, treeAway);
    removeTree(old.folder);

    // The new one: another home, another name.
    const host = onHost('phoenix');
    const fresh = new Archive({ folder: temporaryFolder(), store });
    rmSync(fresh.config);
    const env = { BACKUP_NINJA_RECOVERY_KEY: old.recoveryKey };
    const wrong = await runProgram(fresh.home, ['init', '-c', fresh.config, '--store', store, '--recovery'], {
      ...host,
      env: { BACKUP_NINJA_RECOVERY_KEY: old.recoveryKey.replace(/^./, (c) => (c === '7' ? '8' : '7')) },
    });
    expect([2, 12]).toContain(wrong.code);
    const args = ['init', '-c', fresh.config, '--store', store, '--recovery', '--root', old.tree];
    const joined = await runProgram(fresh.home, args, { ...host, env });
    expect(joined.code, joined.stderr).toBe(0);
    expect(joined.stdout + joined.stderr).not.toContain(old.recoveryKey);

    // From here on without it: joining made a key of this machine's own.
    const restored = join(fresh.folder, 'restored');
    const target = ['--target', restored];
    const latest = await fresh.json('restore', target, 0, host);
    expect(latest.errors).toEqual([]);
    expectSamePicture(pictureOf(join(restored, old.tree)), [...pictures.values()].at(-1)!);
    for (const [id, picture] of pictures) {
      removeTree(restored);
      await fresh.json('restore', [...target, '--snapshot', id], 0, host);
      expectSamePicture(pictureOf(join(restored, old.tree)), picture);
    }
    expect(await everything(fresh, host)).toEqual(had);

    // The timer fires before anybody has put the files back: the root is missing, then empty, then there.
    const scheduled = async (...more: string[]) => fresh.run(['backup', ...more], host);
    for (const outcome of [await scheduled(), await scheduled('--hard-remove')])
      expect(outcome.code, outcome.stderr).toBe(1);
    mkdirSync(old.tree, { recursive: true });
    // For the new machine's history, which has nothing yet, an empty root is no loss.
    for (const outcome of [await scheduled(), await scheduled('--hard-remove', '--full')])
      expect([0, 3], outcome.stderr).toContain(outcome.code);
    removeTree(old.tree);
    // A copy would be refused: some paths are longer than other programs bear.
    renameSync(join(restored, old.tree), old.tree);
    const back = await scheduled('--hard-remove');
    expect([0, 3], back.stderr).toContain(back.code);

    const has = (await everything(fresh, host)) as { versions: { path: string }[] };
    const paths = (rows: { path: string }[]) => new Set(rows.map(({ path }) => path));
    for (const path of paths((had as { versions: { path: string }[] }).versions))
      expect(paths(has.versions), path).toContain(path);
    for (const [id, picture] of pictures) {
      removeTree(restored);
      await fresh.json('restore', [...target, '--snapshot', id], 0, host);
      expectSamePicture(pictureOf(join(restored, old.tree)), picture);
    }
    const checked = await fresh.json('check', ['--read-data'], 0, host);
    expect(checked.problems).toEqual([]);
  }, 120_000);

  test('only the key file and the store: restore needs nothing else', async () => {
    const old = await Archive.make();
    ordinaryTree(old.tree);
    await old.backup();
    const picture = pictureOf(old.tree);
    const fresh = new Archive({ folder: temporaryFolder(), store: old.store });
    cpSync(old.key, fresh.key);
    rmSync(old.tables, { recursive: true });
    const target = join(fresh.folder, 'restored');
    await fresh.json('restore', ['--target', target]);
    expectSamePicture(pictureOf(join(target, old.tree)), picture);
  });
});
