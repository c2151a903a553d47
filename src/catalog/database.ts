import type Database from 'better-sqlite3';
import { ExitCode, UserError } from '../errors.js';

/** What a statement may be given. */
export type Value = string | number | bigint | Uint8Array | null;

/** An open database with its prepared statements, each prepared once. */
export class Db {
  readonly raw: Database.Database;
  private readonly statements = new Map<string, Database.Statement>();

  constructor(raw: Database.Database) {
    this.raw = raw;
  }

  /** The first row, if any. */
  one<T>(sql: string, ...values: Value[]): T | undefined {
    return this.prepare(sql).get(...values) as T | undefined;
  }

  /** All rows. */
  all<T>(sql: string, ...values: Value[]): T[] {
    return this.prepare(sql).all(...values) as T[];
  }

  /** The first row with its integers as bigint. */
  oneBig<T>(sql: string, ...values: Value[]): T | undefined {
    return this.prepare(sql, true).get(...values) as T | undefined;
  }

  /** All rows with their integers as bigint. */
  allBig<T>(sql: string, ...values: Value[]): T[] {
    return this.prepare(sql, true).all(...values) as T[];
  }

  /** Runs a statement that returns nothing. */
  run(sql: string, ...values: Value[]): { changes: number; id: number } {
    try {
      const { changes, lastInsertRowid } = this.prepare(sql).run(...values);
      return { changes, id: Number(lastInsertRowid) };
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_FULL') throw error;
      throw new UserError(
        ExitCode.failed,
        `the disk of the catalog is full, ${this.raw.name}; make room there and run it again`,
        { cause: error },
      );
    }
  }

  /** Runs `work` in one transaction, which an error undoes as a whole. Inside another one it just joins it. */
  transaction<T>(work: () => T): T {
    if (this.raw.inTransaction) return work();
    this.run('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.run('COMMIT');
      return result;
    } catch (error) {
      if (this.raw.inTransaction) this.run('ROLLBACK');
      throw error;
    }
  }

  /**
   * The same for work that waits for something. What else uses this database meanwhile is part of it; there may be no
   * other transaction around.
   */
  async longTransaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.raw.inTransaction) throw new Error('a long transaction cannot be part of another one');
    this.run('BEGIN IMMEDIATE');
    try {
      const result = await work();
      this.run('COMMIT');
      return result;
    } catch (error) {
      if (this.raw.inTransaction) this.run('ROLLBACK');
      throw error;
    }
  }

  /** Runs `work` in a transaction that is on the disk, not only safe from the death of this process, on return. */
  durably<T>(work: () => T): T {
    const before = this.raw.pragma('synchronous', { simple: true });
    // A database being built is made durable as a whole when it is finished.
    if (before === 0) return this.transaction(work);
    this.raw.pragma('synchronous = FULL');
    try {
      return this.transaction(work);
    } finally {
      this.raw.pragma(`synchronous = ${before}`);
    }
  }

  private prepare(sql: string, big = false): Database.Statement {
    const key = big ? `big ${sql}` : sql;
    const known = this.statements.get(key);
    if (known !== undefined) return known;
    const statement = this.raw.prepare(sql);
    if (big) statement.safeIntegers(true);
    this.statements.set(key, statement);
    return statement;
  }
}

/** A hex string as the bytes that the database holds. */
export function hexBytes(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

/** Bytes from the database as a hex string. */
export function bytesHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
