import './mocks.js';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { calm, denyDeleting, interrupt } from './interruptions.js';
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

describe('a key that only adds', () => {
  beforeAll(async () => {
    healthy = await Site.make('backup');
  });

  test('reads from the disk what was doomed while it scanned', async () => {
    const { a } = fresh();
    site.write('x again', X);
    interrupt('before', 'put', 'snapshots/', () => site.doom());
    const { snapshot } = await a.backup();
    expect(site.objects('snapshots')).toContain(`${snapshot}.snap`);
    await site.expectWhole();
  });

  test('and what was doomed before', async () => {
    const { a } = fresh();
    await site.doom();
    const { bytes } = await a.backup();
    expect(bytes.read).toBeGreaterThan(60_000);
    await site.expectWhole();
  });

  test('a snapshot that it may not take back stays pending, counts for nothing, and is told', async () => {
    const { a, b } = fresh();
    site.write('x again', X);
    interrupt('before', 'put', 'snapshots/', async () => {
      await site.doom();
      denyDeleting(true);
    });
    const outcome = await a.run('backup', '--soft');
    denyDeleting(false);
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toMatch(/was not completed, and may not be deleted/);
    const left = (await b.snapshots('a')).filter(({ pending }) => pending);
    expect(left).toHaveLength(1);
    // The next run may delete it.
    await a.backup();
    await site.expectWhole();
  });
});
