import { linkSync, mkdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { Archive } from './archive.js';
import { needPrograms, needRoot, sh } from './cli.js';
import { expectSameTree } from './compare.js';
import { noise } from './trees.js';

const FILES = 60;
const SIZE = 1000;
/** So many files in new directories are read before it is looked up where they come from. */
const READ_ANYHOW = 32;

let archive: Archive;
let photos: string;

/** Writes a file, and has it look old. */
function write(path: string, seed = path): void {
  writeFileSync(path, noise(SIZE, seed));
  utimesSync(path, 1_500_000_000, 1_500_000_000);
}

beforeEach(async () => {
  archive = await Archive.make();
  photos = join(archive.tree, 'photos');
  for (const folder of ['', 'inner', 'inner/most']) {
    mkdirSync(join(photos, folder));
    for (let i = 0; i < FILES; i++) write(join(photos, folder, `file ${100 + i}`));
  }
  linkSync(join(photos, 'file 159'), join(photos, 'inner', 'linked'));
  // Changed less than two seconds before they are read, they would have to be read again.
  await sleep(2100);
  const { files } = await archive.backup();
  expect(files.new).toBe(3 * FILES + 1);
});

const newTo = (): string => join(archive.tree, 'pictures', 'of last year');

async function expectRestored(): Promise<void> {
  expectSameTree(await archive.restore(join(archive.folder, 'out')), archive.tree);
  // Reading all finds what was taken over unread to be what is there.
  const { silent_changes, files } = await archive.backup(['--full']);
  expect({ silent_changes, changed: files.changed, new: files.new }).toEqual({
    silent_changes: [],
    changed: 0,
    new: 0,
  });
  await archive.checkAll();
}

test('what is in a renamed directory is not read again', async () => {
  mkdirSync(join(archive.tree, 'pictures'));
  renameSync(photos, newTo());
  const { files, bytes } = await archive.backup(['--soft']);
  expect(files).toMatchObject({ new: 3 * FILES + 1, changed: 0, unchanged: 0, removed: 3 * FILES + 1 });
  expect(bytes).toMatchObject({ read: READ_ANYHOW * SIZE, new: 0 });
  await expectRestored();
});

test('but for what was changed, replaced or added in it', async () => {
  mkdirSync(join(archive.tree, 'pictures'));
  renameSync(photos, newTo());
  const inner = join(newTo(), 'inner');
  write(join(inner, 'file 150'), 'edited in place, of the same size and time');
  rmSync(join(inner, 'file 151'));
  write(join(inner, 'file 151'), 'another file');
  renameSync(join(inner, 'file 152'), join(inner, 'file 153'));
  write(join(inner, 'most', 'file 999'), 'added');
  const { bytes, files } = await archive.backup(['--soft']);
  expect(files).toMatchObject({ new: 3 * FILES + 1, unreadable: 0 });
  // A file that was renamed has a new ctime.
  expect(bytes).toMatchObject({ read: (READ_ANYHOW + 4) * SIZE, new: 3 * SIZE });
  await expectRestored();
});

test('in the next snapshot of a volume only what changed is read', async (context) => {
  needRoot(context, 'mount');
  needPrograms(context, 'mkfs.btrfs', 'btrfs');
  const image = join(archive.folder, 'image');
  const disk = join(archive.folder, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 300 * 1024 * 1024);
  sh('mkfs.btrfs', '-q', image);
  mkdirSync(disk);
  sh('mount', '-o', 'loop', image, disk);
  onTestFinished(() => void sh('umount', disk));
  const volume = join(disk, 'volume');
  sh('btrfs', 'subvolume', 'create', volume);
  sh('cp', '-a', photos, volume);
  const snapshot = (name: string) => sh('btrfs', 'subvolume', 'snapshot', '-r', volume, join(disk, name));
  snapshot('monday');
  await sleep(2100);
  archive.configure({ backup_roots: [join(disk, 'monday')] });
  await archive.backup(['--yes']);
  write(join(volume, 'photos', 'inner', 'file 150'), 'edited');
  snapshot('tuesday');
  archive.configure({ backup_roots: [join(disk, 'tuesday')] });
  const { bytes } = await archive.backup(['--soft', '--yes']);
  expect(bytes).toMatchObject({ read: (READ_ANYHOW + 1) * SIZE, new: SIZE });
  await archive.json('restore', ['--target', join(archive.folder, 'out')]);
  expectSameTree(join(archive.folder, 'out', disk, 'tuesday'), join(disk, 'tuesday'));
});

test('a full backup, and one that does not look at inodes, read it all', async () => {
  renameSync(photos, join(archive.tree, 'once'));
  expect((await archive.backup(['--full'])).bytes.read).toBe((3 * FILES + 1 - 1) * SIZE);
  renameSync(join(archive.tree, 'once'), join(archive.tree, 'twice'));
  archive.configure({ backup_roots: [archive.tree], ignore_inode: true });
  expect((await archive.backup(['--soft'])).bytes.read).toBe(3 * FILES * SIZE);
});
