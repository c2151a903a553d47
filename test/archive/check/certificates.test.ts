import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { filesBelow } from '../../support/files.js';
import { Patient } from './patient.js';

/** Both snapshots are by the key file's key; the recovery key has signed nothing. */
let healthy: Patient;
beforeAll(async () => {
  healthy = await Patient.make();
});

const storeOf = (patient: Patient) => join(patient.folder, 'store');

function loseCertificates(patient: Patient): void {
  for (const path of patient.objects('certs')) rmSync(path);
}

function loseCatalog(patient: Patient): void {
  rmSync(join(patient.folder, 'tables'), { recursive: true });
}

/** Makes another key the one that the config names, with a catalog of its own. */
function useKey(patient: Patient, key: string, more: object = {}): void {
  const path = join(patient.folder, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, key_path: key, table_dir: `./tables of ${key}`, ...more }));
}

/** All is as in a store that was never harmed. */
async function expectHealth(patient: Patient): Promise<void> {
  await patient.check(['--read-data'], 0);
  expect((await patient.snapshots()).map((row) => [row.source, row.foreign])).toEqual([
    ['test', undefined],
    ['test', undefined],
  ]);
  expect((await patient.restore('latest', 0)).files).toEqual(patient.second);
  await patient.json('backup', [], 0);
}

describe('all certificates are gone', () => {
  test('and the catalog has seen them: told by check and backup, and put back', async () => {
    const patient = healthy.copy();
    const was = filesBelow(join(storeOf(patient), 'certs'));
    loseCertificates(patient);
    const found = await patient.check([], 4);
    expect(found.problems.map(({ kind }) => kind)).toEqual(['missing', 'missing']);
    const { code, stderr } = await patient.run('backup');
    expect(code).toBe(3);
    expect(stderr).toMatch(/2 certificate\(s\) are gone .*check --repair/);
    expect(await patient.repair(0)).toMatchObject({ ok: true, problems: [] });
    expect(filesBelow(join(storeOf(patient), 'certs'))).toEqual(was);
    await patient.json('backup', [], 0);
    await patient.check([], 0);
  });

  test('a rebuilt catalog has them from the one before it', async () => {
    const patient = healthy.copy();
    const was = filesBelow(join(storeOf(patient), 'certs'));
    loseCertificates(patient);
    const { code, stderr } = await patient.run('catalog rebuild');
    expect(code).toBe(3);
    expect(stderr).toContain('certificate');
    expect(stderr).not.toContain('may not write');
    await patient.check([], 4);
    await patient.repair(0, []);
    expect(filesBelow(join(storeOf(patient), 'certs'))).toEqual(was);
    await expectHealth(patient);
  });

  test('going on without lost snapshots gives none of them up', async () => {
    const patient = healthy.copy();
    const was = filesBelow(join(storeOf(patient), 'certs'));
    loseCertificates(patient);
    await patient.json('backup', ['--accept-rollback'], 3);
    await patient.repair(0, []);
    expect(filesBelow(join(storeOf(patient), 'certs'))).toEqual(was);
  });

  describe('and so is the catalog', () => {
    test('check tells, nothing is written, and a full key certifies itself anew', async () => {
      const patient = healthy.copy();
      loseCertificates(patient);
      loseCatalog(patient);
      const found = await patient.check([], 4);
      expect(found.problems).toMatchObject([{ kind: 'missing', object: expect.stringMatching(/^certs/) }]);
      expect(found.problems[0]!.message).toContain("'backup-ninja check --repair'");
      const was = filesBelow(storeOf(patient));
      for (const args of [
        ['backup'],
        ['forget', '--keep-last', '1', '--yes'],
        ['prune'],
        ['tag', 'latest', '--add', 'x'],
      ]) {
        const { code, stderr } = await patient.run(args[0]!, args.slice(1));
        expect(code, args.join(' ')).toBe(12);
        expect(stderr).toMatch(/certificate.*check --repair/);
      }
      expect(filesBelow(storeOf(patient))).toEqual(was);
      expect((await patient.run('restore')).stderr).toContain('no certificate');
      const repaired = await patient.repair(0);
      expect(repaired.repaired).toMatchObject([{ kind: 'missing', object: found.problems[0]!.object }]);
      await expectHealth(patient);
      // The recovery key's own is still lost; it does the same for itself.
      const env = { BACKUP_NINJA_RECOVERY_KEY: healthy.recoveryKey };
      rmSync(join(patient.folder, 'key'));
      expect((await patient.run('backup', [], env)).stderr).toContain('lost its certificate');
      await patient.json('check', ['--repair'], 0, env);
      await patient.json('backup', [], 0, env);
    });

    test('with config.json, too', async () => {
      const patient = healthy.copy();
      loseCertificates(patient);
      rmSync(join(patient.folder, 'tables/catalog.db'));
      rmSync(join(storeOf(patient), 'config.json'));
      await patient.repair(0, []);
      await expectHealth(patient);
    });

    test('a key that may only read tells it, too', async () => {
      const patient = healthy.copy();
      await patient.json('key add', ['--role', 'restore', '--key-file', join(patient.folder, 'reader')], 0);
      loseCertificates(patient);
      useKey(patient, 'reader');
      expect((await patient.check([], 4)).problems).toMatchObject([{ object: expect.stringMatching(/^certs/) }]);
    });
  });
});

describe("another key's certificate is gone", () => {
  test('told until it is back; then what that key has written counts again', async () => {
    const patient = healthy.copy();
    const before = new Set(patient.objects('certs'));
    await patient.json(
      'key add',
      ['--role', 'backup', '--key-file', join(patient.folder, 'writer'), '--source', 'w'],
      0,
    );
    const cert = patient.objects('certs').find((path) => !before.has(path))!;
    const config = join(patient.folder, 'config.json');
    const own = readFileSync(config, 'utf8');
    useKey(patient, 'writer', { source: 'w' });
    expect([0, 3]).toContain((await patient.run('backup')).code);
    writeFileSync(config, own);
    const kept = join(patient.folder, 'kept');
    cpSync(cert, kept);
    rmSync(cert);
    loseCatalog(patient);

    const foreign = async () => (await patient.snapshots()).filter((row) => row.foreign).map((row) => row.source);
    for (const args of [[], ['--repair']]) {
      const { problems } = await patient.check(args, 4);
      expect(problems).toMatchObject([{ kind: 'missing', object: expect.stringMatching(/^certs/) }]);
      expect(problems[0]!.message).toContain('copy of the store');
      expect(await foreign()).toEqual(['w']);
    }
    await patient.json('backup', [], 3);
    cpSync(kept, cert);
    await patient.check(['--read-data'], 0);
    expect(await foreign()).toEqual([]);
    expect((await patient.run('restore', ['--source', 'w', '--target', join(patient.folder, 'of w')])).code).toBe(0);
  });
});
