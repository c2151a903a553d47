import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { Archive, filesBelow } from '../e2e/archive.js';
import { needPrograms } from '../e2e/cli.js';
import { expectSamePicture, expectSameTree, type Picture, pictureOf } from '../e2e/compare.js';
import { noise, ordinaryTree } from '../e2e/trees.js';
import { countSteps, expectNoTemporaries, killAt, STEPS } from './machine.js';

/** So many of the steps are tried, spread evenly; `npm run test:crash` tries all. */
const MOST = Number(process.env.CRASH_STEPS ?? 16);
const LIMIT = Number.isFinite(MOST) ? 400_000 : 4 * 3_600_000;

/** Numbers from 1 to `last`, at most MOST of them, the first and last ones all. */
function chosen(last: number): number[] {
  const all = Array.from({ length: last }, (_, i) => i + 1);
  if (last <= MOST) return all;
  const edge = Math.floor(MOST / 4);
  const step = (last - 2 * edge) / (MOST - 2 * edge);
  return all.filter(
    (n) => n <= edge || n > last - edge || Math.floor((n - edge) / step) !== Math.floor((n - 1 - edge) / step),
  );
}

/** An ordinary tree with its first backup, where runs can be killed at a step. */
async function backedUp(context: TestContext): Promise<Archive> {
  needPrograms(context, 'strace');
  const archive = await Archive.make();
  ordinaryTree(archive.tree, 'a', 40);
  await archive.backup();
  return archive;
}

test(
  'a backup killed at each step that it leaves on the disk',
  async (context) => {
    const archive = await backedUp(context);
    const pictures = new Map<string, Picture>();
    let round = 0;
    const change = () => {
      writeFileSync(join(archive.tree, 'folder 1', `new ${round % 3}`), `round ${round}`);
      writeFileSync(join(archive.tree, 'noise.bin'), noise(600_000, `${round++}`));
    };
    change();
    const steps = await countSteps(archive, ['backup'], STEPS);
    expect(steps).toBeGreaterThan(5);

    for (const n of chosen(steps)) {
      change();
      const before = new Set((await archive.json('snapshots')).map(({ id }) => id));
      await killAt(archive, ['backup'], STEPS, n);
      // A snapshot is there as a whole or not at all.
      for (const { id } of await archive.json('snapshots'))
        if (!before.has(id)) pictures.set(id, pictureOf(archive.tree));
      change();
      const { snapshot } = await archive.backup();
      pictures.set(snapshot!, pictureOf(archive.tree));
      archive.expectTidy();
    }
    await archive.checkAll();
    const target = join(archive.folder, 'restored');
    for (const [id, picture] of [...pictures].filter((_, i) => i % 4 === 0 || i === pictures.size - 1)) {
      expectSamePicture(pictureOf(await archive.restore(target, ['--snapshot', id])), picture);
      rmSync(target, { recursive: true });
    }
    const found = await archive.json('find', ['**', '--all']);
    rmSync(archive.tables, { recursive: true });
    expect(await archive.json('find', ['**', '--all'])).toEqual(found);
  },
  LIMIT,
);

test(
  'a restore killed at each step that it leaves on the disk',
  async (context) => {
    const archive = await backedUp(context);
    const known = new Set(filesBelow(archive.tree).map((file) => join(archive.tree, file.slice(archive.tree.length))));
    const target = join(archive.folder, 'restored');
    const args = ['restore', '--target', target];
    const calls = [...STEPS, 'symlinkat', 'fchmod', 'fchmodat', 'utimensat', 'fchown', 'fchownat'];
    const steps = await countSteps(archive, args, calls);
    for (const n of chosen(steps)) {
      rmSync(target, { recursive: true });
      await killAt(archive, args, calls, n);
      expectSameTree(await archive.restore(target), archive.tree);
      expectNoTemporaries(target, known);
    }
    archive.expectTidy();
  },
  LIMIT,
);
