import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type ByteString, fromDisplay, toBytes } from '../../src/bytes.js';
import { type PlanOptions, pathOf, planRoots, type RootPlan, type ScanItem, scan } from '../../src/scan/index.js';

const folders: string[] = [];
afterAll(() => {
  // Some paths in them are longer than Node can remove.
  spawnSync('rm', ['-rf', ...folders]);
});

/** A fresh folder, without symlinks in its path, which goes after the last test of the file. */
export function freshFolder(): string {
  const folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'scan-test-')));
  folders.push(folder);
  return folder;
}

/** Files by path below `base`: text is content, null a directory, `-> x` a symlink. Parents are made. Paths are byte strings. */
export function makeTree(base: string, tree: Record<ByteString, string | null>): void {
  for (const [path, content] of Object.entries(tree)) {
    const full = toBytes(`${fromDisplay(base)}/${path}`);
    const parent = full.subarray(0, full.lastIndexOf('/'));
    fs.mkdirSync(parent, { recursive: true });
    if (content === null) fs.mkdirSync(full, { recursive: true });
    else if (content.startsWith('-> ')) fs.symlinkSync(content.slice(3), full);
    else fs.writeFileSync(full, content);
  }
}

type Changes = Partial<Omit<PlanOptions, 'config'>> & { config?: Partial<PlanOptions['config']> };

/** Options with nothing in particular, and some changes. */
export function planOptions(changes: Changes = {}): PlanOptions {
  return {
    roots: [],
    exclude: [],
    acceptEmpty: [],
    previousRoots: [],
    hasEntries: () => false,
    neverSaved: [],
    confirm: async () => false,
    ...changes,
    config: {
      backupRoots: [],
      exclude: [],
      excludeFiles: [],
      excludeCaches: false,
      oneFileSystem: false,
      ...changes.config,
    },
  };
}

/** A plan for roots of the config. */
export function planFor(roots: string[], changes: Changes = {}): Promise<RootPlan> {
  return planRoots(planOptions({ ...changes, config: { backupRoots: roots, ...changes.config } }));
}

/** What a scan of these roots yields. */
export async function scanRoots(roots: string[], changes: Changes = {}): Promise<ScanItem[]> {
  return [...scan((await planFor(roots, changes)).scan)];
}

/** Paths of the entries at and below `base`, relative to it. */
export function pathsBelow(items: Iterable<ScanItem>, base: string): ByteString[] {
  const start = fromDisplay(base);
  const found: ByteString[] = [];
  for (const item of items) {
    const path = pathOf(item.key);
    if (item.kind === 'entry' && path.startsWith(`${start}/`)) found.push(path.slice(start.length + 1));
  }
  return found;
}

/** Everything but entries, in one line each: `keep /a..(end) error reason`. */
export function notes(items: Iterable<ScanItem>): string[] {
  const lines: string[] = [];
  for (const item of items) {
    if (item.kind === 'entry') continue;
    const reason = 'reason' in item ? `: ${item.reason}` : '';
    const span =
      item.kind === 'keep' ? ` to ${show(item.end)}${item.error ? ' error' : ''}${item.root ? ' root' : ''}` : '';
    lines.push(`${item.kind} ${show(item.key)}${span}${reason}`);
  }
  return lines;
}

/** A key for reading: slashes for zero bytes, `~` for the byte that ends a subtree. */
export function show(key: ByteString): string {
  return `/${key.replaceAll('\0', '/').replaceAll('\x01', '~')}`;
}
