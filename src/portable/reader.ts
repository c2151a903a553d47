/**
 * Where the files of a store come from: a folder, what someone chose in a browser, a server. Paths are relative to the
 * store, with slashes: `packs/ab/abcd….pack`.
 */
export interface StoreFiles {
  /** All files in a folder of the store and the folders in it; none when it is not there. */
  list(folder: string): Promise<{ path: string; size: number }[]>;
  /** A whole file; undefined when it is not there. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Part of a file. Without this, packs are read whole. */
  readRange?(path: string, offset: number, length: number): Promise<Uint8Array>;
}

const ENDINGS = {
  keys: '.key',
  certs: '.cert',
  packs: '.pack',
  index: '.idx',
  snapshots: '.snap',
  records: '.rec',
} as const;

export type Folder = keyof typeof ENDINGS;

/** The objects of a folder by name, with their sizes; whatever else lies there is passed over. */
export async function listObjects(files: StoreFiles, folder: Folder): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { path, size } of await files.list(folder)) {
    const name = path.slice(path.lastIndexOf('/') + 1, -ENDINGS[folder].length);
    if (/^[0-9a-f]{64}$/.test(name) && path === pathOf(folder, name)) found.set(name, size);
  }
  return found;
}

/** Where an object lies. */
export function pathOf(folder: Folder, name: string): string {
  return `${folder}/${folder === 'packs' ? `${name.slice(0, 2)}/` : ''}${name}${ENDINGS[folder]}`;
}
