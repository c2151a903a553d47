import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { BackupResult, LsEntry } from '../../../src/archive/types.js';
import { Patient, scramble } from '../check/patient.js';

/** Of so many chunks that they are listed in a blob of their own. */
const LONG = Array.from({ length: 200_000 }, (_, i) => `line ${i * 7919}\n`).join('');

let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
  const long = join(healthy.tree, 'long');
  writeFileSync(long, LONG);
  utimesSync(long, 1_500_000_000, 1_500_000_000);
  await healthy.json('backup', [], 0);
  // Nothing is unsettled any more: no file is read again without need.
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await healthy.json('backup', [], 0);
});

/** Ways in which content gets lost, and the pack that held it out of the catalog. */
const losses: [string, (patient: Patient) => Promise<void>][] = [
  [
    'in a pack that was damaged, set aside and pruned',
    async (patient) => {
      const pack = patient.pack('data');
      scramble(pack, 100, 200_000);
      await patient.repair(4);
      await patient.json('prune', [], 0);
      expect(patient.objects('packs')).not.toContain(pack);
    },
  ],
  [
    'with a pack and the index that named it',
    async (patient) => {
      rmSync(patient.pack('data'));
      rmSync(patient.objects('index')[0]!);
      await patient.check([], 4);
    },
  ],
  [
    'with a pack, the indexes and the catalog',
    async (patient) => {
      rmSync(patient.pack('data'));
      for (const index of patient.objects('index')) rmSync(index);
      rmSync(join(patient.folder, 'tables'), { recursive: true });
      await patient.repair(4, []);
    },
  ],
];

describe.each(losses)('content lost %s', (_, lose) => {
  test('is stored anew by a soft backup, if the disk has it; the one after that reads nothing', async () => {
    const patient = healthy.copy();
    await lose(patient);
    const healed = await patient.json<BackupResult>('backup', ['--soft'], 0);
    expect(healed.mode).toBe('soft');
    expect(healed.bytes.new).toBeGreaterThan(0);
    await patient.expectRest('latest', patient.second, []);
    const { bytes, files } = await patient.json<BackupResult>('backup', ['--soft'], 0);
    expect({ read: bytes.read, unchanged: files.unchanged }).toEqual({ read: 0, unchanged: patient.second.size + 1 });
  });

  test('is left out and named, if the disk does not have it either', async () => {
    const patient = healthy.copy();
    await lose(patient);
    const { tree } = healthy;
    renameSync(tree, `${tree}.away`);
    try {
      const { errors } = await patient.json<BackupResult>('backup', ['--soft'], 3);
      const noise = join(tree, 'deep/er/noise');
      expect(errors).toContainEqual({ path: noise, message: expect.stringContaining('missing in the store') });
      const left = await patient.json<LsEntry[]>('ls', [join(tree, 'deep/er')], 0);
      expect(left.map(({ path }) => path)).not.toContain(noise);
    } finally {
      renameSync(`${tree}.away`, tree);
    }
  });
});

test('of what is left, nothing is read again', async () => {
  const patient = healthy.copy();
  rmSync(patient.pack('data', 1));
  for (const index of patient.objects('index')) rmSync(index);
  await patient.check([], 4);
  const { bytes } = await patient.json<BackupResult>('backup', ['--soft'], 0);
  expect(bytes.read).toBe(LONG.length);
  expect((await patient.restore('latest')).files.get('long') === LONG).toBe(true);
});
