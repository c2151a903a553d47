import * as fs from 'node:fs';
import Database from 'better-sqlite3';
import type { Db } from './database.js';

/** Marks the file as a catalog (`BKNC`). */
export const APPLICATION_ID = 0x424b4e43;

const MAGIC = 'SQLite format 3\0';

/**
 * What is wrong with a database file as far as its first bytes and its size tell, without opening it.
 * Layout: sqlite.org/fileformat2.html, section 1.3.
 */
export function inspectFile(path: string): string | undefined {
  const fd = fs.openSync(path, 'r');
  try {
    const header = Buffer.alloc(100);
    const size = fs.fstatSync(fd).size;
    if (fs.readSync(fd, header, 0, 100, 0) < 100) return 'the file is cut off';
    if (header.toString('latin1', 0, 16) !== MAGIC) return 'the file is not a database';
    if (header.readUInt32BE(68) !== APPLICATION_ID) return 'the file is not a catalog';
    const pageSize = header.readUInt16BE(16) === 1 ? 65536 : header.readUInt16BE(16);
    const pages = header.readUInt32BE(28);
    const countHolds = header.readUInt32BE(24) === header.readUInt32BE(92);
    // With a log beside it the file may lag behind its header.
    const log = fs.statSync(`${path}-wal`, { throwIfNoEntry: false });
    if (countHolds && (log === undefined || log.size === 0) && size < pages * pageSize) return 'the file is cut off';
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** What SQLite finds wrong in the whole database; reads all of it. */
export function quickCheck(db: Db): string | undefined {
  const result = db.raw.pragma('quick_check(1)', { simple: true });
  return result === 'ok' ? undefined : String(result).split('\n').join(' ');
}

const DAMAGE = /^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ)/;

/** Whether an error means that the database is damaged: the catalog is to be rebuilt. */
export function isDamage(error: unknown): boolean {
  return error instanceof Database.SqliteError && DAMAGE.test(error.code);
}

/** Whether an error of opening means so; there, a missing table or column does too. */
export function isDamageAtOpen(error: unknown): boolean {
  return isDamage(error) || (error instanceof Database.SqliteError && error.code === 'SQLITE_ERROR');
}
