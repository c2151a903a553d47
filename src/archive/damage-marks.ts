import type { Catalog } from '../catalog/index.js';
import type { BlobKind } from '../crypto/keyring.js';
import type { NamedRecord, Trust } from '../format/trust.js';
import { objectPath } from '../store/index.js';
import type { UnreadableObject } from './small-objects.js';

/** What full keys have said of damage in a store, by records, up to now. */
export interface DamageMarks {
  /** Paths of objects that are set aside, and of snapshots that are not whole. */
  objects: ReadonlySet<string>;
  /** Blobs that are given up, by their ids as latin1 text. */
  blobs: ReadonlyMap<string, BlobKind>;
}

/** No damage is known. */
export const NO_MARKS: DamageMarks = { objects: new Set(), blobs: new Map() };

/**
 * Adds up what the records of a store say of damage.
 * @param records ordered by time, as later ones may take back what earlier ones said
 */
export function damageMarks(records: readonly NamedRecord[], trust: Trust): DamageMarks {
  const objects = new Set<string>();
  const blobs = new Map<string, BlobKind>();
  for (const { name, record, signer } of records) {
    if (!trust.countsAsFull(signer, name)) continue;
    if (record.type === 'damaged') {
      for (const path of record.objects) objects.add(path);
      for (const { kind, id } of record.blobs) blobs.set(Buffer.from(id).latin1Slice(), kind);
    } else if (record.type === 'healed') for (const path of record.objects) objects.delete(path);
  }
  return { objects, blobs };
}

/** The first object of those that cannot be read which is no stranger's and which nobody has set aside, if there is one. */
export function firstInTheWay(
  unreadable: readonly UnreadableObject[],
  marks: DamageMarks,
): UnreadableObject | undefined {
  return unreadable.find(({ path, foreign }) => !foreign && !marks.objects.has(path));
}

/** Whether a snapshot is known not to be whole. */
export function isMarked(marks: DamageMarks, snapshot: string): boolean {
  return marks.objects.size > 0 && marks.objects.has(objectPath('snapshots', snapshot));
}

/** Key of the catalog's note which snapshots are not whole, for answers given with the store away. */
const NOT_WHOLE = 'snapshots_not_whole';

/** Notes in the catalog which of its snapshots are not whole. */
export function noteMarked(catalog: Catalog, marks: DamageMarks): void {
  const names = catalog.snapshots
    .all()
    .map(({ name }) => name)
    .filter((name) => isMarked(marks, name));
  const note = names.length === 0 ? undefined : JSON.stringify(names.sort());
  if (catalog.getMeta(NOT_WHOLE) !== note) catalog.setMeta(NOT_WHOLE, note);
}

/** Names of the snapshots that are not whole, as noted last. */
export function markedSnapshots(catalog: Catalog): Set<string> {
  return new Set(JSON.parse(catalog.getMeta(NOT_WHOLE) ?? '[]') as string[]);
}
