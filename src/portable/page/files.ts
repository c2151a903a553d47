import type { StoreFiles } from '../reader.js';

/** Finds the store among files that someone chose: in the folder itself, or in one within. */
export function storeAmong(chosen: readonly File[]): StoreFiles | undefined {
  const byPath = new Map(chosen.map((file) => [file.webkitRelativePath || file.name, file]));
  const roots = [...byPath.keys()]
    .filter((path) => path === 'config.json' || path.endsWith('/config.json'))
    .map((path) => path.slice(0, -'config.json'.length))
    .filter((root) => [...byPath.keys()].some((path) => path.startsWith(`${root}keys/`)))
    .sort((a, b) => a.length - b.length);
  return roots.length === 0 ? undefined : filesBelow(byPath, roots[0]);
}

function filesBelow(byPath: ReadonlyMap<string, File>, root: string): StoreFiles {
  const folders = new Map<string, { path: string; size: number }[]>();
  for (const [full, file] of byPath) {
    if (!full.startsWith(root)) continue;
    const path = full.slice(root.length);
    const folder = path.slice(0, path.indexOf('/') + 1).slice(0, -1);
    folders.set(folder, [...(folders.get(folder) ?? []), { path, size: file.size }]);
  }
  const bytes = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
  return {
    list: async (folder) => folders.get(folder) ?? [],
    async read(path) {
      const file = byPath.get(root + path);
      return file && bytes(file);
    },
    async readRange(path, offset, length) {
      const file = byPath.get(root + path);
      return file ? bytes(file.slice(offset, offset + length)) : new Uint8Array(0);
    },
  };
}
