import { randomBytes } from 'node:crypto';
import type { Db } from './database.js';

/** Names of the catalog's own facts; those of callers begin with `x-`. */
export const Meta = {
  storeId: 'store-id',
  catalogId: 'catalog-id',
  generation: 'generation',
  runsCompleted: 'runs-completed',
  untested: 'untested',
} as const;

export function readMeta(db: Db, key: string): string | undefined {
  return db.one<{ value: string }>('SELECT value FROM meta WHERE key = ?', key)?.value;
}

export function writeMeta(db: Db, key: string, value: string | undefined): void {
  if (value === undefined) db.run('DELETE FROM meta WHERE key = ?', key);
  else db.run('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, value);
}

/** Binds a new catalog to its store and gives it an identity. */
export function initialiseMeta(db: Db, storeId: string): void {
  db.transaction(() => {
    writeMeta(db, Meta.storeId, storeId);
    writeMeta(db, Meta.catalogId, randomBytes(16).toString('hex'));
    writeMeta(db, Meta.generation, randomBytes(8).toString('hex'));
    writeMeta(db, Meta.runsCompleted, '0');
  });
}
