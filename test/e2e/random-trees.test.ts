import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backup } from '../../src/archive/backup.js';
import type { Context } from '../../src/archive/context.js';
import { restore } from '../../src/archive/restore.js';
import { type ByteString, fromDisplay } from '../../src/bytes.js';
import { loadConfig } from '../../src/config/load.js';
import { surroundings } from '../../src/config/paths.js';
import {
  closeFd,
  openDirectory,
  openDirectoryAt,
  readDirectory,
  StatBuffer,
  statAt,
} from '../../src/platform/index.js';
import { openPortableStore } from '../../src/portable/index.js';
import { folderFiles } from '../../src/portable/node.js';
import { Archive } from './archive.js';
import { isRoot } from './cli.js';
import { expectSamePicture, pictureOf } from './compare.js';
import { portablePicture } from './portable-picture.js';
import { type Node, plant, randomTree, uproot } from './random-trees.js';

/** How many trees, and for how long: `npm run test:fidelity -- --minutes 30` sets more, and a seed to repeat. */
const RUNS = Number(process.env.FIDELITY_RUNS ?? 15);
const MINUTES = Number(process.env.FIDELITY_MINUTES ?? 0.2);
const SEED = process.env.FIDELITY_SEED === undefined ? undefined : Number(process.env.FIDELITY_SEED);

/** What a verb asks of its caller, without a terminal: the key file, and yes to everything. */
async function contextOf(archive: Archive): Promise<Context & { warnings: string[] }> {
  const warnings: string[] = [];
  const quiet = () => undefined;
  return {
    config: await loadConfig(archive.config, surroundings({ HOME: archive.home })),
    configFile: archive.config,
    report: {
      start: quiet,
      progress: quiet,
      note: quiet,
      detail: quiet,
      warn: (message) => warnings.push(message),
      done: quiet,
    },
    signal: new AbortController().signal,
    waitLock: 0,
    async *unlock() {
      yield { kind: 'key-file', path: archive.key, content: readFileSync(archive.key) };
    },
    newPassphrase: () => Promise.reject(new Error('not asked for')),
    recoveryKey: () => Promise.reject(new Error('not asked for')),
    confirm: () => Promise.resolve(true),
    attention: (message) => warnings.push(message),
    warnings,
  };
}

const BACKUP = {
  hardRemove: false,
  dryRun: false,
  tags: [],
  exclude: [],
  acceptRollback: false,
  acceptEmpty: [],
  roots: [],
};

const RESTORE = {
  paths: [],
  snapshot: 'latest',
  map: [],
  overwrite: 'if-changed' as const,
  deleted: false,
  delete: false,
  include: [],
  exclude: [],
  dryRun: false,
  verify: false,
};

/** Space that files take, by their paths; so that holes are seen. */
function blocksOf(root: string): Map<ByteString, number> {
  const found = new Map<ByteString, number>();
  const stat = new StatBuffer();
  const walk = (dir: number, path: ByteString): void => {
    for (const { name } of readDirectory(dir)) {
      statAt(dir, name, stat);
      if (stat.isFile) found.set(`${path}/${name}`, stat.blocks);
      if (!stat.isDirectory) continue;
      const fd = openDirectoryAt(dir, name);
      walk(fd, `${path}/${name}`);
      closeFd(fd);
    }
  };
  const top = openDirectory(fromDisplay(root));
  walk(top, '');
  closeFd(top);
  return found;
}

/** Without the tree, which is long. */
function reporter({ failed, seed, numRuns, errorInstance }: fc.RunDetails<[Node[]]>): void {
  if (failed)
    throw new Error(`tree ${numRuns} of FIDELITY_SEED=${seed} comes back otherwise`, { cause: errorInstance });
}

/** Holes below 64 KiB may be filled, and so may the edges of others. */
const SLACK = (16 * 64 * 1024) / 512;

test(
  `random trees come back as they were, ${isRoot ? 'as root' : 'as a plain user'}, by both decoders`,
  async () => {
    const archive = await Archive.make();
    const context = await contextOf(archive);
    const kept = join(archive.folder, 'kept');
    const end = Date.now() + MINUTES * 60_000;
    let round = 0;
    let things = 0;
    await fc.assert(
      fc.asyncProperty(randomTree(isRoot), async (tree) => {
        if (Date.now() > end) return;
        round++;
        uproot(archive.tree);
        things += plant(archive.tree, tree);
        const was = pictureOf(archive.tree);
        const saved = await backup(context, BACKUP);
        expect(saved.errors).toEqual([]);
        // What is left from the round before is replaced, or there is nothing.
        const isFresh = round % 3 !== 0;
        const target = isFresh ? join(archive.folder, `restored ${round}`) : kept;
        mkdirSync(target, { recursive: true });
        const result = await restore(context, { ...RESTORE, target: fromDisplay(target), delete: !isFresh });
        expect(result.errors).toEqual([]);
        const restored = join(target, archive.tree);
        expectSamePicture(pictureOf(restored), was);
        const blocks = blocksOf(archive.tree);
        for (const [path, found] of blocksOf(restored))
          expect(found, path).toBeLessThanOrEqual(blocks.get(path)! + SLACK);
        if (round % 3 === 0) {
          const secret = { kind: 'key-file' as const, content: readFileSync(archive.key) };
          const store = await openPortableStore(folderFiles(archive.store), secret);
          const snapshot = (await store.snapshots()).find(({ name }) => name === saved.snapshot);
          expectSamePicture(await portablePicture(store, snapshot!, archive.tree), was);
        }
        // Folders above the tree are root's.
        expect(context.warnings.filter((line) => isRoot || !line.startsWith('owners not restored'))).toEqual([]);
        context.warnings.length = 0;
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true, reporter },
    );
    console.log(`${round} random trees with ${things} things in them`);
    expect(round).toBeGreaterThan(1);
  },
  24 * 3_600_000,
);
