import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** What each folder of src may import from, besides itself, errors.ts and bytes.ts, which are everybody's. */
const MAY: Record<string, string[]> = {
  cli: ['archive', 'config', 'platform', 'report', 'version'],
  archive: [
    ...['scan', 'catalog', 'store', 'format', 'crypto', 'chunk', 'platform'],
    ...['config', 'report', 'legacy', 'version'],
  ],
  scan: ['platform', 'format', 'config'],
  catalog: ['format', 'platform'],
  store: ['platform'],
  format: ['crypto', 'chunk'],
  // Node's OpenSSL, called directly.
  crypto: ['platform'],
  chunk: [],
  platform: [],
  config: ['platform'],
  report: [],
  legacy: ['platform', 'config', 'report', 'crypto'],
  portable: [],
};

/** Packages that one folder alone may know. */
const OWNED: Record<string, string[]> = {
  'better-sqlite3': ['catalog'],
  koffi: ['platform'],
  // The portable reader is a second implementation, which shares nothing.
  '@noble/ciphers': ['crypto', 'portable'],
  '@noble/curves': ['crypto', 'portable'],
  '@napi-rs/blake-hash': ['crypto'],
  'zstd-napi': ['format'],
  commander: ['cli'],
};

const IMPORT = /^\s*(?:import|export)\b[^;]*?\bfrom\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

interface Import {
  file: string;
  folder: string;
  of: string;
}

function imports(): Import[] {
  const found: Import[] = [];
  for (const entry of readdirSync(SRC, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const file = relative(SRC, path);
    if (file.startsWith('chunk/assembly/') || file.startsWith('portable/page/')) continue;
    const text = readFileSync(path, 'utf8');
    for (const match of text.matchAll(IMPORT))
      found.push({ file, folder: file.includes('/') ? file.split('/')[0]! : '', of: match[1] ?? match[2]! });
  }
  return found;
}

/** The folder of src that a relative import leads to, or the name of a file at its top. */
function target({ file, of }: Import): string {
  return relative(SRC, resolve(SRC, file, '..', of))
    .split('/')[0]!
    .replace(/\.js$/, '');
}

describe('imports between the folders of src', () => {
  const all = imports();

  test('are found', () => expect(all.length).toBeGreaterThan(500));

  test('point one way', () => {
    const wrong = all.filter((one) => {
      if (!one.of.startsWith('.') || one.folder === '') return false;
      const to = target(one);
      if (to === one.folder) return false;
      if (one.folder !== 'portable' && ['errors', 'bytes', 'lazily'].includes(to)) return false;
      return !MAY[one.folder]?.includes(to);
    });
    expect(wrong.map(({ file, of }) => `${file} imports ${of}`)).toEqual([]);
  });

  test.each(Object.keys(OWNED))('%s is known to its owner alone', (name) => {
    const users = all.filter(({ of }) => of === name || of.startsWith(`${name}/`)).map(({ folder }) => folder);
    expect([...new Set(users)].filter((folder) => !OWNED[name]!.includes(folder))).toEqual([]);
  });
});
