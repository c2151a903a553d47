import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Archive } from './archive.js';
import { sh } from './cli.js';
import { expectSamePicture, expectSameTree, pictureOf } from './compare.js';
import { noise, ordinaryTree } from './trees.js';

async function archiveWithTree(): Promise<Archive> {
  const archive = await Archive.make();
  ordinaryTree(archive.tree, 'a', 60);
  await archive.backup();
  return archive;
}

/** The pack that holds the files' contents: the largest. */
function dataPack(archive: Archive): string {
  return archive.packs().sort((a, b) => statSync(b).size - statSync(a).size)[0]!;
}

describe('a dump', () => {
  test('of a big file that is damaged in its middle: zeros for what is lost, it is named, all else is there', async () => {
    const archive = await Archive.make();
    const big = noise(12_000_000, 'big');
    writeFileSync(join(archive.tree, 'big'), big);
    ordinaryTree(join(archive.tree, 'others'), 'o', 10);
    await archive.backup();
    const dump = async () => {
      const file = join(archive.folder, 'dump.tar');
      const under = ['sh', '-c', '"$@" > "$OUT"', 'sh'];
      const outcome = await archive.run(['dump'], { under, env: { OUT: file } });
      const un = join(archive.folder, 'un');
      rmSync(un, { recursive: true, force: true });
      mkdirSync(un);
      sh('tar', '-xpf', file, '-C', un);
      return { ...outcome, restored: join(un, archive.tree) };
    };
    expect((await dump()).code).toBe(0);
    const pack = dataPack(archive);
    const bytes = readFileSync(pack);
    bytes[6_000_000]! ^= 1;
    writeFileSync(pack, bytes);
    const { code, stderr, restored } = await dump();
    expect(code).toBe(3);
    expect(stderr).toContain(join(archive.tree, 'big'));
    expect(stderr.trim().split('\n')).toHaveLength(1);
    const is = readFileSync(join(restored, 'big'));
    expect(is.length).toBe(big.length);
    let first = 0;
    while (is[first] === big[first]) first++;
    let last = big.length;
    while (is[last - 1] === big[last - 1]) last--;
    expect(first).toBeGreaterThan(2_000_000);
    expect(last).toBeLessThan(10_000_000);
    expect(is.subarray(first, last).every((byte) => byte === 0)).toBe(true);
    expectSamePicture(pictureOf(join(restored, 'others')), pictureOf(join(archive.tree, 'others')));
    // A pack that is gone tells no lengths: then the zeros go on to the end.
    rmSync(pack);
    const gone = await dump();
    expect(gone.code).toBe(3);
    expect(gone.stderr).toContain(join(archive.tree, 'big'));
    expect(statSync(join(gone.restored, 'big')).size).toBe(big.length);
  });
});

describe('packs', () => {
  test.each([
    ['deleted', (pack: string) => rmSync(pack)],
    ['cut', (pack: string) => truncateSync(pack, statSync(pack).size - 1000)],
    ['longer', (pack: string) => appendFileSync(pack, 'x')],
  ])('a pack %s: check says so, the next soft backup heals it', async (_, harm) => {
    const archive = await archiveWithTree();
    harm(dataPack(archive));
    const found = await archive.json('check', [], 4);
    expect(found.ok).toBe(false);
    expect(found.problems.flatMap(({ paths }) => paths)).toContain(join(archive.tree, 'noise.bin'));
    const healed = await archive.backup(['--soft']);
    expect(healed.mode).toBe('soft');
    await archive.checkAll();
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    const first = (await archive.json('snapshots'))[0]!.id;
    expectSameTree(await archive.restore(join(archive.folder, 'first'), ['--snapshot', first]), archive.tree);
    archive.expectTidy();
  });

  test('every pack deleted: the next soft backup is whole', async () => {
    const archive = await archiveWithTree();
    for (const pack of archive.packs()) rmSync(pack);
    await archive.json('check', [], 4);
    writeFileSync(join(archive.tree, 'folder 1/second'), 'so that the second listing is another');
    expect((await archive.backup(['--soft'])).mode).toBe('soft');
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    // A catalog made anew lacks the snapshot whose listing is lost, names it, and has all else.
    const lost = (await archive.json('snapshots'))[0]!.id;
    rmSync(archive.tables, { recursive: true });
    const rebuilt = await archive.run(['catalog', 'rebuild']);
    expect(rebuilt.code).toBe(3);
    expect(rebuilt.stderr).toContain(lost.slice(0, 8));
    expectSameTree(await archive.restore(join(archive.folder, 'anew')), archive.tree);
    expect((await archive.backup()).files).toMatchObject({ new: 0, changed: 0, removed: 0 });
    const { code, stderr } = await archive.run([
      'restore',
      '--snapshot',
      lost,
      '--target',
      join(archive.folder, 'lost'),
    ]);
    expect(code).toBe(1);
    expect(stderr).not.toContain('internal error');
  });

  test('the metadata of the newest snapshot lost with the catalog: the one before it stands in', async () => {
    const archive = await archiveWithTree();
    const before = new Set(archive.packs());
    const first = pictureOf(archive.tree);
    writeFileSync(join(archive.tree, 'folder 1/second'), 'of the second backup');
    await archive.backup();
    for (const pack of archive.packs()) if (!before.has(pack)) rmSync(pack);
    rmSync(archive.tables, { recursive: true });
    expect((await archive.run(['catalog', 'rebuild'])).code).toBe(3);
    expectSamePicture(pictureOf(await archive.restore(join(archive.folder, 'first'))), first);
    await archive.json('check', [], 4);
    const outcome = await archive.run(['backup']);
    expect([0, 3]).toContain(outcome.code);
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
  });

  test('a deleted pack whose source is gone too: what is lost is named, all else comes back', async () => {
    const archive = await archiveWithTree();
    const before = new Set(archive.packs());
    writeFileSync(join(archive.tree, 'lost'), noise(200_000, 'lost'));
    await archive.backup();
    const data = archive.packs().filter((pack) => !before.has(pack));
    for (const pack of data.filter((path) => statSync(path).size > 200_000)) rmSync(pack);
    rmSync(join(archive.tree, 'lost'));
    await archive.backup();
    const found = await archive.json('check', [], 4);
    expect(found.problems.flatMap(({ paths }) => paths)).toEqual([join(archive.tree, 'lost')]);
    // The latest snapshot needs none of it.
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    const middle = (await archive.json('snapshots'))[1]!.id;
    const target = join(archive.folder, 'middle');
    const result = await archive.json('restore', ['--snapshot', middle, '--target', target], 3);
    expect(result.errors.map(({ path }) => path)).toEqual([join(archive.tree, 'lost')]);
    expect(readFileSync(join(target, archive.tree, 'noise.bin')).length).toBe(3_000_000);
  });

  test('a bit flipped: found by reading, named, and not handed out as good', async () => {
    const archive = await archiveWithTree();
    const pack = dataPack(archive);
    const bytes = readFileSync(pack);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(pack, bytes);
    expect((await archive.json('check')).ok).toBe(true); // Nobody has looked inside.
    const found = await archive.json('check', ['--read-data'], 4);
    const named = found.problems.flatMap(({ paths }) => paths);
    expect(named.length).toBeGreaterThan(0);
    await archive.json('check', ['--objects'], 4, { env: { HOME: '/nowhere' } });
    const target = join(archive.folder, 'restored');
    const result = await archive.json('restore', ['--target', target], 3);
    expect(result.errors.map(({ path }) => path).sort()).toEqual(named.sort());
    // What was restored is what was saved; what was not is not there, or not whole under its name.
    const is = pictureOf(join(target, archive.tree));
    const was = pictureOf(archive.tree);
    for (const path of named) {
      const key = String(path).slice(archive.tree.length + 1);
      expect(is.get(key)).not.toBe(was.get(key));
      is.delete(key);
      was.delete(key);
    }
    expectSamePicture(is, was);
  });
});

