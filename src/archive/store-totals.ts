import type { Catalog } from '../catalog/index.js';
import { FOLDERS, type ListedObject, type ObjectStore } from '../store/index.js';

/** How many objects, of how many bytes. */
export interface ObjectTotals {
  objects: number;
  bytes: number;
}

/**
 * Key of the catalog's note of what the store holds besides the packs that the catalog counts: slots, which are listed
 * before there is a key, and all other objects.
 */
const SMALL_OBJECTS = 'small_objects';

interface SmallObjects {
  keys: ObjectTotals;
  others: ObjectTotals;
}

const NONE: ObjectTotals = { objects: 0, bytes: 0 };

/** The sum of listings. */
export function totalsOf(...listings: readonly (readonly ListedObject[])[]): ObjectTotals {
  const totals = { ...NONE };
  for (const listing of listings) {
    totals.objects += listing.length;
    for (const { size } of listing) totals.bytes += size;
  }
  return totals;
}

/** Notes which slots the store has. */
export function noteKeys(catalog: Catalog, keys: ObjectTotals): void {
  note(catalog, { ...noted(catalog), keys });
}

/** Notes what the store lists besides its slots, after the catalog's packs were compared with it. */
export function noteListed(catalog: Catalog, listed: ObjectTotals): void {
  const { packs, bytes } = catalog.packs.totals();
  note(catalog, { ...noted(catalog), others: { objects: listed.objects - packs, bytes: listed.bytes - bytes } });
}

/** Notes that objects have come which are no packs. */
export function noteAdded(catalog: Catalog, added: ObjectTotals): void {
  const { keys, others } = noted(catalog);
  note(catalog, { keys, others: sumOf(others, added) });
}

/** Lists the store anew, after work that has put and deleted objects in many places. */
export async function renewTotals(catalog: Catalog, store: ObjectStore): Promise<void> {
  noteKeys(catalog, totalsOf(await store.list('keys')));
  let listed = NONE;
  for (const folder of FOLDERS) if (folder !== 'keys') listed = sumOf(listed, totalsOf(await store.list(folder)));
  noteListed(catalog, listed);
}

/** All objects of the store, as far as the catalog knows: the store may be away. */
export function storeTotals(catalog: Catalog): ObjectTotals {
  const { packs, bytes } = catalog.packs.totals();
  const { keys, others } = noted(catalog);
  return sumOf(sumOf({ objects: packs, bytes }, keys), others);
}

/** Two sums as one. */
export function sumOf(a: ObjectTotals, b: ObjectTotals): ObjectTotals {
  return { objects: a.objects + b.objects, bytes: a.bytes + b.bytes };
}

function noted(catalog: Catalog): SmallObjects {
  const text = catalog.getMeta(SMALL_OBJECTS);
  return text === undefined ? { keys: NONE, others: NONE } : (JSON.parse(text) as SmallObjects);
}

function note(catalog: Catalog, small: SmallObjects): void {
  const text = JSON.stringify(small);
  if (catalog.getMeta(SMALL_OBJECTS) !== text) catalog.setMeta(SMALL_OBJECTS, text);
}
