import type { Catalog, SnapshotRow, SourceId } from '../catalog/index.js';

/** The lineage that a run continues, and its newest snapshot if it has one. */
export interface Lineage {
  id: SourceId;
  head: SnapshotRow | undefined;
}

/** The lineage of a source that this catalog wrote last, else its newest one; made if the source has none. */
export function lineageToContinue(catalog: Catalog, source: string): Lineage {
  const lineages = catalog.snapshots.sources().filter((row) => row.name === source && row.head !== undefined);
  const own = lineages.find((row) => row.head?.catalogId === catalog.id);
  const newest = lineages.toSorted((a, b) => ((a.head?.time ?? 0n) < (b.head?.time ?? 0n) ? 1 : -1))[0];
  const chosen = own ?? newest;
  if (chosen !== undefined) return { id: chosen.id, head: chosen.head };
  const { source: id } = catalog.snapshots.lineageFor(source, { name: '', seq: 1, catalogId: catalog.id });
  return { id, head: undefined };
}
