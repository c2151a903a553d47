import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { filesBelow } from '../../support/files.js';
import { cut, flip, Patient, scramble, swap } from './patient.js';

let healthy: Patient;
let recovery = '';
beforeAll(async () => {
  healthy = await Patient.make();
  recovery = healthy.recoveryKey;
});

const harms: [name: string, harm: (path: string) => void][] = [
  ['deleted', (path) => rmSync(path)],
  ['cut', (path) => cut(path)],
  ['empty', (path) => writeFileSync(path, '')],
  ['with one bit turned', (path) => flip(path, 120)],
  ['in shreds', (path) => scramble(path, 30, 60)],
];

describe('config.json', () => {
  test.each(harms)('%s: the copy beside the catalog stands in, and is put back', async (_, harm) => {
    const patient = healthy.copy();
    const path = join(patient.folder, 'store/config.json');
    const was = readFileSync(path, 'utf8');
    harm(path);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object)).toEqual(['config.json']);
    const keyless = await patient.check(['--objects'], 4);
    expect(keyless.problems.map(({ object }) => object)).toEqual(['config.json']);
    // Who reads is told; who would write is stopped.
    const { files } = await patient.restore('latest', 3);
    expect(files).toEqual(patient.second);
    expect((await patient.run('backup')).code).not.toBe(0);
    expect(await patient.repair(0, [])).toMatchObject({ ok: true, repaired: [{ object: 'config.json' }] });
    expect(readFileSync(path, 'utf8')).toBe(was);
    await patient.json('backup', [], 0);
    await patient.check(['--read-data'], 0);
  });

  test('of another store is not overwritten by the copy of this one', async () => {
    const patient = healthy.copy();
    const other = await Patient.make();
    const path = join(patient.folder, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...config, file_dir: join(other.folder, 'store') }));
    const was = readFileSync(join(other.folder, 'store/config.json'), 'utf8');
    expect((await patient.run('check', ['--repair'])).code).toBe(12);
    rmSync(join(other.folder, 'store/config.json'));
    expect((await patient.run('check', ['--repair'])).code).not.toBe(0);
    expect(existsSync(join(other.folder, 'store/config.json'))).toBe(false);
    writeFileSync(join(other.folder, 'store/config.json'), was);
    await other.check([], 0);
  });
});

describe('a store without its config.json', () => {
  const withoutConfig = (): Patient => {
    const patient = healthy.copy();
    rmSync(join(patient.folder, 'store/config.json'));
    return patient;
  };

  test.each([
    ['with its catalog', () => {}],
    [
      'with a new table_dir',
      (patient: Patient) => renameSync(join(patient.folder, 'tables'), `${patient.folder}/kept`),
    ],
    [
      'when its key slots are lost, too',
      (patient: Patient) => {
        for (const slot of patient.objects('keys')) rmSync(slot);
      },
    ],
  ])('is none to init %s: nothing is written', async (_, harm) => {
    const patient = withoutConfig();
    harm(patient);
    const was = filesBelow(patient.folder);
    const { code, stderr } = await patient.run('init');
    expect(code).toBe(10);
    expect(stderr).toMatch(/^error: config\.json is not in the store, .*check --repair.*\n$/);
    expect(filesBelow(patient.folder)).toEqual(was);
  });

  test.each(['backup', 'key list', 'catalog rebuild'])('%s says what mends it, and that does', async (verb) => {
    const patient = withoutConfig();
    const { code, stderr } = await patient.run(verb);
    expect(code).toBe(10);
    expect(stderr).toContain("'backup-ninja check --repair'");
    expect(stderr).not.toContain('init');
    await patient.repair(0, []);
    await patient.json(verb, [], 0);
  });

  test('is told by check without the advice to run check', async () => {
    const { problems } = await withoutConfig().check([], 4);
    expect(problems[0]!.message).toMatch(/^config\.json is not in the store/);
    expect(problems[0]!.message).not.toContain("'backup-ninja check'");
  });

  test('and no copy of it here: where there may be one is said', async () => {
    const patient = withoutConfig();
    rmSync(join(patient.folder, 'tables/store'), { recursive: true });
    const { code, stderr } = await patient.run('check', ['--repair']);
    expect(code).toBe(10);
    expect(stderr).toMatch(/another copy of the store/);
    expect(stderr).not.toContain('init');
  });
});

