/**
 * The catalog: the local SQLite database that caches what a store says, with every path's history. It is bound to one
 * store, can be rebuilt from it, and answers questions about the past with the store away.
 */
import type { ListingToApply } from './apply-listing.js';
import type { Catalog } from './catalog.js';
import type { Forgotten, HeadListing } from './forget.js';
import type { Version } from './queries/version.js';
import type { Rewrite } from './rewrite.js';
import type { RunResult } from './runs.js';
import type { SourceId } from './snapshots.js';

export type { Active, ActiveSegment } from './active.js';
export type { ListingSegments, ListingToApply, SegmentRef } from './apply-listing.js';
export { Aspect } from './aspects.js';
export type { Catalog } from './catalog.js';
export { lastUse } from './files.js';
export type { Forgotten, HeadListing } from './forget.js';
export { isDamage } from './health.js';
export type { Kept } from './kept.js';
export type { CarriedStretch, KnownSegment } from './merge-listing.js';
export type { MergedFolder, MergedObject, Objects } from './objects.js';
export { type OpenOptions, type OpenOutcome, openCatalog } from './open.js';
export type { ListedObject, PackInput, PackRow, Packs, Reconciliation } from './packs.js';
export { catalogSize } from './paths.js';
export type { Difference } from './queries/diff.js';
export type { FindOptions, Found } from './queries/find.js';
export type { Queries } from './queries/queries.js';
export type { Counts, NeededContent } from './queries/totals.js';
export { type Version, versionId } from './queries/version.js';
export { beginRebuild, type Rebuild } from './rebuild.js';
export type { Rewrite } from './rewrite.js';
export type { RunResult, Runs, SealedRun, Stage } from './runs.js';
export type { SnapshotInput, SnapshotRow, SnapshotState, Snapshots, SourceId, SourceRow } from './snapshots.js';

/** Merges a listing of the store into the catalog, as its source's newest snapshot. */
export function applyListing(catalog: Catalog, listing: ListingToApply): Promise<RunResult> {
  return catalog.applyListing(listing);
}

/** Drops snapshots; see Forget.snapshotsNamed. */
export function forgetSnapshots(catalog: Catalog, names: readonly string[], newHead?: HeadListing): Promise<Forgotten> {
  return catalog.forget.snapshotsNamed(names, newHead);
}

/** The versions that would be in no snapshot any more if these went; what kept snapshots hold does not count. */
export function lostBy(catalog: Catalog, names: readonly string[]): Generator<Version> {
  return catalog.forget.lostBy(names);
}

/** Replaces snapshots by copies that lack some paths. */
export function rewriteSnapshots(catalog: Catalog, rewrite: Rewrite): Promise<Forgotten> {
  return catalog.forget.rewrite(rewrite);
}

/** Takes a lineage's state and history out, to be applied anew from its snapshots in order. */
export function resetSource(catalog: Catalog, source: SourceId): void {
  catalog.forget.resetSource(source);
}

/** A copy for trying things out; see Catalog.copyTo. */
export function copyCatalog(catalog: Catalog, path: string, onClose?: () => void): Catalog {
  return catalog.copyTo(path, onClose);
}

/** The content as lines of JSON, equal for equal catalogs. */
export function dumpCatalog(catalog: Catalog): Generator<string> {
  return catalog.dump();
}
