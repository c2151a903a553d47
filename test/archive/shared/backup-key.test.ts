import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
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

/** Ways in which it comes to know no active state. */
const oblivions: [string, (site: Site) => Promise<void>][] = [
  ['its catalog lost', async ({ folder }) => rmSync(join(folder, 'tables-a'), { recursive: true })],
  [
    'something purged by another machine',
    async (site) => {
      await site.b.json(0, 'purge', site.path('y'), '--source', 'a', '--yes', '--no-prune');
    },
  ],
];

describe.each(oblivions)('%s', (_, forget) => {
  test.each([
    ['missing', () => undefined],
    ['empty', (root: string) => mkdirSync(root)],
  ])('a root that is %s: it could not be carried over, which is said each time', async (what, leave) => {
    const site = settled.copy();
    const root = site.path('');
    const away = `${root}.away`;
    await forget(site);
    renameSync(root, away);
    try {
      leave(root);
      for (let run = 0; run < 2; run++) {
        const { errors } = await site.a.backup(3);
        const message = expect.stringMatching(new RegExp(`is ${what}.*could not be carried over`));
        expect(errors).toEqual([{ path: root, message }]);
      }
      const { errors } = await site.a.json<{ errors: object[] }>(0, 'backup', '--accept-empty', root);
      expect(errors).toEqual([]);
    } finally {
      rmSync(root, { recursive: true, force: true });
      renameSync(away, root);
    }
    const { files } = await site.a.backup();
    expect(files.new).toBe(site.disk.size);
    // All in one line: nobody takes it for a second machine of that name.
    const { code, stderr } = await site.b.run('check');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await site.b.snapshots('a')).toHaveLength(6);
    await site.expectWhole();
  });
});
