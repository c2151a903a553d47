import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { harms } from './pack-harms.js';
import { Patient, swap } from './patient.js';

let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
});

describe('a data pack', () => {
  test.each(harms)('%s', async (_, harm, lost) => {
    const patient = healthy.copy();
    const pack = patient.pack('data');
    harm(pack);
    const isThere = patient.objects('packs').includes(pack);

    const found = await patient.check(['--read-data'], 4);
    expect(found.problems.map(({ object }) => object)).toContain(patient.name(pack));
    const hurt = patient.paths(found.problems);
    // Before anything is mended, a restore gives all the rest, and names what it cannot give.
    const [first, second] = await patient.snapshots();
    const { lost: missed } = await patient.expectMost(first!.id, patient.first, hurt);
    if (lost !== 'nothing') expect(missed.length).toBeGreaterThan(0);
    if (isThere) {
      const keyless = await patient.check(['--objects'], 4);
      expect(keyless.problems.map(({ object }) => object)).toEqual([patient.name(pack)]);
    }

    const repaired = await patient.repair(lost === 'nothing' ? 0 : 4);
    const left = patient.paths(repaired.problems);
    expect(hurt).toEqual(expect.arrayContaining(left));
    if (lost === 'nothing') expect(repaired).toMatchObject({ ok: true, problems: [] });
    else expect(left.length).toBeGreaterThan(0);
    if (left.length < hurt.length) await patient.expectRest(first!.id, patient.first, left);
    expect((await patient.snapshots())[0]!.damaged === true).toBe(lost !== 'nothing');

    // Again: nothing new.
    const records = patient.objects('records').length;
    const again = await patient.repair(lost === 'nothing' ? 0 : 4, []);
    expect(patient.paths(again.problems)).toEqual(left);
    expect(again.repaired).toEqual([]);
    expect(patient.objects('records').length).toBe(records);

    // The next soft backup heals what is on disk; what is not stays lost, and is all that is.
    await patient.json('backup', ['--soft'], 0);
    const onlyHere = left.filter((path) => path === 'gone' || path === 'changed');
    const after = await patient.check(['--read-data'], onlyHere.length === 0 ? 0 : 4);
    expect(patient.paths(after.problems)).toEqual(onlyHere);
    await patient.expectRest(second!.id, patient.second, []);
  });

  test('exchanged with another: nothing is lost', async () => {
    const patient = healthy.copy();
    const packs = [patient.pack('data', 0), patient.pack('data', 1)];
    swap(packs[0]!, packs[1]!);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object).sort()).toEqual(packs.map((pack) => patient.name(pack)).sort());
    expect(await patient.repair(0)).toMatchObject({ ok: true, problems: [] });
    await patient.check(['--read-data'], 0);
    const [first] = await patient.snapshots();
    await patient.expectRest(first!.id, patient.first, []);
    await patient.expectRest('latest', patient.second, []);
  });
});

describe('many megabytes', () => {
  test('are read by several threads, which find what one would', async () => {
    const patient = await Patient.make();
    writeFileSync(join(patient.tree, 'large'), randomBytes(60_000_000));
    await patient.json('backup', [], 0);
    const packs = patient.objects('packs').map((pack) => ({ pack, size: statSync(pack).size }));
    const found = await patient.check(['--read-data'], 0);
    expect(found.read).toBe(packs.reduce((sum, { size }) => sum + size, 0));

    const large = packs.filter(({ size }) => size > 10_000_000);
    expect(large.length).toBeGreaterThan(1);
    for (const { pack, size } of large) {
      const bytes = readFileSync(pack);
      bytes[size - 1_000_000]! ^= 1;
      writeFileSync(pack, bytes);
    }
    const { problems } = await patient.check(['--read-data'], 4);
    const named = problems.filter(({ kind }) => kind === 'damaged').map(({ object }) => object);
    expect(named.sort()).toEqual(large.map(({ pack }) => patient.name(pack)).sort());
  }, 30_000);
});
