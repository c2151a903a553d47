import { bytesHex, type Db, hexBytes } from './database.js';
import { noteUntested } from './untested.js';

/** A pack as the index object, or its own directory, describes it. Names, runs and writers are hex. */
export interface PackInput {
  name: string;
  kind: 'data' | 'meta';
  /** Bytes of the object. */
  size: number;
  run: string;
  /** The key that wrote it. */
  writer: string;
  /** Whether a full role has checked every blob in it. */
  opened: boolean;
  /** Its directory as an index object holds it. */
  directory: Uint8Array;
  blobs: number;
}

/** A pack that the catalog knows. */
export interface PackRow extends Omit<PackInput, 'directory'> {
  /** Its number in this catalog; never given twice. */
  number: number;
  /** Listed in the store, with its right size, when last looked at. */
  present: boolean;
  tombstoned: boolean;
  /** When its bytes were last read and found right, nanoseconds since 1970. */
  verified?: bigint;
}

/** An object as a listing of the store shows it. */
export interface ListedObject {
  name: string;
  size: number;
}

/** How the store's packs differ from those known. */
export interface Reconciliation {
  /** Known, but not in the store. */
  missing: PackRow[];
  /** In the store with another size than known. */
  short: PackRow[];
  /** In the store, but doomed. */
  tombstoned: PackRow[];
  /** In the store, but not known. */
  unknown: ListedObject[];
}

const PAGE = 64;

/** The packs of the store that the catalog knows, with their directories. */
export class Packs {
  private readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  /**
   * Adds packs that are durable in the store, in one transaction, which survives the death of this process.
   * A known name keeps its number and directory, becomes present, and once opened stays opened. A writer of zeros, which
   * stands for one that nobody vouches for, gives way to another.
   * @returns their numbers, in the order given
   */
  add(packs: readonly PackInput[]): number[] {
    return this.db.transaction(() => packs.map((pack) => this.addOne(pack)));
  }

  /** Replaces what is known of a pack, which keeps its number, by what has turned out to be right. */
  correct(number: number, pack: PackInput): void {
    this.db.transaction(() => {
      this.db.run(
        `UPDATE packs SET kind = ?, size = ?, run = ?, writer = ?, opened = ?, blobs = ?, verified = NULL WHERE number = ?`,
        pack.kind,
        pack.size,
        hexBytes(pack.run),
        hexBytes(pack.writer),
        pack.opened ? 1 : 0,
        pack.blobs,
        number,
      );
      this.db.run('UPDATE pack_directories SET directory = ? WHERE number = ?', pack.directory, number);
    });
  }

  /** All rows, by number. */
  all(): PackRow[] {
    return this.db.allBig<StoredPack>('SELECT * FROM packs ORDER BY number').map(toRow);
  }

  byName(name: string): PackRow | undefined {
    const row = this.db.oneBig<StoredPack>('SELECT * FROM packs WHERE name = ?', hexBytes(name));
    return row && toRow(row);
  }

  byNumber(number: number): PackRow | undefined {
    const row = this.db.oneBig<StoredPack>('SELECT * FROM packs WHERE number = ?', number);
    return row && toRow(row);
  }

  /** The directory of a pack. */
  directory(number: number): Uint8Array | undefined {
    return this.db.one<{ directory: Uint8Array }>('SELECT directory FROM pack_directories WHERE number = ?', number)
      ?.directory;
  }

  /** All packs after a number with their directories, by number. */
  *directories(after = 0): Generator<PackRow & { directory: Uint8Array }> {
    let last = after;
    for (;;) {
      const page = this.db.allBig<StoredPack & { directory: Uint8Array }>(
        `SELECT p.*, d.directory FROM packs p JOIN pack_directories d ON d.number = p.number
         WHERE p.number > ? ORDER BY p.number LIMIT ${PAGE}`,
        last,
      );
      for (const row of page) yield { ...toRow(row), directory: row.directory };
      if (page.length < PAGE) return;
      last = Number(page[page.length - 1].number);
    }
  }

