import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { Patient } from './check/patient.js';

/** This machine's source is `test`; another machine, `b`, has saved `of b` to the same store, which this one has not seen. */
let patient: Patient;
let newest: string;
beforeEach(async () => {
  patient = await Patient.make();
  await asOther('backup');
  const rows = JSON.parse((await asOther('snapshots', '--json', '--source', 'b')).stdout) as { id: string }[];
  newest = rows.at(-1)!.id;
});

async function asOther(verb: string, ...args: string[]) {
  const path = join(patient.folder, 'config.json');
  const own = readFileSync(path, 'utf8');
  const tree = join(patient.folder, 'of b');
  cpSync(join(patient.folder, 'tree/deep/er'), tree, { recursive: true });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(own), source: 'b', table_dir: './b', backup_roots: [tree] }));
  const outcome = await patient.run(verb, args);
  writeFileSync(path, own);
  expect(outcome.code, outcome.stderr).toBe(0);
  return outcome;
}

const sources = async (...args: string[]) =>
  (await patient.json<{ source: string }[]>('snapshots', args, 0)).map(({ source }) => source);

describe('what another machine has written to the store', () => {
  test.each([
    ['snapshots', []],
    ['snapshots', ['--source', 'b']],
    ['ls', ['--source', 'b']],
    ['ls', ['NEWEST']],
    ['find', ['noise', '--source', 'b']],
  ])('%s %s shows it', async (verb, args) => {
    const named = args.map((arg) => (arg === 'NEWEST' ? newest : arg));
    expect(JSON.stringify(await patient.json(verb, named, 0))).toContain(verb === 'snapshots' ? newest : 'of b');
    // By now the catalog knows it, whether the store is there or not.
    renameSync(join(patient.folder, 'store'), join(patient.folder, 'away'));
    expect(await sources()).toEqual(['test', 'test', 'b']);
  });

  test('a machine without snapshots of its own is told of all sources', async () => {
    const path = join(patient.folder, 'config.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), source: 'c' }));
    const { code, stderr } = await patient.run('ls');
    expect(code).toBe(2);
    expect(stderr).toContain('b, test');
  });

  test('does not matter to questions about this machine: the store is not even looked at', async () => {
    const before = await patient.json('ls', [], 0);
    // Whatever would open the store would find it broken.
    rmSync(join(patient.folder, 'store/snapshots'), { recursive: true });
    writeFileSync(join(patient.folder, 'store/snapshots'), 'no folder');
    expect(await patient.json('ls', [], 0)).toEqual(before);
    expect(await patient.json<unknown[]>('find', ['noise', '--all'], 0)).toHaveLength(1);
  });

  test.each([
    ['the store is away', () => renameSync(join(patient.folder, 'store'), join(patient.folder, 'away'))],
    ['the key is', () => rmSync(join(patient.folder, 'key'))],
  ])('the catalog answers without it when %s', async (what, harm) => {
    harm();
    expect(await sources()).toEqual(['test', 'test']);
    const { stderr } = await patient.run('snapshots');
    expect(stderr.includes('has snapshots that are not shown')).toBe(what === 'the key is');
  });

  test('is looked for once: afterwards nothing is compared', async () => {
    await patient.json('snapshots', [], 0);
    rmSync(join(patient.folder, 'key'));
    const { code, stderr } = await patient.run('snapshots');
    expect([code, stderr]).toEqual([0, '']);
  });
});
