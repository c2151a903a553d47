import { bytesHex, type Db, hexBytes } from './database.js';

/** Folders of the store whose objects are merged into the catalog. */
export type MergedFolder = 'index' | 'records' | 'tombstones' | 'certs' | 'keys' | 'snapshots';

/** An object that was merged. */
export interface MergedObject {
  name: string;
  kind?: string;
  /** What it says, as text of the caller's making. */
  body?: string;
}

/** Which objects of the store were merged into the catalog already, and what they said. */
export class Objects {
  private readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  /** Names of the objects of a folder that are merged. */
  names(folder: MergedFolder): Set<string> {
    const rows = this.db.all<{ name: Uint8Array }>('SELECT name FROM objects WHERE folder = ?', folder);
    return new Set(rows.map((row) => bytesHex(row.name)));
  }

  /** Notes that an object is merged; replaces what was noted of it. */
  add(folder: MergedFolder, name: string, kind?: string, body?: string): void {
    this.db.run(
      'INSERT OR REPLACE INTO objects (folder, name, kind, body) VALUES (?, ?, ?, ?)',
      folder,
      hexBytes(name),
      kind ?? null,
      body ?? null,
    );
  }

  get(folder: MergedFolder, name: string): MergedObject | undefined {
    const row = this.db.one<StoredObject>(
      'SELECT name, kind, body FROM objects WHERE folder = ? AND name = ?',
      folder,
      hexBytes(name),
    );
    return row && toObject(row);
  }

  /** The merged objects of a folder, or those of one kind, by name. */
  all(folder: MergedFolder, kind?: string): MergedObject[] {
    return this.db
      .all<StoredObject>(
        'SELECT name, kind, body FROM objects WHERE folder = ? AND kind IS ifnull(?, kind) ORDER BY name',
        folder,
        kind ?? null,
      )
      .map(toObject);
  }

  /** Forgets objects that are deleted from the store. */
  remove(folder: MergedFolder, names: Iterable<string>): void {
    this.db.transaction(() => {
      for (const name of names)
        this.db.run('DELETE FROM objects WHERE folder = ? AND name = ?', folder, hexBytes(name));
    });
  }
}

interface StoredObject {
  name: Uint8Array;
  kind: string | null;
  body: string | null;
}

function toObject(row: StoredObject): MergedObject {
  return { name: bytesHex(row.name), kind: row.kind ?? undefined, body: row.body ?? undefined };
}
