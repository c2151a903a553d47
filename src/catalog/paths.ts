import * as fs from 'node:fs';
import { join } from 'node:path';

/** Where a catalog's files lie. */
export interface CatalogFiles {
  dir: string;
  /** The database. */
  database: string;
  /** Locked by the one writer; not empty while it lives, or if it died. */
  lock: string;
  /** Locked, shared, by whoever is about to open the database; alone, by who replaces it. */
  swap: string;
  /** A database being built. */
  building: string;
  /** A finished one, about to take the database's place. */
  ready: string;
}

export function catalogFiles(dir: string): CatalogFiles {
  return {
    dir,
    database: join(dir, 'catalog.db'),
    lock: join(dir, 'catalog.lock'),
    swap: join(dir, 'catalog.swap'),
    building: join(dir, 'catalog.new.db'),
    ready: join(dir, 'catalog.ready.db'),
  };
}

/** Bytes of the catalog in a directory, as its database lies there; 0 when there is none. */
export function catalogSize(dir: string): number {
  return fs.statSync(catalogFiles(dir).database, { throwIfNoEntry: false })?.size ?? 0;
}
