import * as fs from 'node:fs';
import type { Db } from './database.js';
import { APPLICATION_ID } from './health.js';

/** The schema that this program writes (`PRAGMA user_version`). */
export const SCHEMA_VERSION = 4;

/** One step: from schema `n` to `n + 1`, where `n` is its key. A version without a step is rebuilt instead. */
export type Migrations = Readonly<Record<number, (db: Db) => void>>;

export const MIGRATIONS: Migrations = {};

/**
 * Brings an older schema up to `target`, each step in a transaction with its new number.
 * @returns false if some step does not exist; then nothing before it is undone, and the catalog needs a rebuild
 */
export function migrate(db: Db, target = SCHEMA_VERSION, steps: Migrations = MIGRATIONS): boolean {
  for (let version = schemaVersion(db); version < target; version++) {
    const step = steps[version];
    if (step === undefined) return false;
    db.transaction(() => {
      step(db);
      db.raw.pragma(`user_version = ${version + 1}`);
    });
  }
  return true;
}

export function schemaVersion(db: Db): number {
  return db.raw.pragma('user_version', { simple: true }) as number;
}

/** Makes all tables, and the indexes but for the deferred ones, in an empty database. */
export function createSchema(db: Db): void {
  db.transaction(() => {
    db.raw.exec(schemaParts().tables);
    db.raw.pragma(`application_id = ${APPLICATION_ID}`);
    db.raw.pragma(`user_version = ${SCHEMA_VERSION}`);
  });
}

/** Makes the indexes that are quicker to build when the tables are full. */
export function createDeferredIndexes(db: Db): void {
  db.transaction(() => db.raw.exec(schemaParts().deferred));
}

const DEFERRED = '-- deferred';

function schemaParts(): { tables: string; deferred: string } {
  const text = fs.readFileSync(schemaFile(), 'utf8');
  const at = text.indexOf(DEFERRED);
  return { tables: text.slice(0, at), deferred: text.slice(at) };
}

/** schema.sql lies at the top of the package, seen from src/catalog or from dist/src/catalog. */
function schemaFile(): URL {
  const beside = new URL('../../schema.sql', import.meta.url);
  return fs.existsSync(beside) ? beside : new URL('../../../schema.sql', import.meta.url);
}
