import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPortableStore } from '../../src/portable/index.js';
import { folderFiles, restoreSnapshot } from '../../src/portable/node.js';
import { Archive } from './archive.js';
import { expectSamePicture, pictureOf } from './compare.js';
import { portablePicture } from './portable-picture.js';
import { lines, ordinaryTree, strangeTree } from './trees.js';

const openWithKey = (archive: Archive) =>
  openPortableStore(folderFiles(archive.store), { kind: 'key-file', content: readFileSync(archive.key) });

describe('the portable reader', () => {
  it('finds in a store all that was on the disk', async () => {
    const archive = await Archive.make();
    strangeTree(archive.tree);
    const was = pictureOf(archive.tree);
    await archive.backup();
    const store = await openWithKey(archive);
    const [snapshot] = await store.snapshots();
    expect(store.problems).toEqual([]);
    expectSamePicture(await portablePicture(store, snapshot, archive.tree), was);
  });

  it('restores each snapshot as the program does', async () => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree);
    writeFileSync(join(archive.tree, 'long'), lines(3_000_000, 'long'));
    await archive.backup();
    rmSync(join(archive.tree, 'folder 3'), { recursive: true });
    writeFileSync(
      join(archive.tree, 'long'),
      `${lines(1_000_000, 'long')}changed${lines(3_000_000, 'long').slice(1e6)}`,
    );
    const before = (await archive.json('snapshots'))[0].id;
    await archive.backup(['--tag', 'second']);

    const store = await openPortableStore(folderFiles(archive.store), { kind: 'recovery', text: archive.recoveryKey });
    const snapshots = await store.snapshots();
    expect(snapshots.map(({ state, tags, sequence }) => [state, tags, sequence])).toEqual([
      ['counts', [], snapshots[0].sequence],
      ['counts', ['second'], snapshots[0].sequence + 1],
    ]);
    expect(snapshots[0].name).toBe(before);
    for (const snapshot of snapshots) {
      const own = join(archive.folder, `own ${snapshot.sequence}`);
      const portable = join(archive.folder, `portable ${snapshot.sequence}`);
      await archive.json('restore', ['--target', own, '--snapshot', snapshot.name]);
      const { errors, files } = await restoreSnapshot(store, snapshot, portable);
      expect(errors).toEqual([]);
      expect(files).toBe(snapshot.counts.files);
      // Node sets no nanoseconds, and nobody's owner.
      const without = ['owner', 'xattrs', 'links', 'mtime'] as const;
      const picture = (root: string) => pictureOf(join(root, archive.tree), { without: [...without] });
      expectSamePicture(picture(portable), picture(own));
    }
  });

  it('opens a store with its passphrase', async () => {
    const archive = await Archive.make({
      init: ['--passphrase'],
      env: { BACKUP_NINJA_PASSPHRASE: 'correct horse, Größe' },
    });
    ordinaryTree(archive.tree, 'p', 5);
    await archive.backup();
    const files = folderFiles(archive.store);
    const store = await openPortableStore(files, { kind: 'passphrase', text: 'correct horse, Größe' });
    const [snapshot] = await store.snapshots();
    expectSamePicture(await portablePicture(store, snapshot, archive.tree), pictureOf(archive.tree));
  });

  it('has its checksum on the recovery sheet', async () => {
    const archive = new Archive();
    const { code, stdout } = await archive.run(['init']);
    expect(code).toBe(0);
    const page = readFileSync(join(archive.store, 'restore.html'));
    expect(stdout.split('\n').map((line) => line.trim())).toContain(createHash('sha256').update(page).digest('hex'));
  });

  it('does not open a store with a key that may only add backups', async () => {
    const archive = await Archive.make();
    const key = join(archive.folder, 'backup-key');
    const { code, stderr } = await archive.run(['key', 'add', '--role', 'backup', '--key-file', key]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const secret = { kind: 'key-file' as const, content: readFileSync(key) };
    await expect(openPortableStore(folderFiles(archive.store), secret)).rejects.toThrow(/may only add backups/);
  });
});
