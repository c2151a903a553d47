import Database from 'better-sqlite3';
import { Db } from './database.js';

/**
 * Size of the database's pages, measured on a million paths with 100 snapshots (bench/micro/catalog.mjs): rows of
 * segments take about 5 KB, so that pages of 4 KB spread most of them over chains of three.
 */
const PAGE_SIZE = 8192;

const BUSY_TIMEOUT_MS = 10_000;
/** Page cache of a catalog in use, and of one that is built at one go. */
const CACHE_KIB = 8 * 1024;
const BUILD_CACHE_KIB = 32 * 1024;
/** The log is cut back to this after a checkpoint. */
const LOG_LIMIT = 32 * 1024 * 1024;
/** Pages in the log before a commit moves them into the database. */
const CHECKPOINT_PAGES = 2000;

/**
 * Opens a catalog's database.
 *
 * The journal is a write-ahead log, so that queries go on during a run. `synchronous = NORMAL`: a commit is in the
 * kernel's hands, so it survives the death of the process; it is not synced, so a power failure may undo the latest
 * ones, but never leaves half of one, since each frame of the log has a checksum and the log is synced before its pages
 * move into the database. What is lost so is only work to do again: a pack row or a completed run is found in the store.
 * What must come before a write to the store is committed by `Db.durably`.
 */
export function openConnection(path: string, access: 'read' | 'write'): Db {
  if (access === 'write') return configure(new Database(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS }));
  let raw: Database.Database;
  try {
    // Not read-only: a reader may have to recover the log of a killed writer.
    raw = new Database(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    raw.pragma('query_only = ON');
    return configure(raw);
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || !/^SQLITE_(READONLY|CANTOPEN|PERM)/.test(error.code)) throw error;
    return configure(new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS }));
  }
}

function configure(raw: Database.Database): Db {
  try {
    raw.pragma('synchronous = NORMAL');
    raw.pragma('foreign_keys = ON');
    raw.pragma(`cache_size = -${CACHE_KIB}`);
    raw.pragma(`journal_size_limit = ${LOG_LIMIT}`);
    raw.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    // Reads the schema, and so opens the log; a file that is no database fails here.
    raw.prepare('SELECT count(*) FROM sqlite_schema').get();
    return new Db(raw);
  } catch (error) {
    raw.close();
    throw error;
  }
}

/**
 * Opens an empty file to be filled as a whole: nothing is synced or logged on the disk, a crash leaves a file to throw
 * away. `seal` makes it whole and durable.
 */
export function openForBuilding(path: string, pageSize = PAGE_SIZE): Db {
  const raw = new Database(path, { fileMustExist: true });
  raw.pragma(`page_size = ${pageSize}`);
  raw.pragma('journal_mode = MEMORY');
  raw.pragma('synchronous = OFF');
  raw.pragma('locking_mode = EXCLUSIVE');
  raw.pragma('foreign_keys = ON');
  raw.pragma(`cache_size = -${BUILD_CACHE_KIB}`);
  return new Db(raw);
}

/** Makes a database that was opened for building one that `openConnection` opens; closes it. */
export function sealBuilt(db: Db): void {
  db.raw.pragma('locking_mode = NORMAL');
  db.raw.pragma('journal_mode = DELETE');
  // The switch to a log is one write to the header, which sets it for everyone who opens the file.
  db.raw.pragma('synchronous = FULL');
  db.raw.pragma('journal_mode = WAL');
  db.raw.pragma('wal_checkpoint(TRUNCATE)');
  db.raw.close();
}
