import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { filesBelow } from '../support/files.js';
import { Patient } from './check/patient.js';

/** Stands for the id of the newest snapshot. */
const NEWEST = 'NEWEST';

let healthy: Patient;
let newest: string;
beforeAll(async () => {
  healthy = await Patient.make();
  newest = (await healthy.snapshots()).at(-1)!.id;
});

/** A store with a backup key for some sources, and a config that uses it, with a catalog of its own. */
async function withBackupKey(source: string, ...sources: string[]): Promise<{ patient: Patient; slot: string }> {
  const patient = healthy.copy();
  const named = sources.flatMap((name) => ['--source', name]);
  const args = ['--role', 'backup', '--key-file', join(patient.folder, 'writer'), ...named];
  const { id } = await patient.json<{ id: string }>('key add', args, 0);
  const path = join(patient.folder, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, source, key_path: './writer', table_dir: './writer tables' }));
  return { patient, slot: id };
}

describe('a backup key', () => {
  test.each([
    ['nas', ['nas']],
    ['web', ['nas', 'web']],
  ])('writes %s, which its certificate names', async (source, sources) => {
    const { patient } = await withBackupKey(source, ...sources);
    expect([0, 3]).toContain((await patient.run('backup')).code);
    expect(readdirSync(join(patient.folder, 'store/snapshots'))).toHaveLength(3);
  });

  test.each([
    ['a backup', ['backup']],
    ['a dry run', ['backup', '--dry-run']],
    ['a backup that goes on without lost snapshots', ['backup', '--accept-rollback']],
    ["a tag of another's snapshot", ['tag', NEWEST, '--add', 'x', '--source', 'test']],
  ])('refuses %s of a source that its certificate does not name: nothing is written', async (_, [verb, ...args]) => {
    const { patient } = await withBackupKey('web', 'nas', 'mail');
    const was = filesBelow(join(patient.folder, 'store'));
    const { code, stderr } = await patient.run(
      verb!,
      args.map((arg) => (arg === NEWEST ? newest : arg)),
    );
    const source = verb === 'tag' ? 'test' : 'web';
    expect(code, stderr).toBe(12);
    expect(stderr.split('\n').filter((line) => line.startsWith('error:'))).toHaveLength(1);
    expect(stderr).toContain(`may write backups of mail, nas only, not of ${source}`);
    expect(stderr).toContain(`key add --role backup --source ${source}`);
    expect(filesBelow(join(patient.folder, 'store'))).toEqual(was);
  });

  test('that was removed writes nothing, even where its slot has come back', async () => {
    const { patient, slot } = await withBackupKey('nas', 'nas');
    const own = join(patient.folder, 'config.json');
    const config = readFileSync(own, 'utf8');
    const file = join(patient.folder, 'store/keys', `${slot}.key`);
    cpSync(file, join(patient.folder, 'slot'));
    writeFileSync(own, JSON.stringify({ ...JSON.parse(config), key_path: './key', table_dir: './tables' }));
    await patient.json('key remove', [slot, '--yes'], 0);
    cpSync(join(patient.folder, 'slot'), file);
    writeFileSync(own, config);
    const { code, stderr } = await patient.run('backup');
    expect(code).toBe(12);
    expect(stderr).toContain('was removed from the store');
    expect(readdirSync(join(patient.folder, 'store/snapshots'))).toHaveLength(2);
  });
});
