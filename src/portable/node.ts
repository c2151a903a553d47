import { createWriteStream } from 'node:fs';
import { lutimes, mkdir, open, readdir, readFile, stat, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { damaged } from './errors.js';
import { components, type PortableEntry } from './listing.js';
import type { StoreFiles } from './reader.js';
import type { PortableSnapshot } from './snapshots.js';
import type { PortableStore } from './store.js';

/** The portable reader on bare Node: a store in a directory, restored into another one. */

/** The files of a store in a directory. */
export function folderFiles(root: string): StoreFiles {
  return {
    async list(folder) {
      const found: { path: string; size: number }[] = [];
      const entries = await readdir(join(root, folder), { withFileTypes: true, recursive: true }).catch(ifMissing([]));
      for (const entry of entries) {
        if (!entry.isFile()) continue;
        const full = join(entry.parentPath, entry.name);
        const path = full
          .slice(join(root, '.').length)
          .replace(/^[\\/]+/, '')
          .replaceAll('\\', '/');
        found.push({ path, size: (await stat(full)).size });
      }
      return found;
    },
    async read(path) {
      return readFile(join(root, path)).catch(ifMissing(undefined));
    },
    async readRange(path, offset, length) {
      const file = await open(join(root, path));
      try {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await file.read(bytes, 0, length, offset);
        return bytes.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
  };
}

function ifMissing<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
}

/** What a restore did. */
export interface Restored {
  files: number;
  bytes: number;
  /** What was not restored, and why. */
  errors: { path: string; message: string }[];
}

/**
 * Restores a snapshot into a directory that is empty or not there yet: directories, files and symlinks, with their
 * permission bits and times; owners, attributes and devices are left out.
 *
 * Symlinks are made last, so that nothing is ever written through one; no path leads out of the target.
 */
export async function restoreSnapshot(
  store: PortableStore,
  snapshot: PortableSnapshot,
  target: string,
): Promise<Restored> {
  await mkdir(target, { recursive: true });
  if ((await readdir(target)).length > 0) throw new Error(`${target} is not empty; choose another directory`);
  const result: Restored = { files: 0, bytes: 0, errors: [] };
  const later: { entry: PortableEntry; path: Buffer }[] = [];
  for await (const entry of store.entries(snapshot)) {
    try {
      const path = placeOf(target, entry.key);
      if (entry.type === 'dir') await mkdir(path, { recursive: true });
      if (entry.type === 'dir' || entry.type === 'symlink') later.push({ entry, path });
      if (entry.type === 'file') {
        await mkdir(path.subarray(0, path.lastIndexOf('/')), { recursive: true });
        result.bytes += await writeFile(store, entry, path);
        result.files++;
      }
    } catch (error) {
      result.errors.push({ path: entry.path, message: (error as Error).message });
    }
  }
  // Deepest first: making something in a directory changes its time.
  for (const { entry, path } of later.reverse()) {
    try {
      await finish(entry, path);
    } catch (error) {
      result.errors.push({ path: entry.path, message: (error as Error).message });
    }
  }
  return result;
}

async function writeFile(store: PortableStore, entry: PortableEntry, path: Buffer): Promise<number> {
  await pipeline(store.content(entry), createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  const file = await open(path, 'r+');
  try {
    await file.chmod(entry.mode & 0o777);
    await file.utimes(seconds(entry.mtime), seconds(entry.mtime));
  } finally {
    await file.close();
  }
  return entry.size;
}

async function finish(entry: PortableEntry, path: Buffer): Promise<void> {
  if (entry.type === 'symlink') {
    await symlink(Buffer.from(entry.target ?? []), path);
    await lutimes(path, seconds(entry.mtime), seconds(entry.mtime));
    return;
  }
  await utimes(path, seconds(entry.mtime), seconds(entry.mtime));
  const directory = await open(path, 'r');
  await directory.chmod((entry.mode & 0o777) | 0o700).finally(() => directory.close());
}

/** Seconds as a number lose some nanoseconds; Node takes nothing finer. As a text, because Node takes numbers below 0 for now. */
function seconds(time: bigint): string {
  return String(Number(time / 1_000n) / 1_000_000);
}

const SEPARATOR = process.platform === 'win32' ? /[/\\:]/ : /\//;

/** Where an entry goes. @throws PortableError for a path that would lead elsewhere */
function placeOf(target: string, key: string): Buffer {
  const parts = components(key).map((part, i) => {
    const name = Buffer.from(part);
    const text = name.latin1Slice();
    if (i === 0 && /^[A-Za-z]:$/.test(text)) return Buffer.from(`${text[0]}_`);
    if (text === '' || text === '.' || text === '..' || SEPARATOR.test(text)) throw damaged('its path is not plain');
    return name;
  });
  return Buffer.concat([Buffer.from(target), ...parts.flatMap((part) => [Buffer.from('/'), part])]);
}
