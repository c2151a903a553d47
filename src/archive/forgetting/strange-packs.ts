import type { PackRow } from '../../catalog/index.js';
import { FormatError, UserError } from '../../errors.js';
import { objectPath } from '../../store/index.js';
import { holdSame, ownDirectory, readPackDirectory } from '../pack-directory.js';
import { mayRelyOn } from './opened-packs.js';
import type { Workshop } from './workshop.js';

/**
 * Takes packs into the catalog that the store has and no index names, from their own directories: a killed run left
 * them, or their index was lost. Nobody relies on them before they have been opened.
 * Those that cannot be read are left alone.
 * @returns names of those that were taken
 */
export async function adoptStrangePacks(shop: Workshop): Promise<string[]> {
  const { catalog, reconciled, context } = shop;
  const adopted: string[] = [];
  for (const { name, size } of reconciled.packs) {
    if (catalog.packs.byName(name) !== undefined || reconciled.marks.objects.has(objectPath('packs', name))) continue;
    context.signal.throwIfAborted();
    try {
      catalog.packs.add([await readPackDirectory(shop, name, size)]);
      adopted.push(name);
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof UserError)) throw error;
      context.report.warn(`left alone, as it cannot be read: ${objectPath('packs', name)} (${error.message})`);
    }
  }
  return adopted;
}

/**
 * Compares what indexes say of packs that are to go with what these say themselves, and corrects the catalog: else whoever
 * may add an index could have another's pack deleted by saying that it holds nothing. What a full role wrote or opened is
 * believed.
 * @returns whether anything was corrected
 */
export async function correctBeforeDeleting(shop: Workshop, rows: Iterable<PackRow>): Promise<boolean> {
  const { catalog, context } = shop;
  let any = false;
  for (const row of rows) {
    if (mayRelyOn(shop, row)) continue;
    context.signal.throwIfAborted();
    const own = await ownDirectory(shop, row.name, row.size);
    if (own === undefined || holdSame(own, { ...row, directory: catalog.packs.directory(row.number)! })) continue;
    catalog.packs.correct(row.number, own);
    any = true;
  }
  return any;
}
