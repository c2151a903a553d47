import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openRepository } from '../../../src/archive/repository.js';
import { sealTombstone } from '../../../src/format/record.js';
import { objectPath } from '../../../src/store/index.js';
import { contextOf } from './context.js';
import { Patient, scramble } from './patient.js';
import { expectWhole, harms } from './small-harms.js';

let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
  const repository = await openRepository(await contextOf(healthy.folder), {
    command: 'test',
    lock: 'shared',
    catalog: 'write',
  });
  for (const digit of ['a', 'b']) {
    const { name, bytes } = sealTombstone(repository.keyring, { time: 1n, packs: [digit.repeat(64)] });
    await repository.store.put(objectPath('tombstones', name), bytes);
  }
  await repository.close();
});

describe('of index', () => {
  test.each(harms.slice(1))('one %s: written anew', async (befallen, harm) => {
    const patient = healthy.copy();
    const [one, other] = patient.objects('index');
    harm(one!, other!);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object)).toContain(patient.name(one!));
    await patient.check(['--objects'], 4);
    await patient.expectRest('latest', patient.second, []);
    expect(await patient.repair(0, [])).toMatchObject({ ok: true, problems: [] });
    expect((await patient.repair(0, [])).repaired).toEqual([]);
    await patient.check([], 0);
    if (befallen !== 'cut' && befallen !== 'exchanged with another') return;
    await expectWhole(patient);
    // What was set aside is gone after a prune, which expectWhole has made.
    await patient.check(['--objects'], 0);
  });

  test.each([[1], [2]])('%i deleted, the catalog too: read from the packs', async (count) => {
    const patient = healthy.copy();
    const rows = await patient.snapshots();
    for (const index of patient.objects('index').slice(0, count)) rmSync(index);
    rmSync(join(patient.folder, 'tables'), { recursive: true });
    const found = await patient.check([], 4);
    const packs = patient.objects('packs').map((pack) => patient.name(pack));
    expect(packs).toEqual(expect.arrayContaining(found.problems.map(({ object }) => object)));
    expect(await patient.repair(0, [])).toMatchObject({ ok: true, problems: [] });
    expect(await patient.snapshots()).toEqual(rows);
    await expectWhole(patient);
  });
});

describe('of tombstones', () => {
  test.each(harms.slice(1))('one %s: set aside, as it is of no more use', async (befallen, harm) => {
    const patient = healthy.copy();
    const [one, other] = patient.objects('tombstones');
    harm(one!, other!);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object)).toContain(patient.name(one!));
    const stopped = await patient.run('prune');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain('check --repair');
    expect(await patient.repair(0, [])).toMatchObject({ ok: true, problems: [] });
    await patient.check([], 0);
    if (befallen === 'cut') await expectWhole(patient);
    else await patient.json('prune', [], 0);
  });
});

test('a record that nobody has a copy of is set aside: said once as a loss, and nothing is stopped by it', async () => {
  const patient = healthy.copy();
  const [record] = patient.objects('records');
  scramble(record!, 60, 30);
  rmSync(join(patient.folder, 'tables'), { recursive: true });
  const first = await patient.repair(4, []);
  expect(first.problems.map(({ object }) => object)).toEqual([patient.name(record!)]);
  expect(await patient.repair(0, [])).toMatchObject({ ok: true, repaired: [] });
  await patient.json('prune', [], 0);
  expect((await patient.snapshots())[1]!.tags).toEqual(['two']);
});

test('a snapshot that nobody has a copy of is named each time, and stops nothing', async () => {
  const patient = healthy.copy();
  const [snapshot] = patient.objects('snapshots');
  scramble(snapshot!, 60, 30);
  rmSync(join(patient.folder, 'tables'), { recursive: true });
  for (let i = 0; i < 2; i++) {
    const { problems } = await patient.repair(4, []);
    expect(problems.map(({ object }) => object)).toEqual([patient.name(snapshot!)]);
  }
  await patient.json('prune', [], 0);
  await patient.expectRest('latest', patient.second, []);
});

test('something put among the records is named, and set aside', async () => {
  const patient = healthy.copy();
  writeFileSync(join(patient.folder, 'store', objectPath('records', 'ab'.repeat(32))), 'no record at all');
  const found = await patient.check([], 4);
  expect(found.problems).toHaveLength(1);
  await patient.repair(4, []);
  await patient.repair(0, []);
  await expectWhole(patient);
});
