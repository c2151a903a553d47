import { beforeAll, expect, test } from 'vitest';
import { Site } from './site.js';

let settled: Site;
beforeAll(async () => {
  settled = await Site.make('backup');
});

test('its newest snapshot forgotten by another machine: everything is read again, after saying so', async () => {
  const site = settled.copy();
  const newest = (await site.b.snapshots('a')).at(-1)!;
  await site.b.forget(newest.id, '--source', 'a');
  const { code, stdout, stderr } = await site.a.run('backup', '--soft', '--json');
  expect(code, stderr).toBe(0);
  expect(stderr.match(/everything is read again/g)).toHaveLength(1);
  expect(JSON.parse(stdout).files).toMatchObject({ new: site.disk.size, unchanged: 0 });
  // It goes on from that, in the line of what is left.
  const { files } = await site.a.backup();
  expect(files).toMatchObject({ new: 0, changed: 0, unchanged: site.disk.size });
  expect((await site.b.run('check')).stderr).not.toContain('second child');
  expect(await site.b.snapshots('a')).toHaveLength(3);
  await site.expectWhole();
});
