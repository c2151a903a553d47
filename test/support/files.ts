import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Files below a folder, by path within it, with their contents. */
export type Files = Map<string, string>;

/** What all files below a folder hold, byte for char. */
export function filesBelow(folder: string): Files {
  const files: Files = new Map();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      files.set(relative(folder, path), readFileSync(path, 'latin1'));
    }
  return files;
}

/** Bytes that do not compress, the same each time. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}
