import type { Catalog, SnapshotRow, SourceId } from '../catalog/index.js';

/** The lineage that a run continues. */
export interface Lineage {
  id: SourceId;
  /** The snapshot whose state is the active one, if there is an active state. */
  head: SnapshotRow | undefined;
  /**
   * The snapshot that the next one follows: the head, or without one the newest that counts, of which this catalog knows no
   * more than the header; undefined when the source has none.
   */
  parent: SnapshotRow | undefined;
}

/**
 * The lineage of a source that this catalog wrote last, else its newest one; made if the source has none. Those with an
 * active state come first.
 */
export function lineageToContinue(catalog: Catalog, source: string): Lineage {
  const heads = catalog.snapshots.sources().flatMap(({ name, head }) => (name === source && head ? [head] : []));
  const head = chosen(catalog, heads);
  if (head !== undefined) return { id: head.source, head, parent: head };
  const parent = chosen(catalog, lastOfEach(catalog, source));
  if (parent !== undefined) return { id: parent.source, head: undefined, parent };
  const { source: id } = catalog.snapshots.lineageFor(source, { name: '', seq: 1, catalogId: catalog.id });
  return { id, head: undefined, parent: undefined };
}

/** Of snapshots of several lineages the one that this catalog made, else the newest. */
function chosen(catalog: Catalog, snapshots: readonly SnapshotRow[]): SnapshotRow | undefined {
  const own = snapshots.find(({ catalogId }) => catalogId === catalog.id);
  return own ?? snapshots.toSorted((a, b) => (a.time < b.time ? 1 : -1))[0];
}

/** The last snapshot that counts of each of a source's lineages. */
function lastOfEach(catalog: Catalog, source: string): SnapshotRow[] {
  const last = new Map<SourceId, SnapshotRow>();
  for (const row of takenIn(catalog, source)) last.set(row.source, row);
  return [...last.values()];
}

/** The snapshots of a source that were taken and count, by lineage, oldest first. */
export function takenIn(catalog: Catalog, source: string): SnapshotRow[] {
  return catalog.snapshots.all(source).filter((row) => row.state === 'live' && row.kind === 'taken');
}
