import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generate } from '../../legacy/generate.js';
import { Setup } from './setup.js';

/** The program as it was built: what is killed must be a process. */
const PROGRAM = join(import.meta.dirname, '../../../dist/src/cli/main.cjs');

test('a killed import is finished by the next', async () => {
  const setup = await Setup.make('/d');
  const files: Parameters<typeof generate>[2][number]['files'] = {};
  for (let i = 0; i < 300; i++) files[`/d/${i}`] = { content: randomBytes(20_000) };
  const made = generate(
    join(setup.dir, 'old'),
    ['/d'],
    [
      { time: '2019-05-01T10:00:00Z', files },
      { time: '2020-05-01T10:00:00Z', files: { ...files, '/d/0': { content: Buffer.from('new') } } },
    ],
  );
  // Killed while contents lie decrypted, then once a snapshot is in the store.
  for (const folder of [join(setup.dir, 'table'), join(setup.dir, 'store', 'snapshots')]) {
    const env = { ...process.env, ...setup.env };
    const child = spawn(process.execPath, [PROGRAM, 'import', made.config], { env, stdio: 'ignore' });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const isReached = () =>
      readdirSync(folder, { recursive: true }).some((name) => /import-.*\/|\.snap$/.test(String(name)));
    while (child.exitCode === null && !isReached()) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(isReached()).toBe(true);
    child.kill('SIGKILL');
    await gone;
  }
  expect((await setup.run('import', made.config)).code).toBe(0);
  expect(Object.keys(await setup.restore('--snapshot', '2019-12-31'))).toHaveLength(300);
  expect(await setup.versions('/d/0')).toHaveLength(2);
  expect(await setup.json(0, 'snapshots')).toHaveLength(2);
  expect(await setup.json(0, 'check', '--read-data')).toMatchObject({ ok: true });
  expect(setup.leftovers()).toEqual([]);
});
