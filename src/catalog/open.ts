import * as fs from 'node:fs';
import { ExitCode, UserError } from '../errors.js';
import { Catalog } from './catalog.js';
import { openConnection } from './connection.js';
import { buildEmpty } from './create.js';
import type { Db } from './database.js';
import { swapIn, WriterLock, withSwapLock } from './files.js';
import { inspectFile, isDamageAtOpen, quickCheck } from './health.js';
import { Meta, readMeta } from './meta.js';
import { migrate, SCHEMA_VERSION, schemaVersion } from './migrate.js';
import { type CatalogFiles, catalogFiles } from './paths.js';

export interface OpenOptions {
  /** The configuration's `table_dir`. */
  dir: string;
  /** Hex; the catalog of another store is refused. */
  storeId: string;
  /** `write` takes the lock: one writer at a time. Readers take none and see what is committed. */
  access: 'read' | 'write';
  /** Make the catalog when there is none (only for `write`). */
  create?: boolean;
  /** How long to wait for another writer, in milliseconds. Default 0. */
  waitLock?: number;
}

/** What opening found. `missing` and `damaged` catalogs are rebuilt from the store (beginRebuild). */
export type OpenOutcome =
  | { kind: 'ok'; catalog: Catalog; created: boolean; unclean: boolean; migrated: boolean }
  | { kind: 'missing' }
  | { kind: 'damaged'; reason: string };

/**
 * Opens the catalog in a directory.
 *
 * A quick look decides whether it is whole: the file's header and size, its schema, what it says of itself. The whole
 * database is checked only after a writer did not end properly (`unclean`).
 * @throws UserError locked: another run writes; usage: made by a newer version, or for another store
 */
export async function openCatalog(options: OpenOptions): Promise<OpenOutcome> {
  const files = catalogFiles(options.dir);
  if (options.access === 'read') return openToRead(files, options.storeId);
  const lock = await WriterLock.take(files, options.waitLock ?? 0);
  try {
    const outcome = await openToWrite(files, options, lock);
    if (outcome.kind !== 'ok') lock.release(false);
    return outcome;
  } catch (error) {
    lock.release(false);
    throw error;
  }
}

/** Opens it under the lock, which the catalog then holds until it is closed. */
export async function openToWrite(
  files: CatalogFiles,
  options: Pick<OpenOptions, 'storeId' | 'create'>,
  lock: WriterLock,
): Promise<OpenOutcome> {
  let created = false;
  if (isMissing(files.database)) {
    if (!fs.existsSync(files.ready)) {
      if (options.create !== true) return { kind: 'missing' };
      buildEmpty(files, options.storeId);
      created = true;
    }
    await withSwapLock(files, 'exclusive', () => swapIn(files));
  }
  const unclean = lock.afterUncleanEnd;
  const opened = await withSwapLock(files, 'shared', () => examine(files, 'write', options.storeId, unclean));
  if (opened.kind !== 'ok') return opened;
  lock.markBusy();
  const catalog = new Catalog(opened.db, files.database, () => lock.release(true), lock.usedBefore);
  catalog.runs.discardUnsealed();
  return { kind: 'ok', catalog, created, unclean, migrated: opened.migrated };
}

async function openToRead(files: CatalogFiles, storeId: string): Promise<OpenOutcome> {
  if (isMissing(files.database)) return { kind: 'missing' };
  const mark = WriterLock.markOfDeadWriter(files);
  const unclean = mark !== undefined;
  const opened = await withSwapLock(files, 'shared', () => examine(files, 'read', storeId, unclean));
  if (opened.kind !== 'ok') return opened;
  if (unclean) WriterLock.clearMark(files, mark);
  const catalog = new Catalog(opened.db, files.database, () => {});
  return { kind: 'ok', catalog, created: false, unclean, migrated: opened.migrated };
}

function isMissing(path: string): boolean {
  return (fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

type Examined = { kind: 'ok'; db: Db; migrated: boolean } | { kind: 'damaged'; reason: string };

/** Opens the database and decides whether it is whole and the right one. */
function examine(files: CatalogFiles, access: 'read' | 'write', storeId: string, thorough: boolean): Examined {
  const seen = inspectFile(files.database);
  if (seen !== undefined) return { kind: 'damaged', reason: seen };
  let db: Db | undefined;
  try {
    db = openConnection(files.database, access);
    const older = refuseNewer(db, files);
    const migrated = older && migrateFile(files);
    if (older && !migrated) return fail(db, 'it was made by an older version that cannot be brought up to date');
    if (thorough) {
      const found = quickCheck(db);
      if (found !== undefined) return fail(db, found);
    }
    const owner = readMeta(db, Meta.storeId);
    if (
      owner === undefined ||
      readMeta(db, Meta.catalogId) === undefined ||
      readMeta(db, Meta.generation) === undefined
    )
      return fail(db, 'it does not say which store it belongs to');
    if (owner !== storeId) {
      throw new UserError(
        ExitCode.usage,
        `the catalog belongs to another store, ${files.database}; give this store a table_dir of its own`,
      );
    }
    return { kind: 'ok', db, migrated };
  } catch (error) {
    db?.raw.close();
    if (isDamageAtOpen(error)) return { kind: 'damaged', reason: (error as Error).message };
    throw error;
  }
}

/** Whether the schema is an older one; a newer one is refused. */
function refuseNewer(db: Db, files: CatalogFiles): boolean {
  const version = schemaVersion(db);
  if (version > SCHEMA_VERSION) {
    throw new UserError(
      ExitCode.usage,
      `the catalog was made by a newer version of this program, ${files.database}; update it`,
    );
  }
  return version < SCHEMA_VERSION;
}

/** Brings an older catalog up to date, through a connection of its own, since a reader's may not write. */
function migrateFile(files: CatalogFiles): boolean {
  const db = openConnection(files.database, 'write');
  try {
    return migrate(db);
  } finally {
    db.raw.close();
  }
}

function fail(db: Db, reason: string): Examined {
  db.raw.close();
  return { kind: 'damaged', reason };
}
