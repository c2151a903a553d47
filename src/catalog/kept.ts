import type { ByteString } from '../bytes.js';
import { type Entry, EntryType } from '../format/entry.js';
import type { Db } from './database.js';
import { decodeRow, encodeRow } from './entry-row.js';
import { type KeyRange, keyOf, keyText } from './keys.js';
import type { Version } from './queries/version.js';
import type { Snapshots, SourceId } from './snapshots.js';

const PAGE = 256;

interface StoredKept {
  id: bigint;
  key: string;
  first: bigint;
  last: bigint;
  entry: Uint8Array;
}

/** What kept snapshots hold: versions that no taken snapshot has, with the times when they were seen. */
export class Kept {
  private readonly db: Db;
  private readonly snapshots: Snapshots;

  constructor(db: Db, snapshots: Snapshots) {
    this.db = db;
    this.snapshots = snapshots;
  }

  /** Takes over the entries of a kept snapshot that the catalog knows; each says when it was first and last seen. */
  put(snapshotName: string, entries: Iterable<Entry>): void {
    this.db.transaction(() => {
      const snapshot = this.snapshots.get(snapshotName);
      if (snapshot === undefined) throw new Error(`no such snapshot: ${snapshotName}`);
      this.db.run('DELETE FROM kept WHERE snapshot = ?', snapshot.id);
      for (const entry of entries) {
        if (entry.kept === undefined) throw new Error('an entry of a kept snapshot without times');
        this.db.run(
          'INSERT INTO kept (snapshot, source, key, first, last, size, entry) VALUES (?, ?, ?, ?, ?, ?, ?)',
          snapshot.id,
          snapshot.source,
          keyText(entry.key),
          entry.kept.first,
          entry.kept.last,
          entry.type === EntryType.file ? entry.size : null,
          encodeRow(entry),
        );
      }
      this.db.run('UPDATE snapshots SET applied = 1 WHERE id = ?', snapshot.id);
    });
  }

  /** Drops what a kept snapshot holds; the snapshot's row stays. */
  remove(snapshotName: string): void {
    const snapshot = this.snapshots.get(snapshotName);
    if (snapshot !== undefined) this.db.run('DELETE FROM kept WHERE snapshot = ?', snapshot.id);
  }

  /** The kept versions of a source in a range of keys, by key and time. Paged. */
  *versions(source: SourceId, range: KeyRange, glob?: string): Generator<Version> {
    const end = keyText(range.to);
    let key = keyText(range.from);
    let first = -(2n ** 63n);
    let id = -1n;
    for (;;) {
      const page = this.db.allBig<StoredKept>(
        `SELECT id, key, first, last, entry FROM kept INDEXED BY kept_by_key
         WHERE source = ? AND (key, first, id) > (?, ?, ?) AND key < ? AND key GLOB ?
         ORDER BY key, first, id LIMIT ${PAGE}`,
        source,
        key,
        first,
        id,
        end,
        glob ?? '*',
      );
      for (const row of page) yield toVersion(row, source);
      if (page.length < PAGE) return;
      ({ key, first, id } = page[page.length - 1]);
    }
  }

  /** The kept versions of one path, by time. */
  of(source: SourceId, key: ByteString): Version[] {
    return this.db
      .allBig<StoredKept>(
        'SELECT id, key, first, last, entry FROM kept WHERE source = ? AND key = ? ORDER BY first, id',
        source,
        keyText(key),
      )
      .map((row) => toVersion(row, source));
  }

  /** What one kept snapshot holds, by key and time. */
  in(snapshotName: string): Version[] {
    const snapshot = this.snapshots.get(snapshotName);
    if (snapshot === undefined) return [];
    return this.db
      .allBig<StoredKept>(
        'SELECT id, key, first, last, entry FROM kept WHERE snapshot = ? ORDER BY key, first, id',
        snapshot.id,
      )
      .map((row) => toVersion(row, snapshot.source));
  }

  /** Everything that the kept snapshots of a source hold, by key and time. */
  all(source: SourceId): Generator<Version> {
    return this.versions(source, { from: '', to: '\u0100' });
  }
}

function toVersion(row: StoredKept, source: SourceId): Version {
  const key = keyOf(row.key);
  return {
    key,
    source,
    from: 0,
    to: 0,
    fromTime: row.first,
    toTime: row.last,
    entry: decodeRow(key, row.entry),
    keptBy: 'history',
  };
}
