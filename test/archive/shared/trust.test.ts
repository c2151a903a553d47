import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Site, X } from './site.js';

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
