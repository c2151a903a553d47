import type { Catalog } from '../catalog/index.js';

/** Key of the catalog's note which pending snapshots it has put itself: only those may its next run drop. */
const OWN_PENDING = 'own_pending_snapshots';

/** Names of the snapshots that runs of this catalog have put as pending, and not settled as far as it knows. */
export function ownPending(catalog: Catalog): string[] {
  return JSON.parse(catalog.getMeta(OWN_PENDING) ?? '[]') as string[];
}

/** Notes that these are about to be put, or were. */
export function noteOwnPending(catalog: Catalog, names: readonly string[]): void {
  write(catalog, new Set([...ownPending(catalog), ...names]));
}

/** They are settled, or gone. */
export function clearOwnPending(catalog: Catalog, names: readonly string[]): void {
  write(catalog, new Set(ownPending(catalog).filter((name) => !names.includes(name))));
}

function write(catalog: Catalog, names: ReadonlySet<string>): void {
  catalog.setMeta(OWN_PENDING, names.size === 0 ? undefined : JSON.stringify([...names]));
}
