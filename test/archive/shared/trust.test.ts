import './mocks.js';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { interrupt, interruptionsLeft } from './interruptions.js';
import { Machine, Site, X } from './site.js';

let healthy: Site;
beforeAll(async () => {
  healthy = await Site.make('backup');
});

/** Has a machine save a file of its own with the content of `x`, which `a` has saved. */
async function saved(site: Site, by: 'a' | 'b', name: string): Promise<number> {
  const path = join(dirname(site.path('')), by, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, X, 'latin1');
  return (await site[by].backup()).bytes.new;
}

test('what a backup key has stored counts for its own runs at once, and for others when a full key has opened it', async () => {
  const site = healthy.copy();
  expect(await saved(site, 'a', 'x again')).toBe(0);
  expect(await saved(site, 'b', 'x of b')).toBe(X.length);
  const other = healthy.copy();
  await other.b.json(0, 'check', '--read-data');
  expect(await saved(other, 'b', 'x of b, later')).toBe(0);
});

test('of two clones that back up at once the second starts a lineage of its own, and all are told', async () => {
  const site = healthy.copy();
  const { folder } = site;
  cpSync(join(folder, 'tables-a'), join(folder, 'tables-c'), { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'a.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'c.json'), JSON.stringify({ ...config, table_dir: './tables-c' }));
  site.write('of a', 'a');
  interrupt('before', 'put', 'snapshots/', async () => {
    site.remove('of a');
    await new Machine(folder, 'c').backup();
  });
  await site.a.backup();
  expect(interruptionsLeft()).toBe(0);
  for (const machine of [site.a, site.b])
    expect((await machine.run('backup', '--soft')).stderr).toMatch(
      /second child of one parent \(a cloned machine\?\): a goes on in two lineages/,
    );
  const rows = await site.b.snapshots('a');
  expect(rows).toHaveLength(5);
  const hasOfA = async ({ id }: { id: string }) => [...(await site.b.restore(id, 'a')).keys()].join().includes('of a');
  expect(await Promise.all(rows.slice(2).map(hasOfA))).toEqual([true, false, false]);
});
