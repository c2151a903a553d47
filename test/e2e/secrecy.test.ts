import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Archive, filesBelow } from './archive.js';
import { lines, noise } from './trees.js';

describe('what the store tells those without a key', () => {
  let archive: Archive;
  const sizes: number[] = [];
  const secrets: Record<string, string> = {
    'a content': 'PLAINTEXT-MARKER-OF-CONTENT',
    'a file name': 'marker-of-file-name',
    'a folder name': 'marker-of-folder-name',
    'a link target': 'marker-of-link-target',
    'a source': 'marker-of-source',
    'a tag': 'marker-of-tag',
  };

  beforeAll(async () => {
    archive = await Archive.make({ config: {} });
    archive.configure({ backup_roots: [archive.tree], source: secrets['a source'] });
    for (let i = 0; i < 60; i++) {
      const folder = join(archive.tree, `${secrets['a folder name']} ${i % 5}`);
      mkdirSync(folder, { recursive: true });
      const size = 150_000 + 7_919 * i;
      // Half of them compress, half do not; each has the marker in clear.
      const body = i % 2 === 0 ? Buffer.from(lines(size, `${i}`)) : noise(size, `${i}`);
      body.write(secrets['a content']!, 100);
      writeFileSync(join(folder, `${secrets['a file name']} ${i}`), body);
      sizes.push(size);
    }
    await archive.backup(['--tag', secrets['a tag']!]);
    await archive.backup(['--full']);
  }, 60_000);

  test.each(Object.keys(secrets))('not %s', (what) => {
    const found = filesBelow(archive.store).filter((file) => contains(file, secrets[what]!));
    expect(found).toEqual([]);
  });

  test('nor any path, nor key', () => {
    const keyText = readFileSync(archive.key, 'utf8').trim();
    const key = Buffer.from(keyText, 'base64url');
    expect(key.length).toBe(32);
    for (const file of filesBelow(archive.store)) {
      const bytes = readFileSync(file);
      for (const secret of [keyText, key, archive.recoveryKey.split('-')[0]!, archive.tree, archive.folder])
        expect(bytes.includes(secret), `${file} has ${secret}`).toBe(false);
    }
  });

  test('not the sizes of files', () => {
    const objects = filesBelow(archive.store).map((file) => statSync(file).size);
    expect(objects.length).toBeLessThan(sizes.length / 3);
    for (const size of sizes)
      for (const object of objects) expect(Math.abs(object - size), `a file of ${size} bytes`).toBeGreaterThan(100);
  });

  test('the catalog, which is in clear, and the key are for their owner only', () => {
    for (const path of [archive.tables, archive.store]) expect(statSync(path).mode & 0o077, path).toBe(0);
    for (const path of [archive.key, ...filesBelow(archive.tables)]) expect(statSync(path).mode & 0o077, path).toBe(0);
  });
});

function contains(file: string, text: string): boolean {
  const bytes = readFileSync(file);
  return bytes.includes(text) || file.includes(text) || bytes.includes(Buffer.from(text, 'utf16le'));
}
