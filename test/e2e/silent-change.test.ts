import { closeSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Archive } from './archive.js';
import { needPrograms, needRoot, sh, temporaryFolder } from './cli.js';

/** Changes bytes of a disk image behind the file system's back, as a failing disk does. */
function rot(image: string, was: string, is: string): void {
  const fd = openSync(image, 'r+');
  const block = Buffer.alloc(1 << 20);
  for (let at = 0; ; at += block.length - 4096) {
    const count = readSync(fd, block, 0, block.length, at);
    const found = block.subarray(0, count).indexOf(was);
    if (found >= 0) {
      writeSync(fd, is, at + found);
      break;
    }
    if (count < block.length) throw new Error('the bytes are not in the image');
  }
  closeSync(fd);
}

test('other content under unchanged metadata is a silent change: reported, and the older content is kept', async (context) => {
  needRoot(context, 'mount');
  needPrograms(context, 'mkfs.ext4');
  const folder = temporaryFolder();
  const image = join(folder, 'disk.img');
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  sh('truncate', '-s', '32M', image);
  sh('mkfs.ext4', '-q', '-m', '0', image);
  const mount = () => sh('mount', '-o', 'loop', image, disk);
  const unmount = () => sh('umount', disk);
  mount();
  onTestFinished(() => void unmount());
  const file = join(disk, 'file');
  const good = `the content as it should be, ${'x'.repeat(5000)}`;
  writeFileSync(file, good);
  writeFileSync(join(disk, 'other'), 'not touched');
  // Old enough to be settled, or else a change is never called silent.
  sh('touch', '-d', '2 hours ago', file, join(disk, 'other'));
  await sleep(2500);

  const archive = await Archive.make({ roots: [disk], folder: join(folder, 'archive') });
  await archive.backup();
  const before = statSync(file, { bigint: true });
  unmount();
  rot(image, 'the content as it should be', 'the c0ntent as it shoold be');
  mount();
  const after = statSync(file, { bigint: true });
  expect([after.mtimeNs, after.ctimeNs, after.size, after.ino]).toEqual([
    before.mtimeNs,
    before.ctimeNs,
    before.size,
    before.ino,
  ]);
  const bad = readFileSync(file, 'utf8');
  expect(bad).not.toBe(good);

  // A soft backup looks at metadata alone, and keeps what it has.
  expect((await archive.backup(['--soft'])).silent_changes).toEqual([]);
  const found = await archive.backup(['--full'], 3);
  expect(found.silent_changes).toEqual([file]);
  await archive.checkAll();

  const [first, , third] = await archive.json('snapshots');
  const contentIn = async (snapshot: string) => {
    const target = join(archive.folder, snapshot);
    await archive.restore(target, ['--snapshot', snapshot]);
    return readFileSync(join(target, file), 'utf8');
  };
  expect(await contentIn(first!.id)).toBe(good);
  expect(await contentIn(third!.id)).toBe(bad);
  const history = await archive.json('history', [file]);
  expect(history.versions.length).toBe(2);
  // Said once: what is saved now is what lies on the disk.
  expect((await archive.backup(['--full'])).silent_changes).toEqual([]);
}, 60_000);
