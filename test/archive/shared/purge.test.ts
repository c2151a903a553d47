import './mocks.js';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { calm, dies, interrupt } from './interruptions.js';
import { Site } from './site.js';

let healthy: Site;
beforeAll(async () => {
  healthy = await Site.make('full');
});
afterEach(() => {
  calm();
});

describe('a purge in a shared store', () => {
  test('says of each copy that it is complete before the original goes', async () => {
    const site = healthy.copy();
    const [first] = await site.b.snapshots('a');
    interrupt('after', 'put', 'snapshots/', async () => {
      // Pending copies replace nothing.
      const rows = await site.b.snapshots('a');
      expect(rows.map(({ id }) => id)).toContain(first!.id);
      expect(rows.filter(({ pending }) => pending)).toHaveLength(1);
      await site.b.prune();
    });
    await site.a.json(0, 'purge', site.path('x'), '--yes');
    const rows = await site.b.snapshots('a');
    expect(rows).toHaveLength(2);
    expect(rows.map(({ id }) => id)).not.toContain(first!.id);
    expect((await site.b.restore(rows[0]!.id, 'a')).size).toBe(31);
    await site.expectWhole();
  });

  test('does not bring back what another machine forgets meanwhile', async () => {
    const site = healthy.copy();
    const [first, second] = await site.b.snapshots('a');
    interrupt('before', 'put', 'snapshots/', async () => {
      await site.doom();
      await site.b.prune();
    });
    const stopped = await site.a.run('purge', site.path('x'), '--yes');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain('run it again');
    expect((await site.b.snapshots('a')).map(({ id }) => id)).toEqual([second!.id]);
    expect(site.objects('snapshots').join()).not.toContain(first!.id);
    await site.a.backup();
    await site.expectWhole();
  });

  test.each([[3], [4], [5], [6], [7]])('killed after write %i is finished by the next', async (n) => {
    const site = healthy.copy();
    expect(await dies(n, () => site.a.run('purge', site.path('x'), '--yes'))).toBe(true);
    await site.b.prune();
    await site.a.json(0, 'purge', site.path('x'), '--yes');
    const rows = await site.b.snapshots('a');
    expect(rows).toHaveLength(2);
    for (const { id } of rows) expect((await site.b.restore(id, 'a')).size).toBe(31);
    await site.expectWhole();
  });
});
