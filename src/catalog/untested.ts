import type { Db } from './database.js';
import { Meta, readMeta, writeMeta } from './meta.js';
import type { SourceId } from './snapshots.js';

/**
 * Lineages of whose active state nobody knows whether the store still has all that it needs: it came from there, or packs
 * have left the catalog since. Kept until a run has looked.
 */
export function untested(db: Db): Set<SourceId> {
  const text = readMeta(db, Meta.untested) ?? '';
  return new Set(text.split(' ').filter(Boolean).map(Number));
}

/** Notes that of these lineages. */
export function noteUntested(db: Db, sources: Iterable<SourceId>): void {
  const noted = untested(db);
  const all = new Set([...noted, ...sources]);
  if (all.size > noted.size) writeMeta(db, Meta.untested, [...all].join(' '));
}

/** Notes that all which the active state of a lineage needs was there. */
export function noteTested(db: Db, source: SourceId): void {
  const noted = untested(db);
  if (noted.delete(source)) writeMeta(db, Meta.untested, noted.size === 0 ? undefined : [...noted].join(' '));
}
