import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Archive } from './archive.js';

const MIB = 1024 * 1024;

/** An archive with 6 MiB to read, and how long a backup of it takes, in seconds. */
async function timed(args: string[], config: object = {}): Promise<{ archive: Archive; seconds: number }> {
  const archive = await Archive.make({ config });
  for (let i = 0; i < 12; i++) writeFileSync(join(archive.tree, `file ${i}`), randomBytes(MIB / 2));
  const start = performance.now();
  const { bytes } = await archive.backup(args);
  const seconds = (performance.now() - start) / 1000;
  expect(bytes.read).toBe(6 * MIB);
  return { archive, seconds };
}

// What an idle worker gets first is an eighth of a batch, 1 MiB; the rest waits until the rate is kept again.
test('--limit-read keeps its rate, and what was read slowly is whole', async () => {
  const { archive, seconds } = await timed(['--limit-read', '512KiB']);
  expect(seconds).toBeGreaterThan(2);
  await archive.checkAll();
});

test('so does limit_read of the config; the option comes before it', async () => {
  expect((await timed([], { limit_read: '512KiB' })).seconds).toBeGreaterThan(2);
  expect((await timed(['--limit-read', '1GiB'], { limit_read: 1 })).seconds).toBeLessThan(30);
});

test('a limit of nothing is refused before anything is written', async () => {
  const archive = await Archive.make();
  const { code, stderr } = await archive.run(['backup', '--limit-upload', '0']);
  expect(code).toBe(2);
  expect(stderr).toMatch(/--limit-upload: expected more than 0 bytes/);
});
