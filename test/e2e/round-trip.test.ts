import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Archive } from './archive.js';
import { isRoot } from './cli.js';
import { expectSamePicture, expectSameTree, pictureOf, rsyncDifferences } from './compare.js';
import { lines, noise, ordinaryTree, strangeTree } from './trees.js';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('everything comes back', () => {
  test(`a tree with everything that ${isRoot ? 'root' : 'a user'} can make`, async () => {
    const archive = await Archive.make();
    strangeTree(archive.tree);
    const before = pictureOf(archive.tree);

    const first = await archive.backup();
    expect(first).toMatchObject({ mode: 'full', errors: [], silent_changes: [] });
    expectSamePicture(pictureOf(archive.tree), before); // The backup itself changed nothing.

    // Nothing changed: no data is written, and little else. What else is made beside the root is no change of it.
    const packs = archive.packs();
    const size = archive.size();
    writeFileSync(join(archive.folder, 'a stranger'), '');
    const second = await archive.backup();
    expect(second).toMatchObject({ mode: 'soft', files: { new: 0, changed: 0, removed: 0 }, bytes: { new: 0 } });
    expect(archive.size() - size).toBeLessThan(64 * KIB);
    expect(archive.packs()).toEqual(packs);

    const target = join(archive.folder, 'restored');
    const restored = await archive.restore(target);
    expectSamePicture(pictureOf(restored), before);
    expectSparse(join(restored, 'contents/sparse'), 4 * MIB);
    expectSparse(join(restored, 'contents/all hole'), MIB);
    // rsync cannot go where paths are over 4,096 bytes.
    for (const folder of ['contents', 'names', 'links', 'modes', 'attributes', 'times', 'order', 'many', 'special'])
      expect(rsyncDifferences(join(restored, folder), join(archive.tree, folder)), folder).toBe('');

    // Once more over what is there: nothing to do.
    const again = await archive.json('restore', ['--target', target]);
    expect(again).toMatchObject({ errors: [], bytes: 0 });
    expectSamePicture(pictureOf(restored), before);
    await archive.checkAll();
    archive.expectTidy();
  }, 120_000);

  test('to the place that they came from', async () => {
    const archive = await Archive.make();
    ordinaryTree(archive.tree);
    const before = pictureOf(archive.tree, { without: ['links'] });
    await archive.backup();
    rmSync(archive.tree, { recursive: true });
    await archive.json('restore', ['--target', '/', archive.tree]);
    expectSamePicture(pictureOf(archive.tree, { without: ['links'] }), before);
  });

  test('each snapshot as it was', async () => {
    const archive = await Archive.make();
    const pictures: [string, ReturnType<typeof pictureOf>][] = [];
    ordinaryTree(archive.tree, 'a', 60);
    const steps = [
      () => {},
      () => writeFileSync(join(archive.tree, 'folder 1/new'), 'new'),
      () => rmSync(join(archive.tree, 'folder 2'), { recursive: true }),
      () => {
        rmSync(join(archive.tree, 'folder 3/deeper'), { recursive: true });
        writeFileSync(join(archive.tree, 'folder 3/deeper'), 'a file where a folder was');
      },
      () => appendFileSync(join(archive.tree, 'noise.bin'), 'more'),
    ];
    for (const step of steps) {
      step();
      const { snapshot } = await archive.backup();
      pictures.push([snapshot!, pictureOf(archive.tree)]);
    }
    for (const [id, picture] of pictures) {
      const target = join(archive.folder, id);
      expectSamePicture(pictureOf(await archive.restore(target, ['--snapshot', id])), picture);
    }
    // A catalog made anew from the store answers the same.
    const asked = async () => [
      await archive.json('find', ['*', '--all']),
      await archive.json('ls', ['-R', pictures[1]![0]]),
      await archive.json('diff', [pictures[0]![0], pictures[4]![0]]),
      await archive.json('snapshots'),
    ];
    const before = await asked();
    rmSync(archive.tables, { recursive: true });
    await archive.json('catalog', ['rebuild']);
    expect(await asked()).toEqual(before);
    await archive.checkAll();
  }, 120_000);
});

describe('growth', () => {
  const insertAtStart = (path: string) => {
    const content = readFileSync(path);
    writeFileSync(path, Buffer.concat([Buffer.from('!'), content]));
  };

  test('a byte at the start of 256 MiB that do not compress', async () => {
    const archive = await Archive.make();
    const file = join(archive.tree, 'big.bin');
    const fd = openSync(file, 'w');
    for (let i = 0; i < 16; i++) writeSync(fd, noise(16 * MIB, `big ${i}`));
    closeSync(fd);
    await archive.backup();
    const size = archive.size();
    expect(size).toBeGreaterThan(256 * MIB);
    expect(size).toBeLessThan(258 * MIB);
    insertAtStart(file);
    await archive.backup();
    expect(archive.size() - size).toBeLessThan(8 * MIB);
    const restored = await archive.restore(join(archive.folder, 'restored'));
    expectSameTree(restored, archive.tree);
  }, 120_000);

  test('a byte at the start of 48 MiB of text', async () => {
    const archive = await Archive.make();
    const file = join(archive.tree, 'big.txt');
    writeFileSync(file, lines(48 * MIB, 'text'));
    await archive.backup();
    const size = archive.size();
    expect(size).toBeLessThan(30 * MIB);
    insertAtStart(file);
    await archive.backup();
    expect(archive.size() - size).toBeLessThan(MIB);
    const restored = await archive.restore(join(archive.folder, 'restored'));
    expectSameTree(restored, archive.tree);
  }, 120_000);

  test('the same content again costs nothing', async () => {
    const archive = await Archive.make();
    writeFileSync(join(archive.tree, 'one'), noise(8 * MIB, 'same'));
    await archive.backup();
    const size = archive.size();
    mkdirSync(join(archive.tree, 'folder'));
    for (let i = 0; i < 5; i++) writeFileSync(join(archive.tree, 'folder', `copy ${i}`), noise(8 * MIB, 'same'));
    const result = await archive.backup();
    expect(result.files.new).toBe(5);
    expect(result.bytes.new).toBe(0);
    expect(archive.size() - size).toBeLessThan(64 * KIB);
  }, 60_000);

  test('a file is cut as the same bytes from a stream, on both sides of the smallest chunk', async () => {
    const archive = await Archive.make();
    const sizes = [1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 32 * KIB, 300 * KIB];
    const contents = sizes.map((size) => noise(size, `of ${size}`).toString('hex').slice(0, size));
    for (const [i, content] of contents.entries()) writeFileSync(join(archive.tree, `file ${i}`), content);
    writeFileSync(join(archive.tree, 'empty'), '');
    const files = await archive.backup();
    expect(files.bytes.new).toBe(sizes.reduce((sum, size) => sum + size, 0));
    for (const [i, input] of contents.entries()) {
      const stream = await archive.backup(['--stdin', '--name', `/stream ${i}`], 0, { input });
      expect(stream.bytes).toMatchObject({ read: sizes[i], new: 0 });
    }
    const restored = await archive.restore(join(archive.folder, 'restored'));
    expectSameTree(restored, archive.tree);
  }, 60_000);
});

function expectSparse(file: string, most: number): void {
  const { size, blocks } = statSync(file);
  expect(size).toBeGreaterThan(most);
  expect(blocks * 512).toBeLessThanOrEqual(most);
}
