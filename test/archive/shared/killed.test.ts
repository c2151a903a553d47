import './mocks.js';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { calm, dies, interrupt } from './interruptions.js';
import { Site, X } from './site.js';

let healthy: Site;
beforeAll(async () => {
  healthy = await Site.make('full');
});
afterEach(() => {
  calm();
  healthy.remove('x again');
});

describe('a backup killed after any of its writes', () => {
  test.each([[2], [3], [4]])('%i: the next one goes on, whatever was pruned in between', async (n) => {
    const site = healthy.copy();
    site.write('x again', X);
    expect(await dies(n, () => site.a.run('backup', '--soft'))).toBe(true);
    await site.doom();
    await site.b.prune();
    const { snapshot } = await site.a.backup();
    expect((await site.b.snapshots('a')).at(-1)!.id).toBe(snapshot);
    await site.expectWhole();
  });

  test('its pending snapshot is finished by the next run, where all it needs is there', async () => {
    const site = healthy.copy();
    site.write('x again', X);
    interrupt('after', 'put', 'snapshots/', async () => {
      throw new Error('killed');
    });
    await site.a.run('backup', '--soft');
    const before = await site.b.snapshots('a');
    expect(before.map(({ pending }) => pending)).toEqual([undefined, undefined, true]);
    await site.a.backup();
    const after = await site.b.snapshots('a');
    expect(after.map(({ pending }) => pending)).toEqual([undefined, undefined, undefined, undefined]);
    expect(after[2]!.id).toBe(before[2]!.id);
    expect((await site.b.restore(after[2]!.id, 'a')).size).toBe(32);
    await site.expectWhole();
  });

  test('else it is dropped, and what it lacked is read from the disk', async () => {
    const site = healthy.copy();
    site.write('x again', X);
    interrupt('before', 'put', 'snapshots/', async () => {
      await site.doom();
      await site.b.prune();
    });
    interrupt('after', 'put', 'snapshots/', async () => {
      throw new Error('killed');
    });
    await site.a.run('backup', '--soft');
    const pending = (await site.b.snapshots('a')).at(-1)!;
    expect(pending.pending).toBe(true);
    const { snapshot } = await site.a.backup();
    const rows = await site.b.snapshots('a');
    expect(rows.map(({ id }) => id)).not.toContain(pending.id);
    expect(rows.at(-1)!.id).toBe(snapshot);
    await site.expectWhole();
  });

  test('while its listing cannot be read nothing is pruned, and prune names it', async () => {
    const site = healthy.copy();
    site.write('x again', X);
    const old = new Set(site.objects('packs'));
    interrupt('after', 'put', 'snapshots/', async () => {
      throw new Error('killed');
    });
    await site.a.run('backup', '--soft');
    const { id } = (await site.b.snapshots('a')).at(-1)!;
    const [pack] = site.objects('packs').filter((name) => !old.has(name));
    rmSync(join(site.folder, 'store/packs', pack!.slice(0, 2), pack!));
    const stopped = await site.b.run('prune', '--grace', '0s');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain(id.slice(0, 8));
    expect(stopped.stderr).toContain('was not completed');
    // Its source's next run sees to it.
    await site.a.backup();
    await site.expectWhole();
  });
});
