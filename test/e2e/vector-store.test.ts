import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openPortableStore, type PortableEntry, type PortableStore, type Secret } from '../../src/portable/index.js';
import { folderFiles } from '../../src/portable/node.js';
import { Archive } from './archive.js';
import { temporaryFolder } from './cli.js';
import { pictureOf } from './compare.js';

/**
 * A store that an earlier version has written (scripts/make-vectors.mjs), with its secrets and what it holds. Every later
 * version must read it: never make it anew because a test of it fails.
 */
const top = fileURLToPath(new URL('../vectors/store', import.meta.url));
const read = (name: string) => readFileSync(join(top, name));
const expected = JSON.parse(read('expected.json').toString()) as {
  root: string;
  snapshots: { id: string; entries: Expected[] }[];
};
const secrets = JSON.parse(read('secrets.json').toString()) as { recoveryKey: string; passphrase: string };

interface Expected {
  /** Hex digits. */
  path: string;
  type: 'dir' | 'file' | 'symlink';
  mode: number;
  mtime: string;
  size?: number;
  sha256?: string;
  target?: string;
}

async function describeEntry(store: PortableStore, entry: PortableEntry): Promise<Expected> {
  const path = Buffer.from(`/${entry.key.replaceAll('\0', '/')}`, 'latin1').toString('hex');
  const plain = { path, type: entry.type as Expected['type'], mode: entry.mode, mtime: String(entry.mtime) };
  if (entry.target) return { ...plain, target: Buffer.from(entry.target).toString('hex') };
  if (entry.type !== 'file') return plain;
  const hash = createHash('sha256');
  for await (const bytes of store.content(entry)) hash.update(bytes);
  return { ...plain, size: entry.size, sha256: hash.digest('hex') };
}

describe('a store of an earlier version', () => {
  it.each<[string, Secret]>([
    ['key file', { kind: 'key-file', content: read('key') }],
    ['recovery key', { kind: 'recovery', text: secrets.recoveryKey }],
    ['passphrase', { kind: 'passphrase', text: secrets.passphrase }],
  ])('is read by the portable reader with its %s', async (_, secret) => {
    const store = await openPortableStore(folderFiles(join(top, 'store')), secret);
    const snapshots = await store.snapshots();
    expect(store.problems).toEqual([]);
    expect(snapshots.map(({ name, state }) => [name, state])).toEqual(
      expected.snapshots.map(({ id }) => [id, 'counts']),
    );
    expect(snapshots.map(({ tags }) => tags)).toEqual([[], ['pin']]);
    const key = expected.root.slice(1).replaceAll('/', '\0');
    for (const [i, snapshot] of snapshots.entries()) {
      const found: Expected[] = [];
      for await (const entry of store.entries(snapshot, { from: key, before: `${key}\x01` }))
        found.push(await describeEntry(store, entry));
      const inOrder = (list: Expected[]) => [...list].sort((a, b) => (a.path < b.path ? -1 : 1));
      expect(inOrder(found)).toEqual(inOrder(expected.snapshots[i].entries));
    }
  });

  it('is read by the program, after rebuilding the catalog', async () => {
    const folder = temporaryFolder();
    const store = join(folder, 'store');
    cpSync(join(top, 'store'), store, { recursive: true });
    const archive = new Archive({ folder, store, config: { source: 'vectors' } });
    cpSync(join(top, 'key'), archive.key);
    // It has no README.txt and restore.html: they are written anew.
    await archive.json('check', ['--repair']);
    await archive.checkAll();
    for (const { id, entries } of expected.snapshots) {
      const target = join(folder, id);
      await archive.json('restore', ['--target', target, '--snapshot', id]);
      const picture = pictureOf(join(target, expected.root), { without: ['owner', 'links', 'xattrs'] });
      const lines = entries.map((entry) => {
        const path = Buffer.from(entry.path, 'hex')
          .latin1Slice()
          .slice(expected.root.length + 1);
        const parts = [`type ${{ dir: 4, file: 8, symlink: 10 }[entry.type]}`];
        if (entry.type !== 'symlink') parts.push(`mode ${entry.mode.toString(8)}`);
        parts.push(`mtime ${entry.mtime}`);
        if (entry.sha256 !== undefined) parts.push(`size ${entry.size}`, `sha256 ${entry.sha256}`);
        if (entry.target !== undefined) parts.push(`target ${Buffer.from(entry.target, 'hex').latin1Slice()}`);
        return [path, parts.join(', ')] as const;
      });
      expect(Object.fromEntries(picture)).toEqual(Object.fromEntries(lines));
    }
  });
});
