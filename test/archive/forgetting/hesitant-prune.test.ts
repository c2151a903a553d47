import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { forget } from '../../../src/archive/forget.js';
import { prune } from '../../../src/archive/prune.js';
import { Lab, type LabFile } from './lab.js';

/** Bytes that do not compress. */
const noise = (length: number): Uint8Array =>
  new Uint8Array(createHash('shake256', { outputLength: length }).update('noise').digest());

const CONTENT = noise(5000);
const stateOf = (mtime: number): Map<string, LabFile> => new Map([['r/a', { content: CONTENT, mtime }]]);

let lab: Lab;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  lab = await Lab.make();
});
afterEach(() => {
  vi.useRealTimers();
  lab.remove();
});

const pruneNow = () => prune(lab.context(), { dryRun: false, maxUnused: { bytes: 0 }, grace: 0 });
const pathOf = (object: string): string => join(lab.config.store.url, object);
const dataPacks = (): Promise<string[]> =>
  lab.use(async ({ catalog }) =>
    catalog.packs
      .all()
      .filter(({ kind, present }) => kind === 'data' && present)
      .map(({ name }) => name),
  );

/** Two snapshots of one content, which lies in two packs: the second run did not know of the first one's. */
async function storedTwice(): Promise<{ packs: string[]; snapshots: string[] }> {
  const first = await lab.at('2025-01-01T12:00').backup(stateOf(1));
  const packs = await dataPacks();
  await lab.use(async ({ catalog }) => catalog.packs.remove(packs));
  const second = await lab.at('2025-01-02T12:00').backup(stateOf(2));
  packs.push(...(await dataPacks()));
  expect(packs).toHaveLength(2);
  return { packs, snapshots: [first, second] };
}

test.each([['first'], ['second']])(
  'of two copies of a blob of which the %s is damaged, the other stays',
  async (which) => {
    const { packs, snapshots } = await storedTwice();
    const path = pathOf(lab.objects('packs').find((object) => object.includes(packs[which === 'first' ? 0 : 1]))!);
    const bytes = readFileSync(path);
    bytes[300] ^= 1;
    rmSync(path);
    writeFileSync(path, bytes);
    await pruneNow();
    for (const snapshot of snapshots) expect((await lab.restore(snapshot)).get('r/a')?.content).toEqual(CONTENT);
  },
);

test('one of two whole copies of a blob goes', async () => {
  const { packs, snapshots } = await storedTwice();
  await pruneNow();
  const left = lab.objects('packs').filter((object) => packs.some((name) => object.includes(name)));
  expect(left).toHaveLength(1);
  for (const snapshot of snapshots) expect((await lab.restore(snapshot)).get('r/a')?.content).toEqual(CONTENT);
});

test.each([
  ['snapshots/', '.snap'],
  ['records/', '.rec'],
  ['index/', '.idx'],
  ['tombstones/', '.rec'],
])('nothing goes while an object in %s cannot be read', async (folder, ending) => {
  const gone = await lab.at('2025-01-01T12:00').backup(stateOf(1));
  await lab.at('2025-01-02T12:00').backup(new Map([['r/b', { content: noise(3000).reverse(), mtime: 2 }]]));
  const packs = lab.objects('packs');
  // A copy of the very snapshot, say, that a bad disk has named anew: who knows what it needs?
  const [snapshot] = lab.objects('snapshots').filter((object) => object.includes(gone));
  mkdirSync(pathOf(folder), { recursive: true });
  writeFileSync(pathOf(`${folder}${'ab'.repeat(32)}${ending}`), readFileSync(pathOf(snapshot!)));
  const options = { dryRun: false, prune: false, allSources: false, rules: undefined, groupBy: [], snapshots: [gone] };
  await forget(lab.context(), options);
  await expect(pruneNow()).rejects.toThrow(/cannot be read, so nothing is pruned/);
  expect(lab.objects('packs')).toEqual(packs);
});
