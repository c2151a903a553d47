import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeKeyFile } from '../../src/crypto/key-file.js';
import { type Entry, EntryType } from '../../src/format/entry.js';
import { openPortableStore } from '../../src/portable/index.js';
import { folderFiles, restoreSnapshot } from '../../src/portable/node.js';
import { entryOf, Gatherer, StoreMaker } from './store-maker.js';

const SECRET = new Uint8Array(32).fill(3);
const scratch = mkdtempSync(join(tmpdir(), 'portable-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A store in a directory that holds these entries. */
async function storeOf(name: string, make: (g: Gatherer) => Entry[]) {
  const maker = new StoreMaker();
  await maker.slot({ method: 'key-file', bytes: SECRET });
  const g = new Gatherer(maker);
  const entries = make(g).sort((a, b) => (a.key < b.key ? -1 : 1));
  const listing = g.listing(entries);
  maker.index(g.packs());
  maker.snapshot({ listing });
  const root = join(scratch, name);
  for (const [path, bytes] of maker.files.map) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  writeFileSync(join(root, 'packs', 'foreign'), '');
  const store = await openPortableStore(folderFiles(root), { kind: 'key-file', content: encodeKeyFile(SECRET) });
  const [snapshot] = await store.snapshots();
  return { store, snapshot };
}

const text = (g: Gatherer, key: string, content: string, change: Partial<Entry> = {}) =>
  entryOf(key, { type: EntryType.file, mode: 0o640, ...g.content([Buffer.from(content)]), ...change });

describe('restoring on bare Node', () => {
  let target: string;

  beforeAll(() => {
    target = join(scratch, 'target');
  });

  it('makes directories, files and symlinks with their modes and times', async () => {
    const { store, snapshot } = await storeOf('plain', (g) => [
      entryOf('home', { mode: 0o750, mtimeSec: 1_000_000, mtimeNsec: 0 }),
      entryOf('home\0x', { mode: 0o500 }),
      text(g, 'home\0x\0f', 'hello', { mode: 0o400, mtimeSec: -10, mtimeNsec: 500_000_000 }),
      entryOf('home\0x\0l', { type: EntryType.symlink, target: '../nowhere' }),
      text(g, 'home\0x\0\xff', 'bytes'),
      text(g, 'C:\0Users\0u', 'windows'),
      text(g, 'orphan\0of\0directories', 'o'),
    ]);
    const result = await restoreSnapshot(store, snapshot, target);
    expect(result.errors).toEqual([]);
    expect(result).toMatchObject({ files: 4, bytes: 18 });
    const at = (path: string) => join(target, path);
    expect(readFileSync(at('home/x/f'), 'utf8')).toBe('hello');
    expect(statSync(at('home/x/f')).mode & 0o7777).toBe(0o400);
    expect(statSync(at('home/x/f')).mtimeMs).toBe(-9500);
    expect(statSync(at('home')).mtimeMs).toBe(1e9);
    expect(statSync(at('home')).mode & 0o777).toBe(0o750);
    expect(readlinkSync(at('home/x/l'))).toBe('../nowhere');
    expect(lstatSync(at('home/x/l')).mtimeMs).toBe(1_700_000_000_500);
    expect(readFileSync(Buffer.concat([Buffer.from(`${at('home/x/')}`), Buffer.from([0xff])]), 'utf8')).toBe('bytes');
    expect(readFileSync(at('C_/Users/u'), 'utf8')).toBe('windows');
    expect(readFileSync(at('orphan/of/directories'), 'utf8')).toBe('o');
  });

  it('writes into an empty directory only', async () => {
    const { store, snapshot } = await storeOf('again', (g) => [text(g, 'f', 'x')]);
    await expect(restoreSnapshot(store, snapshot, target)).rejects.toThrow(/not empty/);
  });

  it('leads nowhere else, whatever the entries say', async () => {
    const inside = join(scratch, 'inside', 'target');
    const { store, snapshot } = await storeOf('hostile', (g) => [
      text(g, '..\0escaped1', 'x'),
      text(g, 'a\0..\0..\0escaped2', 'x'),
      text(g, 'a\0b/../../escaped3', 'x'),
      text(g, '.\0f', 'x'),
      text(g, 'a\0\0f', 'x'),
      entryOf('link', { type: EntryType.symlink, target: scratch }),
      entryOf('link\0dir'),
      text(g, 'link\0dir\0escaped4', 'x'),
      text(g, 'good', 'x'),
    ]);
    const result = await restoreSnapshot(store, snapshot, inside);
    expect(result.errors.map(({ path }) => path)).toEqual([
      '/./f',
      '/../escaped1',
      '/a//f',
      '/a/../../escaped2',
      '/a/b/../../escaped3',
      '/link',
    ]);
    expect(readFileSync(join(inside, 'good'), 'utf8')).toBe('x');
    for (const name of ['escaped1', 'escaped2', 'escaped3', 'dir'])
      for (const folder of [scratch, join(scratch, 'inside')]) expect(existsSync(join(folder, name))).toBe(false);
    expect(lstatSync(join(inside, 'link')).isDirectory()).toBe(true);
  });
});
