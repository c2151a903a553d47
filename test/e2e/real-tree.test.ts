import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openPortableStore } from '../../src/portable/index.js';
import { folderFiles } from '../../src/portable/node.js';
import { Archive } from './archive.js';
import { isRoot, TOP } from './cli.js';
import { expectSamePicture, pictureOf } from './compare.js';
import { portablePicture } from './portable-picture.js';

/** `npm run test:fidelity -- --tree DIR` takes another. Nothing may change in it meanwhile. */
const TREE = process.env.FIDELITY_TREE ?? join(TOP, 'src');

test(
  `${TREE} comes back as it is, by both decoders`,
  async () => {
    const archive = await Archive.make({ roots: [TREE] });
    const seconds: Record<string, string> = {};
    const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const result = await work();
      seconds[what] = ((performance.now() - start) / 1000).toFixed(1);
      return result;
    };
    // Other owners than one's own, and names outside of the tree, do not come back; but all else does.
    const without = { without: ['links', ...(isRoot ? [] : ['owner' as const])] as ('links' | 'owner')[] };
    const was = pictureOf(TREE, without);
    const saved = await timed('backup', () => archive.backup());
    const restored = await timed('restore', () => archive.restore(join(archive.folder, 'restored')));
    expectSamePicture(pictureOf(restored, without), was);

    const native = pictureOf(restored);
    const secret = { kind: 'key-file' as const, content: readFileSync(archive.key) };
    const store = await openPortableStore(folderFiles(archive.store), secret);
    const [snapshot] = await store.snapshots();
    const portable = await timed('portable', () => portablePicture(store, snapshot!, TREE));
    expectSamePicture(portable, native);
    expect(portable.size).toBe(was.size);
    const times = Object.entries(seconds).map(([what, took]) => `${what} ${took} s`);
    console.log(`${portable.size} entries, ${saved.bytes.scanned} bytes, no difference; ${times.join(', ')}`);
  },
  24 * 3_600_000,
);