test('the copies beside a catalog are not replaced by those of another store', async () => {
  const patient = healthy.copy();
  const other = await Patient.make();
  const copies = filesBelow(join(patient.folder, 'tables/store'));
  const path = join(patient.folder, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  const key_path = join(other.folder, 'key');
  writeFileSync(path, JSON.stringify({ ...config, key_path, file_dir: join(other.folder, 'store') }));
  for (const verb of ['backup', 'init', 'restore', 'catalog rebuild']) {
    const { code, stderr } = await patient.run(verb);
    expect(code, verb).toBe(2);
    expect(stderr).toContain('another store');
    expect(filesBelow(join(patient.folder, 'tables/store')), verb).toEqual(copies);
  }
});

describe('a store that is away', () => {
  const away = (): Patient => {
    const patient = healthy.copy();
    renameSync(join(patient.folder, 'store'), join(patient.folder, 'unplugged'));
    return patient;
  };

  test.each([
    ['gone', () => {}],
    ['an empty mount point', (patient: Patient) => mkdirSync(join(patient.folder, 'store'))],
  ])('%s: init makes none in its place', async (_, leave) => {
    const patient = away();
    leave(patient);
    const was = filesBelow(patient.folder);
    const { code, stderr, stdout } = await patient.run('init');
    expect([code, stdout]).toEqual([10, '']);
    expect(stderr).toMatch(/^error: no store at .*mount its disk.*\n$/);
    expect(filesBelow(patient.folder)).toEqual(was);
    if (existsSync(join(patient.folder, 'store'))) expect(readdirSync(join(patient.folder, 'store'))).toEqual([]);
  });

  test.each(['backup', 'restore', 'check', 'check --objects', 'catalog rebuild', 'key list'])(
    '%s: nobody is told to make another',
    async (verb) => {
      const { code, stderr } = await away().run(verb);
      expect(code).toBe(10);
      expect(stderr).toMatch(/mount its disk/);
      expect(stderr).not.toContain('init');
    },
  );

  test('where no catalog of one is, it may be made', async () => {
    const patient = away();
    renameSync(join(patient.folder, 'tables'), join(patient.folder, 'other tables'));
    expect((await patient.run('backup')).stderr).toContain("'backup-ninja init'");
    await patient.json('init', [], 0);
    await patient.json('backup', [], 0);
  });
});

test('an init that was killed before the store had a config.json is repeated', async () => {
  const patient = healthy.copy();
  for (const name of ['config.json', 'packs', 'index', 'snapshots', 'records', 'tombstones'])
    rmSync(join(patient.folder, 'store', name), { recursive: true, force: true });
  rmSync(join(patient.folder, 'tables'), { recursive: true });
  await patient.json('init', [], 0);
  await patient.json('backup', [], 0);
});

describe.each([['README.txt'], ['restore.html']])('%s', (file) => {
  test.each([harms[0]!, harms[2]!])('%s: written anew', async (_, harm) => {
    const patient = healthy.copy();
    const path = join(patient.folder, 'store', file);
    if (!existsSync(path)) return; // Nothing was built.
    const was = readFileSync(path, 'utf8');
    harm(path);
    expect((await patient.check([], 4)).problems.map(({ object }) => object)).toEqual([file]);
    await patient.repair(0, []);
    expect(readFileSync(path, 'utf8')).toBe(was);
    await patient.check([], 0);
  });
});

describe('a key slot', () => {
  /** The slot that the key file opens: there is a copy of it beside the catalog. */
  const ownSlot = (patient: Patient): string => {
    const copy = readdirSync(join(patient.folder, 'tables/store')).find((name) => name.endsWith('.key'))!;
    return join(patient.folder, 'store/keys', copy);
  };
  const otherSlot = (patient: Patient): string => patient.objects('keys').find((path) => path !== ownSlot(patient))!;

  test.each(harms.slice(1))('of this machine %s: its copy opens the store, and is put back', async (_, harm) => {
    const patient = healthy.copy();
    const slot = ownSlot(patient);
    const was = readFileSync(slot);
    harm(slot);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object)).toEqual([patient.name(slot)]);
    await patient.check(['--objects'], 4);
    expect((await patient.restore('latest', 0)).files).toEqual(patient.second);
    expect(await patient.repair(0, [])).toMatchObject({ ok: true, problems: [] });
    expect(readFileSync(slot)).toEqual(was);
    await patient.json('backup', [], 0);
  });

  test.each([
    ['all', () => {}],
    [
      'all but a backup key',
      async (patient: Patient) => {
        await patient.json('key add', ['--role', 'backup', '--key-file', join(patient.folder, 'backup-key')], 0);
      },
    ],
  ])('%s lost: told, and the own one is put back', async (_, prepare) => {
    const patient = healthy.copy();
    const slot = ownSlot(patient);
    const was = readFileSync(slot);
    const full = patient.objects('keys');
    await prepare(patient);
    for (const path of full) rmSync(path);
    for (const args of [[], ['--read-data']]) {
      const found = await patient.check(args, 4);
      expect(found.problems.map(({ kind, object }) => [kind, object])).toEqual([['missing', patient.name(slot)]]);
    }
    // Who reads is told; who would write is stopped.
    expect((await patient.restore('latest', 3)).files).toEqual(patient.second);
    for (const verb of ['backup', 'key list']) expect((await patient.run(verb)).code).toBe(12);
    const repaired = await patient.repair(0, []);
    expect(repaired).toMatchObject({ ok: true, repaired: [{ object: patient.name(slot) }] });
    expect(readFileSync(slot)).toEqual(was);
    await patient.json('backup', [], 0);
    await patient.check(['--read-data'], 0);
  });

  test('none left: it is said, and nobody is asked for a key file that is there', async () => {
    const patient = healthy.copy();
    for (const path of patient.objects('keys')) rmSync(path);
    for (const verb of ['backup', 'key list', 'catalog rebuild', 'init']) {
      const { code, stderr } = await patient.run(verb);
      expect(code).toBe(12);
      expect(stderr).toMatch(/^error: no key slot is left in the store, .*check --repair.*\n$/);
    }
    expect((await patient.check(['--objects'], 4)).problems).toMatchObject([{ object: 'keys' }]);
  });

  test('none left, nor config.json: both are put back', async () => {
    const patient = healthy.copy();
    const slot = ownSlot(patient);
    for (const path of [...patient.objects('keys'), join(patient.folder, 'store/config.json')]) rmSync(path);
    const { problems } = await patient.check([], 4);
    expect(problems.map(({ object }) => object).sort()).toEqual(['config.json', patient.name(slot)]);
    await patient.repair(0, []);
    await patient.json('backup', [], 0);
    await patient.check(['--objects'], 0);
  });

  test('of this machine deleted: it was removed, as far as anybody can tell; another key opens', async () => {
    const patient = healthy.copy();
    rmSync(ownSlot(patient));
    expect((await patient.run('check')).code).toBe(12);
    expect((await patient.run('check', [], { BACKUP_NINJA_RECOVERY_KEY: recovery })).code).toBe(0);
  });

  test('of another in shreds: named, and set aside', async () => {
    const patient = healthy.copy();
    const slot = otherSlot(patient);
    scramble(slot, 60, 30);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ object }) => object)).toEqual([patient.name(slot)]);
    await patient.repair(4, []);
    await patient.repair(0, []);
    await patient.check([], 0);
  });

  test('with one bit turned: put right', async () => {
    const patient = healthy.copy();
    flip(otherSlot(patient), 100);
    await patient.repair(0, []);
    await patient.check(['--objects'], 0);
    expect((await patient.run('check', [], { BACKUP_NINJA_RECOVERY_KEY: recovery })).code).toBe(0);
  });

  test('exchanged with another: both are put right', async () => {
    const patient = healthy.copy();
    swap(ownSlot(patient), otherSlot(patient));
    expect((await patient.check([], 4)).problems).toHaveLength(2);
    await patient.repair(0, []);
    await patient.check(['--objects'], 0);
    await patient.check([], 0);
  });
});

test('repairing takes the full role', async () => {
  const patient = healthy.copy();
  const key = join(patient.folder, 'restore-key');
  await patient.json('key add', ['--role', 'restore', '--key-file', key], 0);
  const path = join(patient.folder, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, key_path: key, table_dir: './others' }));
  flip(patient.objects('records')[0]!, 100);
  await patient.check([], 4);
  expect((await patient.run('check', ['--repair'])).code).toBe(12);
});
