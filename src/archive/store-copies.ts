import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { parseConfig } from '../format/config-json.js';
import type { StoredSlot } from '../format/slot.js';

/** What a store is unlocked with. */
export interface Locks {
  config: Uint8Array;
  slots: StoredSlot[];
}

/** The copies of config.json and of slots that lie beside the catalog; undefined when there is none of config.json. */
export function readCopies(tableDir: string): Locks | undefined {
  const config = configCopy(tableDir);
  if (config === undefined) return undefined;
  const folder = copiesFolder(tableDir);
  const slots = readdirSync(folder)
    .filter((name) => name.endsWith('.key'))
    .map((name) => ({ name: name.slice(0, -4), bytes: new Uint8Array(readFileSync(join(folder, name))) }));
  return { config, slots };
}

/** The copy of config.json that lies beside the catalog, if there is one. */
export function configCopy(tableDir: string): Uint8Array | undefined {
  const file = join(copiesFolder(tableDir), 'config.json');
  return existsSync(file) ? readFileSync(file) : undefined;
}

/** The copies of slots that lie beside the catalog. */
export function slotCopies(tableDir: string): StoredSlot[] {
  return readCopies(tableDir)?.slots ?? [];
}

/**
 * Copies of config.json and of one's own slot lie beside the catalog: proof of which store it belongs to, and what mends
 * that store if it loses them. So those of another store are never replaced.
 * @param config of the store that was opened
 * @throws UserError (usage) when the copies are another store's
 */
export function keepCopies(tableDir: string, config: Uint8Array, slot: StoredSlot): void {
  if (isOfAnotherStore(tableDir, config))
    throw new UserError(
      ExitCode.usage,
      `the catalog belongs to another store, ${tableDir}; check file_dir, or give this store a table_dir of its own`,
    );
  const folder = copiesFolder(tableDir);
  const files: [name: string, bytes: Uint8Array][] = [
    ['config.json', config],
    [`${slot.name}.key`, slot.bytes],
  ];
  try {
    if (existsSync(folder) && files.every(([name]) => readdirSync(folder).includes(name))) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes, { mode: 0o600 });
  } catch {
    // Only a convenience: reading with the store away needs it.
  }
}

function isOfAnotherStore(tableDir: string, config: Uint8Array): boolean {
  const copy = configCopy(tableDir);
  if (copy === undefined || Buffer.compare(copy, config) === 0) return false;
  try {
    return Buffer.compare(storeIdOf(copy), storeIdOf(config)) !== 0;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function storeIdOf(config: Uint8Array): Uint8Array {
  return parseConfig(Buffer.from(config).toString()).storeId;
}

function copiesFolder(tableDir: string): string {
  return join(tableDir, 'store');
}
