import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backup } from '../../src/archive/backup.js';
import { openCatalogAlone } from '../../src/archive/repository.js';
import { Lab } from './forgetting/lab.js';

const none = { roots: [], tags: [], exclude: [], acceptEmpty: [] };

test('a backup notes that the store has its snapshot by now', async () => {
  const lab = await Lab.make();
  try {
    mkdirSync(join(lab.folder, 'data'));
    writeFileSync(join(lab.folder, 'data', 'file'), 'content');
    await backup(lab.context(), { ...none, hardRemove: false, acceptRollback: false, dryRun: false, mode: 'soft' });
    const catalog = (await openCatalogAlone(lab.context()))!;
    const waited = catalog.snapshots.all().map(({ time, received }) => Number((received ?? 0n) - time) / 1e9);
    catalog.close();
    expect(waited).toHaveLength(1);
    expect(waited[0]).toBeGreaterThan(-1);
    expect(waited[0]).toBeLessThan(60);
  } finally {
    lab.remove();
  }
});
