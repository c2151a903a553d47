import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Folder } from '../../../src/store/index.js';
import { filesBelow } from '../../support/files.js';
import { Patient } from './patient.js';
import { expectWhole, harms } from './small-harms.js';

let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
});

describe.each([['certs'], ['records'], ['snapshots']] as [Folder][])('of %s', (folder) => {
  test.each(harms)('one %s: put back as it was', async (befallen, harm) => {
    const patient = healthy.copy();
    const [one, other] = patient.objects(folder);
    const before = filesBelow(join(patient.folder, 'store', folder));
    harm(one!, other!);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object)).toContain(patient.name(one!));
    if (folder === 'snapshots') {
      const ids = found.problems.flatMap(({ snapshots }) => snapshots);
      expect(ids.map((id) => patient.name(one!).includes(id))).toContain(true);
    }
    if (patient.objects(folder).includes(one!)) {
      const keyless = await patient.check(['--objects'], 4);
      expect(keyless.problems.map(({ object }) => object)).toContain(patient.name(one!));
    }
    // The catalog still knows everything; a snapshot that is gone is said to be.
    const isGone = folder === 'snapshots' && !patient.objects(folder).includes(one!);
    expect((await patient.restore('latest', isGone ? 3 : 0)).files).toEqual(patient.second);
    expect(await patient.repair(0, [])).toMatchObject({ ok: true, problems: [] });
    expect(filesBelow(join(patient.folder, 'store', folder))).toEqual(before);
    await patient.check([], 0);
    // Byte by byte the same: the rest need not be gone through each time.
    if (befallen !== 'deleted' && befallen !== 'exchanged with another') return;
    expect((await patient.repair(0, [])).repaired).toEqual([]);
    await expectWhole(patient);
  });
});
