import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HistoryResult } from '../../../src/archive/types.js';
import { Site } from './site.js';

test('what takes the place of a forgotten snapshot goes on in its lineage, in every catalog', async () => {
  const site = await Site.make('full');
  const { a, b } = site;
  const backups = async (...contents: string[]) => {
    for (const content of contents) {
      site.write('changing', content);
      await a.backup();
    }
  };
  await backups('1', '22');
  await b.backup();
  await a.forget('latest');
  await backups('333', '4444');

  // A second child of one parent would be worth a warning: exit 3.
  await b.backup();
  const sizes = async () => {
    const history = await b.json<HistoryResult>(0, 'history', site.path('changing'), '--source', 'a');
    return history.versions.map(({ size }) => size);
  };
  expect(await sizes()).toEqual([1, 3, 4]);
  const snapshots = await b.snapshots('a');
  rmSync(join(site.folder, 'tables-b'), { recursive: true });
  expect(await b.snapshots('a')).toEqual(snapshots);
  expect(await sizes()).toEqual([1, 3, 4]);
  await site.expectWhole();
});
