import type { ByteString } from '../bytes.js';
import { KeyReader, writeKey } from '../format/path-keys.js';
import { ByteReader, ByteWriter } from '../format/varint.js';
import { type Db, hexBytes } from './database.js';
import type { KeyRange } from './keys.js';

/** A path that differs between two snapshots, and in what. */
export interface Change {
  key: ByteString;
  /** A sum of aspects. */
  aspects: number;
}

/** Bytes of a step in one row. */
const PART_BYTES = 64 * 1024;

/**
 * Steps: how a snapshot differs from the one before it, noted while its listing is merged, when that is known anyway.
 * A step is named by its two snapshots, whose names say what they hold, so it is never wrong; it goes with either. One
 * that is missing (something between the two was forgotten) is made of the intervals again: see queries/diff.ts.
 *
 * Its bytes: for each path, in key order, the key as in segments and a byte with the sum of its aspects.
 */
export class StepWriter {
  private readonly db: Db;
  private readonly before: Uint8Array;
  private readonly after: Uint8Array;
  private readonly part = new ByteWriter(PART_BYTES + 4096);
  private parts = 0;
  private previous: ByteString = '';

  /** @param before name of the older snapshot @param after of the newer, which may be added later in the transaction */
  constructor(db: Db, before: string, after: string) {
    this.db = db;
    this.before = hexBytes(before);
    this.after = hexBytes(after);
    // What a snapshot was told of before it was taken out, and applied again.
    db.run('DELETE FROM steps WHERE after = ?', this.after);
  }

  /** Adds the next path in key order. One that differs in nothing is passed over. */
  add(key: ByteString, aspects: number): void {
    if (aspects === 0) return;
    writeKey(this.part, this.previous, key);
    this.part.byte(aspects);
    this.previous = key;
    if (this.part.size >= PART_BYTES) this.flush();
  }

  /** Writes the rest. A step without changes has a part, too: it is known that there are none. */
  finish(): void {
    this.flush();
  }

  private flush(): void {
    this.db.run(
      'INSERT INTO steps (before, after, part, changes) VALUES (?, ?, ?, ?)',
      this.before,
      this.after,
      this.parts++,
      this.part.take(),
    );
    this.part.reset();
    this.previous = '';
  }
}

/** The step from one snapshot to another, in key order; undefined if it is not known. Names are hex. */
export function readStep(db: Db, before: string, after: string, range: KeyRange): Change[] | undefined {
  const parts = db.all<{ changes: Uint8Array }>(
    'SELECT changes FROM steps WHERE after = ? AND before = ? ORDER BY part',
    hexBytes(after),
    hexBytes(before),
  );
  if (parts.length === 0) return undefined;
  const found: Change[] = [];
  for (const { changes } of parts) {
    const reader = new ByteReader(changes);
    const keys = new KeyReader(reader);
    while (!reader.done) {
      const key = keys.next();
      const aspects = reader.byte();
      if (key >= range.from && key < range.to) found.push({ key, aspects });
    }
  }
  return found;
}
