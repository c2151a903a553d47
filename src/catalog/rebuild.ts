import { Catalog } from './catalog.js';
import { finishBuilding, startBuilding } from './create.js';
import type { Db } from './database.js';
import { removeDatabase, swapIn, WriterLock, withSwapLock } from './files.js';
import { type OpenOptions, openToWrite } from './open.js';
import { type CatalogFiles, catalogFiles } from './paths.js';

/** A catalog being made anew, beside the one that it will replace. */
export class Rebuild {
  /** Fill this one. Its queries and `forget` work only after `finish`. */
  readonly catalog: Catalog;
  private readonly files: CatalogFiles;
  private readonly storeId: string;
  private readonly lock: WriterLock;
  private readonly db: Db;

  constructor(files: CatalogFiles, storeId: string, lock: WriterLock) {
    this.files = files;
    this.storeId = storeId;
    this.lock = lock;
    this.db = startBuilding(files, storeId);
    this.catalog = new Catalog(this.db, files.building, () => {});
  }

  /**
   * Puts the new catalog in the place of the old one: a crash leaves either, whole. Who reads the old one goes on
   * doing so.
   * @returns it, opened for writing; it holds the lock now
   */
  async finish(): Promise<Catalog> {
    finishBuilding(this.files, this.db);
    await withSwapLock(this.files, 'exclusive', () => swapIn(this.files));
    const outcome = await openToWrite(this.files, { storeId: this.storeId }, this.lock);
    if (outcome.kind !== 'ok') throw new Error('a catalog that was just made does not open');
    return outcome.catalog;
  }

  /** Throws the new one away; the old one stays as it is. */
  abort(): void {
    this.catalog.close();
    removeDatabase(this.files.building);
    this.lock.release(false);
  }
}

/**
 * Begins a catalog from nothing, to be filled from the store. It is built beside the one in the directory, which may
 * be damaged, and which stays until the end.
 * @throws UserError (locked) while another run writes
 */
export async function beginRebuild(options: Pick<OpenOptions, 'dir' | 'storeId' | 'waitLock'>): Promise<Rebuild> {
  const files = catalogFiles(options.dir);
  const lock = await WriterLock.take(files, options.waitLock ?? 0);
  try {
    return new Rebuild(files, options.storeId, lock);
  } catch (error) {
    lock.release(false);
    throw error;
  }
}
