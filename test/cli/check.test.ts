import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCatalog } from '../../src/catalog/index.js';
import { Machine } from './machine.js';

/** Runs `work` while another run has the catalog. */
async function whileTaken<T>(machine: Machine, work: () => Promise<T>): Promise<T> {
  const { store_id } = await machine.json('init', ['--no-recovery']);
  const outcome = await openCatalog({ dir: machine.tables, storeId: store_id, access: 'write' });
  if (outcome.kind !== 'ok') throw new Error('there is no catalog');
  try {
    return await work();
  } finally {
    outcome.catalog.close();
  }
}

describe('a check beside a run that has the catalog', () => {
  test('compares what that has committed with the store, and writes nothing', async () => {
    const machine = await Machine.make();
    await machine.json('backup');
    const info = await machine.json('info');
    for (const args of [[], ['--read-data']])
      expect(await whileTaken(machine, () => machine.json('check', args))).toMatchObject({ ok: true, packs: 2 });
    expect(readdirSync(machine.tables).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(await machine.json('info')).toEqual(info);
  });

  test('finds that a pack is gone', async () => {
    const machine = await Machine.make();
    machine.write('g', 'x'.repeat(100_000));
    await machine.json('backup');
    for (const pack of [...machine.objects().keys()].filter((path) => path.endsWith('.pack'))) rmSync(pack);
    for (const args of [[], ['--read-data']]) {
      const { problems } = await whileTaken(machine, () => machine.json('check', args, 4));
      expect(problems.flatMap(({ paths }) => paths)).toContain(join(machine.tree, 'f'));
    }
  });
});
