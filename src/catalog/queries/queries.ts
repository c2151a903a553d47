import type { ByteString } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import type { Db } from '../database.js';
import type { Kept } from '../kept.js';
import type { SnapshotRow, SourceId } from '../snapshots.js';
import type { Change } from '../steps.js';
import { changes, type Difference, differences } from './diff.js';
import { entriesAt, entriesOf, entryAt } from './entries.js';
import { type FindOptions, type Found, findPaths } from './find.js';
import { byTime, groupByKey, keysWithHistory, versionsOf } from './history.js';
import { type Counts, countVersions, type NeededContent, neededContents } from './totals.js';
import { SnapshotTimes, type Version, versionId } from './version.js';
import { findVersion } from './version-by-id.js';

/**
 * Questions about the past, answered from the catalog alone. Generators read page by page: memory is flat, and the
 * catalog may be written between two of their steps.
 */
export class Queries {
  private readonly db: Db;
  private readonly kept: Kept;

  constructor(db: Db, kept: Kept) {
    this.db = db;
    this.kept = kept;
  }

  /** What lies in a directory (`recursive`: anywhere below it) in an applied snapshot, in key order. */
  entriesAt(snapshot: SnapshotRow, directory: ByteString, options: { recursive: boolean }): Generator<Entry> {
    return entriesAt(this.db, snapshot, directory, options.recursive);
  }

  /** The entry of a path in an applied snapshot. */
  entryAt(snapshot: SnapshotRow, key: ByteString): Entry | undefined {
    return entryAt(this.db, snapshot, key);
  }

  /** All entries of an applied snapshot in key order, or those at and below some keys. */
  entries(snapshot: SnapshotRow, options: { under?: readonly ByteString[] } = {}): Generator<Entry> {
    return entriesOf(this.db, snapshot, options.under);
  }

  /** Every version of a path, oldest first, kept ones included; of one lineage, or of all those of a source's name. */
  history(source: SourceId | string, key: ByteString): (Version & { id: string })[] {
    return this.lineages(source)
      .flatMap((lineage) => {
        const times = new SnapshotTimes(this.db, lineage.id);
        return versionsOf(this.db, this.kept, times, lineage.id, key).map((version) => ({
          ...version,
          id: versionId(lineage.name, times, version),
        }));
      })
      .sort(byTime);
  }

  /**
   * Paths that match a glob, in key order, with their versions: those that are active, that a snapshot holds, or `all`.
   * Without `/` the glob is matched against names, with one against absolute paths.
   */
  *find(glob: string, options: FindOptions & { source: string }): Generator<Found> {
    const lineages =
      options.snapshot === undefined || options.all === true
        ? this.lineages(options.source).map(({ id }) => id)
        : [options.snapshot.source];
    const streams = lineages.map((id) => findPaths(this.db, this.kept, id, glob, options));
    for (const { key, items } of groupByKey(streams))
      yield items.length === 1 ? items[0] : { key, versions: items.flatMap((item) => item.versions).sort(byTime) };
  }

  /** Which paths differ between two applied snapshots, and in which respects, in key order. */
  changes(a: SnapshotRow, b: SnapshotRow, options: { under?: ByteString } = {}): Iterable<Change> {
    return changes(this.db, a, b, options.under);
  }

  /** What differs between two applied snapshots, with both versions, in key order. */
  diff(a: SnapshotRow, b: SnapshotRow, options: { under?: ByteString } = {}): Generator<Difference> {
    return differences(this.db, a, b, options.under);
  }

  /**
   * The version that `history` calls `id`.
   * @param key its path; without it the versions that began in the same snapshot are searched
   */
  versionById(sourceName: string, id: string, key?: ByteString): (Version & { id: string }) | undefined {
    for (const lineage of this.lineages(sourceName)) {
      const keys = key === undefined ? findVersion(this.db, this.kept, lineage, id) : key;
      const found =
        keys === undefined ? undefined : this.history(lineage.id, keys).find((version) => version.id === id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Every path of a lineage with ended or kept versions, in key order, with all its versions, oldest first. */
  keysWithHistory(source: SourceId): Generator<{ key: ByteString; versions: Version[] }> {
    return keysWithHistory(this.db, this.kept, source);
  }

  /** All contents that any version needs, of one lineage or of all; in no order, with duplicates. */
  contents(source?: SourceId): Generator<NeededContent> {
    return neededContents(this.db, source);
  }

  /** How much a source holds, or all of them. */
  counts(sourceName?: string): Counts {
    return countVersions(this.db, sourceName);
  }

  private lineages(source: SourceId | string): { id: SourceId; name: string }[] {
    const column = typeof source === 'string' ? 'name' : 'id';
    return this.db.all(`SELECT id, name FROM sources WHERE ${column} = ? ORDER BY lineage`, source);
  }
}
