import * as fs from 'node:fs';
import { openForBuilding, sealBuilt } from './connection.js';
import type { Db } from './database.js';
import { createPrivateFile, removeDatabase, syncPath } from './files.js';
import { initialiseMeta } from './meta.js';
import { createDeferredIndexes, createSchema } from './migrate.js';
import type { CatalogFiles } from './paths.js';

/** A new database beside the current one, without its deferred indexes, for one catalog of this store. */
export function startBuilding(files: CatalogFiles, storeId: string): Db {
  removeDatabase(files.building);
  removeDatabase(files.ready);
  createPrivateFile(files.building);
  const db = openForBuilding(files.building);
  createSchema(db);
  initialiseMeta(db, storeId);
  return db;
}

/** Completes it: afterwards `files.ready` is a whole, durable database, to be swapped in. */
export function finishBuilding(files: CatalogFiles, db: Db): void {
  createDeferredIndexes(db);
  sealBuilt(db);
  syncPath(files.building);
  fs.renameSync(files.building, files.ready);
  syncPath(files.dir);
}

/** An empty catalog in `files.ready`. */
export function buildEmpty(files: CatalogFiles, storeId: string): void {
  finishBuilding(files, startBuilding(files, storeId));
}
