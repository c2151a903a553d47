import type { Catalog } from '../catalog/index.js';

/**
 * Folders of small objects that nothing in the store could replace. The catalog keeps a copy of each that it has seen,
 * byte by byte: so what is lost or damaged in the store can be put back under its own name and signature. Of slots there are
 * copies only while some are being put back, as one that is removed must be gone.
 */
export type CopiedFolder = 'certs' | 'records' | 'snapshots' | 'keys';

/** Keeps a copy of an object whose bytes are known to be right. */
export function keepCopy(catalog: Catalog, folder: CopiedFolder, name: string, bytes: Uint8Array): void {
  catalog.objects.add(folder, name, undefined, Buffer.from(bytes).toString('base64'));
}

/** The copy of an object, if there is one. */
export function copyOf(catalog: Catalog, folder: CopiedFolder, name: string): Uint8Array | undefined {
  const body = catalog.objects.get(folder, name)?.body;
  return body === undefined ? undefined : Buffer.from(body, 'base64');
}

/** Names of the objects of a folder that there are copies of. */
export function copiedNames(catalog: Catalog, folder: CopiedFolder): Set<string> {
  return catalog.objects.names(folder);
}

/** Forgets copies. */
export function dropCopies(catalog: Catalog, folder: CopiedFolder, names: Iterable<string>): void {
  catalog.objects.remove(folder, names);
}
