import './mocks.js';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { putSnapshot, settlePut } from '../../../src/archive/forgetting/put-snapshot.js';
import { workshopOf } from '../../../src/archive/forgetting/workshop.js';
import { snapshotBody } from '../../../src/archive/reconcile.js';
import { openRepository } from '../../../src/archive/repository.js';
import type { SnapshotRow } from '../../../src/catalog/index.js';
import { sealTombstone } from '../../../src/format/record.js';
import { objectPath } from '../../../src/store/index.js';
import { contextOf } from '../check/context.js';
import { Machine, Site } from './site.js';

let healthy: Site;
beforeAll(async () => {
  healthy = await Site.make('full');
});

test('of two that are settled one after the other, the second is not taken for whole either', async () => {
  const site = healthy.copy();
  const repository = await openRepository(await contextOf(site.folder, 'a.json'), {
    command: 'test',
    lock: 'shared',
    catalog: 'write',
  });
  try {
    const shop = workshopOf(repository);
    const copy = (row: SnapshotRow) => {
      const { seq, parent, time, started, mode, listing } = row;
      const order = { source: 'a', sequence: seq, parent: parent ?? null, replaces: [] };
      const made = { catalogId: repository.catalog.id, started, time, mode, kind: 'taken' as const };
      return putSnapshot(shop, { ...order, ...made, listing: listing! }, snapshotBody(row)!);
    };
    const [first, second] = repository.catalog.snapshots.all('a');
    await site.doom();
    await site.b.prune();
    const copies = [await copy(second!), await copy(first!)];
    // All that the one needs, the pruner has moved; of the other, `x` is gone.
    await settlePut(shop, [copies[0]!]);
    await expect(settlePut(shop, [copies[1]!])).rejects.toThrow(/run it again/);
    const listed = site.objects('snapshots');
    expect(listed).toContain(`${copies[0]!.name}.snap`);
    expect(listed).not.toContain(`${copies[1]!.name}.snap`);
  } finally {
    await repository.close();
  }
});

test('what lies in packs that nobody dooms is left there, though no full key has opened them', async () => {
  const site = await Site.make('backup');
  const repository = await openRepository(await contextOf(site.folder, 'b.json'), {
    command: 'test',
    lock: 'shared',
    catalog: 'write',
  });
  const own = repository.keyring.signer();
  const { catalog, keyring, store } = repository;
  const packs = catalog.packs.all().filter(({ kind, writer }) => kind === 'data' && writer === own);
  const { name, bytes } = sealTombstone(keyring, { time: 1n, packs: packs.map((pack) => pack.name) });
  await store.put(objectPath('tombstones', name), bytes);
  const path = (pack: string) => join(site.folder, 'store', objectPath('packs', pack));
  const size = () => site.objects('packs').reduce((sum, file) => sum + statSync(path(file.slice(0, 64))).size, 0);
  await repository.close();
  // Another machine goes on with the source, with a full key.
  const tables = { table_dir: './tables-c', file_dir: './store', key_path: './key-b', restore_dir: './restored' };
  const config = { ...tables, source: 'a', backup_roots: [site.path('')] };
  writeFileSync(join(site.folder, 'c.json'), JSON.stringify(config));
  const before = size();
  const { files } = await new Machine(site.folder, 'c').backup();
  expect(files).toMatchObject({ new: 0, changed: 0, unchanged: 31 });
  expect(size() - before).toBeLessThan(30_000);
  await site.expectWhole();
});
