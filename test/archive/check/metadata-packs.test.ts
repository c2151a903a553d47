import { rmSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { harms } from './pack-harms.js';
import { Patient } from './patient.js';

let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
});

describe('a metadata pack', () => {
  test.each(harms)('%s: the catalog writes the listings anew', async (_, harm) => {
    const patient = healthy.copy();
    const pack = patient.pack('meta');
    harm(pack);
    const [first, second] = await patient.snapshots();
    const found = await patient.check(['--read-data'], 4);
    expect(found.problems.map(({ object }) => object)).toContain(patient.name(pack));
    expect(await patient.repair(0)).toMatchObject({ ok: true, problems: [] });
    await patient.check(['--read-data'], 0);

    // Whoever comes with nothing but the key finds all of it.
    rmSync(`${patient.folder}/tables`, { recursive: true });
    await patient.json('catalog rebuild', [], 0);
    await patient.expectRest(first!.id, patient.first, []);
    await patient.expectRest(second!.id, patient.second, []);
    await patient.check([], 0);
  });

  test('lost together with the catalog: the snapshot is marked, and the others go on', async () => {
    const patient = healthy.copy();
    const [first] = await patient.snapshots();
    rmSync(patient.pack('meta', 1));
    rmSync(`${patient.folder}/tables`, { recursive: true });
    const found = await patient.check([], 4);
    expect(found.problems.flatMap(({ snapshots }) => snapshots)).toHaveLength(1);
    await patient.repair(4);
    const rows = await patient.snapshots();
    expect(rows.map(({ damaged }) => damaged === true)).toEqual([false, true]);
    await patient.expectRest(first!.id, patient.first, []);
    // Prune is not stopped any more, and takes nothing that the whole one needs.
    await patient.json('prune', [], 0);
    await patient.expectRest(first!.id, patient.first, []);
    await patient.json('backup', ['--soft'], 0);
    await patient.expectRest('latest', patient.second, []);
  });
});
