import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { longestUnverified } from '../../../src/archive/check/packs.js';
import { openRepository } from '../../../src/archive/repository.js';
import { contextOf } from './context.js';
import { flip, Patient, scramble } from './patient.js';

let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
});

describe('after a pack was set aside', () => {
  test('a good copy of it put in its place is seen, and counts again', async () => {
    const patient = healthy.copy();
    const pack = patient.pack('data');
    const good = join(patient.folder, 'replica.pack');
    copyFileSync(pack, good);
    scramble(pack, 40, 20);
    await patient.repair(4);
    expect((await patient.snapshots()).map(({ damaged }) => damaged === true)).toEqual([true, true]);
    copyFileSync(good, pack);
    expect(await patient.repair(0)).toMatchObject({ ok: true, problems: [] });
    expect((await patient.snapshots()).map(({ damaged }) => damaged === true)).toEqual([false, false]);
    await patient.check(['--read-data'], 0);
    const [first] = await patient.snapshots();
    await patient.expectRest(first!.id, patient.first, []);
  });

  test('prune deletes it; a snapshot that is not whole is left to be dropped by name', async () => {
    const patient = healthy.copy();
    const pack = patient.pack('data');
    // In the frames behind the first, which holds most of the noise.
    scramble(pack, 40, 20);
    await patient.repair(4);
    await patient.json('backup', ['--soft'], 0);
    await patient.repair(4);
    const rows = await patient.snapshots();
    expect(rows.map(({ damaged }) => damaged === true)).toEqual([true, false, false]);

    // No rule drops it, or takes it for one that is whole.
    await patient.json('forget', ['--keep-last', '1', '--yes'], 0);
    const left = await patient.snapshots();
    expect(left.map(({ id }) => id)).toEqual([rows[0]!.id, rows[2]!.id]);
    expect(patient.objects('packs')).not.toContain(pack);
    const { problems } = await patient.check(['--read-data'], 4);
    expect(patient.paths(problems)).toEqual(['changed', 'gone']);

    await patient.json('forget', [rows[0]!.id, '--yes'], 0);
    await patient.check(['--read-data'], 0);
    await patient.expectRest('latest', patient.second, []);
  });

  test('the same in a shared store, by a tombstone', async () => {
    const patient = await Patient.make('--shared');
    const pack = patient.pack('data');
    flip(pack, 50);
    expect(await patient.repair(0)).toMatchObject({ ok: true });
    await patient.json('prune', ['--grace', '0s'], 0);
    expect(patient.objects('packs')).toContain(pack);
    await patient.json('prune', ['--grace', '0s'], 0);
    expect(patient.objects('packs')).not.toContain(pack);
    await patient.check(['--read-data'], 0);
    const [first] = await patient.snapshots();
    await patient.expectRest(first!.id, patient.first, []);
  });
});

test('a backup never refers to blobs of a pack that was set aside', async () => {
  const patient = healthy.copy();
  scramble(patient.pack('data'), 40, 20);
  await patient.repair(4);
  // The content of a file that is lost comes back under another name.
  const root = JSON.parse(readFileSync(join(patient.folder, 'config.json'), 'utf8')).backup_roots[0];
  const path = join(root, 'again');
  writeFileSync(path, Buffer.from(patient.first.get('gone')!, 'latin1'));
  try {
    await patient.json('backup', ['--soft'], 0);
    const { problems } = await patient.check(['--read-data'], 4);
    expect(patient.paths(problems)).toEqual(['changed']);
    expect((await patient.restore('latest', 0)).files.get('again')).toBe(patient.first.get('gone'));
  } finally {
    rmSync(path);
  }
});

test('what kept snapshots hold is written anew from the catalog', async () => {
  const patient = healthy.copy();
  await patient.json('cleanup_soft', ['--yes'], 0);
  const rows = await patient.snapshots();
  for (const pack of patient.objects('packs').filter((path) => readFileSync(path)[4] === 4)) rmSync(pack);
  await patient.check([], 4);
  expect(await patient.repair(0)).toMatchObject({ ok: true, problems: [] });
  rmSync(join(patient.folder, 'tables'), { recursive: true });
  await patient.json('catalog rebuild', [], 0);
  expect(await patient.snapshots()).toEqual(rows);
  await patient.check(['--read-data'], 0);
});

describe('reading a share of the packs', () => {
  test('34 times 3% are all of them, however many there are', () => {
    for (const count of [1, 2, 7, 33, 34, 100, 1001]) {
      const packs = Array.from({ length: count }, (_, number): { number: number; verified?: bigint } => ({ number }));
      for (let run = 1n; run <= 34n; run++) for (const pack of longestUnverified(packs, 0.03)) pack.verified = run;
      expect(packs.filter(({ verified }) => verified === undefined)).toEqual([]);
      // The next run begins with those read first.
      const oldest = packs.reduce((a, b) => (b.verified! < a.verified! ? b : a)).verified;
      expect(longestUnverified(packs, 0.03)[0]!.verified).toBe(oldest);
    }
  });

  test('takes those first that were not read for longest, and remembers it; a damaged one is not taken for read', async () => {
    const patient = healthy.copy();
    const verified = async () => {
      const options = { command: 'test', lock: 'shared', catalog: 'write' } as const;
      const repository = await openRepository(await contextOf(patient.folder), options);
      const rows = repository.catalog.packs.all().map(({ name, verified }) => ({ name, verified }));
      await repository.close();
      return rows;
    };
    const count = patient.objects('packs').length;
    const share = `${Math.ceil(100 / count)}%`;
    for (let i = 1; i <= count; i++) {
      const { read } = await patient.check([`--read-data=${share}`], 0);
      expect(read).toBeGreaterThan(0);
      if (i < count) expect((await verified()).some(({ verified }) => verified === undefined)).toBe(true);
    }
    expect((await verified()).every(({ verified }) => verified !== undefined)).toBe(true);
    const pack = patient.pack('data');
    flip(pack, 90);
    await patient.check(['--read-data'], 4);
    const bad = (await verified()).filter(({ verified }) => verified === undefined);
    expect(bad.map(({ name }) => pack.includes(name))).toEqual([true]);
  });
});
