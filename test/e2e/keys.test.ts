import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Archive } from './archive.js';
import { expectSameTree } from './compare.js';
import { ordinaryTree } from './trees.js';

describe('keys', () => {
  test('several added at once: each opens the store', async () => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree, 'a', 20);
    await archive.backup();
    const slots = readdirSync(join(archive.store, 'keys')).length;
    const adds = [
      ...[1, 2, 3].map((i) => archive.run(['key', 'add', '--key-file', join(archive.folder, `key ${i}`)])),
      ...[1, 2].map((i) =>
        archive.run(['key', 'add', '--passphrase'], { env: { BACKUP_NINJA_NEW_PASSPHRASE: `passphrase ${i}` } }),
      ),
    ];
    for (const { code, stderr } of await Promise.all(adds)) expect(code, stderr).toBe(0);
    expect(readdirSync(join(archive.store, 'keys')).length).toBe(slots + 5);

    const others = [
      ...[1, 2, 3].map((i) => ({ key_path: join(archive.folder, `key ${i}`), env: {} })),
      ...[1, 2].map((i) => ({ key_path: '/nowhere', env: { BACKUP_NINJA_PASSPHRASE: `passphrase ${i}` } })),
    ];
    for (const [i, { key_path, env }] of others.entries()) {
      archive.configure({ backup_roots: [archive.tree], key_path });
      const target = join(archive.folder, `restored ${i}`);
      await archive.json('restore', ['--target', target], 0, { env });
      expectSameTree(join(target, archive.tree), archive.tree);
    }
  }, 120_000);

  test('a backup key adds, and reads nothing', async () => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree, 'a', 20);
    const key = join(archive.folder, 'backup key');
    expect((await archive.run(['key', 'add', '--role', 'backup', '--key-file', key])).code).toBe(0);
    const writer = new Archive({
      folder: join(archive.folder, 'writer'),
      store: archive.store,
      roots: [archive.tree],
      config: { key_path: key },
    });
    const outcome = await writer.run(['backup', '--json']);
    expect([0, 3], outcome.stderr).toContain(outcome.code);
    for (const args of [['restore'], ['check', '--read-data'], ['key', 'recovery']])
      expect((await writer.run(args)).code, args.join(' ')).toBe(12);
    // The full key reads what the backup key wrote.
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    await archive.checkAll();
    expect(readFileSync(key, 'utf8').trim()).not.toBe(readFileSync(archive.key, 'utf8').trim());
  }, 60_000);
});
