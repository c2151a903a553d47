import type { Catalog } from '../catalog/index.js';

/** Notes which packs an index of the store names, beside that it is known. */
export function noteIndex(catalog: Catalog, index: string, packs: readonly { name: string }[]): void {
  catalog.objects.add('index', index, undefined, JSON.stringify(packs.map(({ name }) => name)));
}

/** The packs that an index names, from what `noteIndex` wrote. */
export function packsOfIndex(body: string | undefined): string[] {
  return body === undefined ? [] : (JSON.parse(body) as string[]);
}
