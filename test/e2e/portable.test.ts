import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ByteString, fromDisplay } from '../../src/bytes.js';
import {
  openPortableStore,
  type PortableEntry,
  type PortableSnapshot,
  type PortableStore,
} from '../../src/portable/index.js';
import { folderFiles, restoreSnapshot } from '../../src/portable/node.js';
import { Archive } from './archive.js';
import { expectSamePicture, type Picture, pictureOf } from './compare.js';
import { lines, ordinaryTree, strangeTree } from './trees.js';

const TYPE = { fifo: 1, chardev: 2, dir: 4, blockdev: 6, file: 8, symlink: 10, socket: 12 };

/** The picture that `pictureOf` would make of a directory, made from what the portable reader says of it. */
async function portablePicture(store: PortableStore, snapshot: PortableSnapshot, root: string): Promise<Picture> {
  const key = fromDisplay(root).slice(1).replaceAll('/', '\0');
  const entries: PortableEntry[] = [];
  for await (const entry of store.entries(snapshot, { from: key, before: `${key}\x01` })) entries.push(entry);
  const groups = new Map<string, PortableEntry[]>();
  for (const entry of entries)
    if (entry.link !== undefined) groups.set(entry.link, [...(groups.get(entry.link) ?? []), entry]);
  const picture: Picture = new Map();
  const pathOf = (entry: PortableEntry): ByteString => entry.key.slice(key.length + 1).replaceAll('\0', '/');
  for (const entry of entries) {
    const parts = [`type ${TYPE[entry.type]}`];
    if (entry.type !== 'symlink') parts.push(`mode ${entry.mode.toString(8)}`);
    parts.push(`owner ${entry.uid}:${entry.gid}`, `mtime ${entry.mtime}`);
    if (entry.rdev) parts.push(`device ${entry.rdev.major}:${entry.rdev.minor}`);
    if (entry.link !== undefined) {
      const names = groups.get(entry.link)!;
      parts.push(`one of ${names.length} names of ${pathOf(names[0])}`);
    }
    if (entry.type === 'file') {
      const hash = createHash('sha256');
      let size = 0;
      for await (const bytes of store.content(entry)) {
        hash.update(bytes);
        size += bytes.length;
      }
      parts.push(`size ${size}`, `sha256 ${hash.digest('hex')}`);
    }
    if (entry.target !== undefined) parts.push(`target ${Buffer.from(entry.target).latin1Slice()}`);
    for (const { name, value } of entry.xattrs ?? [])
      parts.push(`${Buffer.from(name).latin1Slice()}=${Buffer.from(value).toString('hex')}`);
    picture.set(pathOf(entry), parts.join(', '));
  }
  return picture;
}

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