  /**
   * Compares the rows with a listing of the store and its tombstones, and notes in every row what they say.
   * @param tombstoned names of doomed packs
   */
  reconcile(listing: Iterable<ListedObject>, tombstoned: Iterable<string>): Reconciliation {
    const doomed = new Set(tombstoned);
    const result: Reconciliation = { missing: [], short: [], tombstoned: [], unknown: [] };
    const rows = new Map<string, PackRow>();
    for (const row of this.all()) rows.set(row.name, row);
    const sizes = new Map<string, number>();
    for (const object of listing) {
      sizes.set(object.name, object.size);
      if (!rows.has(object.name)) result.unknown.push(object);
    }
    this.db.transaction(() => {
      for (const row of rows.values()) {
        const size = sizes.get(row.name);
        const present = size === row.size;
        const isDoomed = doomed.has(row.name);
        if (present !== row.present || isDoomed !== row.tombstoned) {
          this.db.run(
            'UPDATE packs SET present = ?, tombstoned = ? WHERE number = ?',
            present ? 1 : 0,
            isDoomed ? 1 : 0,
            row.number,
          );
        }
        row.present = present;
        row.tombstoned = isDoomed;
        if (size === undefined) result.missing.push(row);
        else if (!present) result.short.push(row);
        else if (isDoomed) result.tombstoned.push(row);
      }
    });
    return result;
  }

  /**
   * Forgets packs that are gone from the store, of which nobody knows whether something in them was needed: no active
   * state counts as tested any more.
   */
  giveUp(names: ReadonlySet<string>): void {
    if (names.size === 0) return;
    this.db.transaction(() => {
      noteUntested(
        this.db,
        this.db.all<{ id: number }>('SELECT id FROM sources').map(({ id }) => id),
      );
      this.remove(names);
    });
  }

  /** Forgets packs that are deleted from the store, or about to be: nothing that is needed was in them alone. */
  remove(names: Iterable<string>): void {
    this.db.transaction(() => {
      for (const name of names) this.db.run('DELETE FROM packs WHERE name = ?', hexBytes(name));
    });
  }

  /** Notes that the bytes of these packs were read, at `time`, and are right. */
  markVerified(numbers: Iterable<number>, time: bigint): void {
    this.db.transaction(() => {
      for (const number of numbers) this.db.run('UPDATE packs SET verified = ? WHERE number = ?', time, number);
    });
  }

  /** Notes that these packs were read and are damaged: nobody relies on them any more. */
  markDamaged(numbers: Iterable<number>): void {
    this.db.transaction(() => {
      for (const number of numbers)
        this.db.run('UPDATE packs SET verified = NULL, opened = 0 WHERE number = ?', number);
    });
  }

  /** Notes that a full role has checked every blob of these packs. */
  markOpened(numbers: Iterable<number>): void {
    this.db.transaction(() => {
      for (const number of numbers) this.db.run('UPDATE packs SET opened = 1 WHERE number = ?', number);
    });
  }

  /** Count, bytes and blobs of the packs that are present. */
  totals(): { packs: number; bytes: number; blobs: number } {
    return this.db.one(
      'SELECT count(*) AS packs, ifnull(sum(size), 0) AS bytes, ifnull(sum(blobs), 0) AS blobs FROM packs WHERE present',
    )!;
  }

  private addOne(pack: PackInput): number {
    const name = hexBytes(pack.name);
    const known = this.db.one<{ number: number }>('SELECT number FROM packs WHERE name = ?', name);
    if (known !== undefined) {
      this.db.run(
        `UPDATE packs SET present = (size = ?), opened = max(opened, ?),
           writer = CASE WHEN writer = zeroblob(32) THEN ? ELSE writer END WHERE number = ?`,
        pack.size,
        pack.opened ? 1 : 0,
        hexBytes(pack.writer),
        known.number,
      );
      return known.number;
    }
    const { id } = this.db.run(
      `INSERT INTO packs (name, kind, size, run, writer, opened, blobs, present, tombstoned)
       VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0)`,
      name,
      pack.kind,
      pack.size,
      hexBytes(pack.run),
      hexBytes(pack.writer),
      pack.opened ? 1 : 0,
      pack.blobs,
    );
    this.db.run('INSERT INTO pack_directories (number, directory) VALUES (?, ?)', id, pack.directory);
    return id;
  }
}

interface StoredPack {
  number: bigint;
  name: Uint8Array;
  kind: 'data' | 'meta';
  size: bigint;
  run: Uint8Array;
  writer: Uint8Array;
  opened: bigint;
  blobs: bigint;
  present: bigint;
  tombstoned: bigint;
  verified: bigint | null;
}

function toRow(row: StoredPack): PackRow {
  return {
    number: Number(row.number),
    name: bytesHex(row.name),
    kind: row.kind,
    size: Number(row.size),
    run: bytesHex(row.run),
    writer: bytesHex(row.writer),
    opened: row.opened === 1n,
    blobs: Number(row.blobs),
    present: row.present === 1n,
    tombstoned: row.tombstoned === 1n,
    verified: row.verified ?? undefined,
  };
}
