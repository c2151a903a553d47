import './mocks.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { calm, interrupt, interruptionsLeft } from './interruptions.js';
import { Site, X } from './site.js';

let healthy: Site;
let site: Site;

afterEach(() => {
  calm();
  healthy.remove('x again');
});

function fresh(): Site {
  site = healthy.copy();
  return site;
}

describe('a full key', () => {
  beforeAll(async () => {
    healthy = await Site.make('full');
  });

  test('puts its snapshot as pending, then a record that it is complete; to others it counts from then on', async () => {
    const { a, b } = fresh();
    site.write('x again', X);
    const before = await b.snapshots('a');
    interrupt('after', 'put', 'snapshots/', async () => {
      const rows = await b.snapshots('a');
      expect(rows.map(({ pending }) => pending)).toEqual([undefined, undefined, true]);
      // It is no latest, and no rule counts it.
      expect((await b.restore('latest', 'a')).size).toBe(31);
      await b.forget('--keep-last', '2', '--source', 'a');
      expect((await b.snapshots('a')).map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
      await b.prune();
    });
    const { snapshot } = await a.backup();
    expect(interruptionsLeft()).toBe(0);
    expect((await b.snapshots('a')).map(({ id }) => id)).toEqual([...before.map(({ id }) => id), snapshot]);
    await site.expectWhole();
  });

  test('does not say that it is complete while a tombstone cannot be read', async () => {
    const { a, b } = fresh();
    site.write('x again', X);
    let tombstone = '';
    let content: Buffer = Buffer.alloc(0);
    interrupt('before', 'put', 'snapshots/', async () => {
      await site.doom();
      tombstone = join(site.folder, 'store', 'tombstones', site.objects('tombstones')[0]!);
      content = readFileSync(tombstone);
      writeFileSync(tombstone, content.subarray(0, -1));
    });
    const stopped = await a.run('backup', '--soft');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(/a tombstone cannot be read.*tombstones\//);
    writeFileSync(tombstone, content);
    expect((await b.snapshots('a')).at(-1)).toMatchObject({ pending: true });
    await a.backup();
    await site.expectWhole();
  });

  test('copies what it relies on out of packs that were doomed while it scanned', async () => {
    const { a } = fresh();
    site.write('x again', X);
    interrupt('before', 'put', 'snapshots/', () => site.doom());
    const puts = site.objects('snapshots').length;
    await a.backup();
    // Nothing was begun anew: one snapshot came, one was forgotten.
    expect(site.objects('snapshots')).toHaveLength(puts);
    await site.expectWhole();
  });

  test('so that it is there when a pruner deletes them who has not seen the snapshot', async () => {
    const { a, b } = fresh();
    site.write('x again', X);
    let goOn = () => {};
    let pruned: Promise<unknown> = Promise.resolve();
    interrupt('before', 'put', 'snapshots/', async () => {
      await site.doom();
      const hasListed = new Promise<void>((resolve) => {
        // When it opens the store, and then when it begins.
        interrupt('after', 'list', 'snapshots', async () => {});
        interrupt('after', 'list', 'snapshots', async () => {
          resolve();
          await new Promise<void>((go) => {
            goOn = go;
          });
        });
      });
      pruned = b.prune();
      await hasListed;
    });
    const packs = site.objects('packs');
    await a.backup();
    goOn();
    await pruned;
    expect(packs.filter((name) => !site.objects('packs').includes(name))).not.toEqual([]);
    await site.expectWhole();
  });

  test('reads from the disk what was doomed and deleted while it scanned', async () => {
    const { a, b } = fresh();
    site.write('x again', X);
    let first = '';
    interrupt('before', 'put', 'snapshots/', async () => {
      await site.doom();
      expect((await b.prune()).packs_rewritten).toBeGreaterThan(0);
    });
    interrupt('after', 'put', 'snapshots/', async () => {
      first = (await b.snapshots('a')).find(({ pending }) => pending)!.id;
    });
    const { snapshot } = await a.backup();
    expect(interruptionsLeft()).toBe(0);
    expect(first).not.toBe('');
    expect(snapshot).not.toBe(first);
    expect(site.objects('snapshots')).not.toContain(`${first}.snap`);
    await site.expectWhole();
  });

  test('a pruner that sees the pending snapshot moves what it needs, and the writer finds it there', async () => {
    const { a, b } = fresh();
    await site.doom();
    interrupt('after', 'put', 'snapshots/', async () => {
      expect((await b.prune()).packs_rewritten).toBeGreaterThan(0);
    });
    await a.backup();
    await site.expectWhole();
  });

  test('what is carried over out of packs that were doomed before is copied', async () => {
    const { a } = fresh();
    await site.doom();
    const packs = site.objects('packs').length;
    const { bytes } = await a.backup();
    expect(bytes.read).toBe(0);
    expect(site.objects('packs').length).toBeGreaterThan(packs);
    await site.expectWhole();
  });

  test('a snapshot that somebody has forgotten before it was complete is made anew', async () => {
    const { a, b } = fresh();
    site.write('x again', X);
    interrupt('after', 'put', 'snapshots/', async () => {
      const { id } = (await b.snapshots('a')).find(({ pending }) => pending)!;
      await b.forget(id, '--source', 'a');
    });
    const { snapshot } = await a.backup();
    expect((await b.snapshots('a')).at(-1)!.id).toBe(snapshot);
    await site.expectWhole();
  });
});
