import type { PackRow } from '../../catalog/index.js';
import { objectPath } from '../../store/index.js';
import { PackVerifier } from '../verify/verify-pack.js';
import type { PackUse } from './prune-plan.js';
import type { Workshop } from './workshop.js';

/** Whether a full role, or this catalog, has compared every blob of a pack with its id. */
export function isOpened(row: PackRow): boolean {
  return row.opened || row.verified !== undefined;
}

/** What a full key wrote itself need not be opened again. */
export function mayRelyOn({ reconciled }: Workshop, row: PackRow): boolean {
  return isOpened(row) || reconciled.trust.countsAsFull(row.writer, row.name);
}

/**
 * Opens packs and compares every blob with its id. Those that are right count as opened from now on.
 * @returns names of the others
 */
export async function openPacks(shop: Workshop, packs: readonly PackUse[]): Promise<string[]> {
  const { catalog, context, keyring, store } = shop;
  const verifier = new PackVerifier(store, keyring);
  const wrong: string[] = [];
  for (const { row } of packs) {
    context.signal.throwIfAborted();
    const directory = catalog.packs.directory(row.number)!;
    const verdict = await verifier.verify({ name: row.name, kind: row.kind, directory });
    if (verdict.problems.length === 0 && verdict.lostIds.length === 0) catalog.packs.markOpened([row.number]);
    else {
      context.report.warn(`damaged: ${objectPath('packs', row.name)}; run 'backup-ninja check --read-data'`);
      wrong.push(row.name);
    }
  }
  return wrong;
}