describe('the catalog', () => {
  test('an old one put back: the store is believed', async () => {
    const archive = await archiveWithTree();
    const old = join(archive.folder, 'old tables');
    cpSync(archive.tables, old, { recursive: true });
    writeFileSync(join(archive.tree, 'folder 1/second'), 'of the second backup');
    rmSync(join(archive.tree, 'folder 2'), { recursive: true });
    await archive.backup();
    const second = pictureOf(archive.tree);
    rmSync(archive.tables, { recursive: true });
    cpSync(old, archive.tables, { recursive: true });
    writeFileSync(join(archive.tree, 'folder 1/third'), 'of the third');
    const result = await archive.backup();
    expect(result.files).toMatchObject({ new: 1, removed: 0 });
    const snapshots = await archive.json('snapshots');
    expect(snapshots.length).toBe(3);
    expectSameTree(await archive.restore(join(archive.folder, 'latest')), archive.tree);
    const middle = await archive.restore(join(archive.folder, 'middle'), ['--snapshot', snapshots[1]!.id]);
    expectSamePicture(pictureOf(middle), second);
    await archive.checkAll();
  });

  test('a missing one is made anew by the next command, saying so', async () => {
    const archive = await archiveWithTree();
    const before = await archive.json('find', ['**', '--all']);
    rmSync(archive.tables, { recursive: true });
    const outcome = await archive.run(['ls', archive.tree]);
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toMatch(/catalog/);
    expect(await archive.json('find', ['**', '--all'])).toEqual(before);
    expect(await archive.backup()).toMatchObject({ mode: 'soft', files: { new: 0, changed: 0, removed: 0 } });
  });

  test('a damaged one too', async () => {
    const archive = await archiveWithTree();
    const before = await archive.json('find', ['**', '--all']);
    for (const file of ['catalog.db', 'catalog.db-wal', 'catalog.db-shm'])
      rmSync(join(archive.tables, file), { force: true });
    writeFileSync(join(archive.tables, 'catalog.db'), noise(100_000, 'garbage'));
    expect(await archive.json('find', ['**', '--all'])).toEqual(before);
    expect((await archive.backup()).files).toMatchObject({ new: 0, changed: 0, removed: 0 });
    await archive.checkAll();
  });
});

describe('a store that was rolled back', () => {
  test('stops a backup until told', async () => {
    const archive = await archiveWithTree();
    const old = join(archive.folder, 'old store');
    cpSync(archive.store, old, { recursive: true });
    writeFileSync(join(archive.tree, 'folder 1/second'), noise(100_000, 'second'));
    const { snapshot } = await archive.backup();
    rmSync(archive.store, { recursive: true });
    cpSync(old, archive.store, { recursive: true });

    const objects = archive.objects();
    const outcome = await archive.run(['backup']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('--accept-rollback');
    expect(outcome.stderr).toContain(snapshot!.slice(0, 8));
    expect(archive.objects()).toEqual(objects);
    expect((await archive.run(['backup'])).code).toBe(1); // Each time.

    await archive.backup(['--accept-rollback'], 3);
    expectSameTree(await archive.restore(join(archive.folder, 'restored')), archive.tree);
    await archive.checkAll();
    await archive.backup(); // Told once is enough.
    expect((await archive.json('snapshots')).map(({ id }) => id)).not.toContain(snapshot);
  });
});
