import { sealRecord } from '../../format/record.js';
import { objectPath } from '../../store/index.js';
import { forgetInCatalog } from '../reconcile.js';
import type { Workshop } from './workshop.js';

/** Nanoseconds since 1970, as precise as the clock gives them. */
export function currentTime(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/**
 * Forgets snapshots for good. That they went on purpose is durable before the first of them goes: so nobody takes their
 * absence for a rollback, and if this is cut short, the next run that may prune finishes it.
 */
export async function dropSnapshots(shop: Workshop, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const { store, keyring } = shop;
  const record = sealRecord(keyring, { type: 'forget', time: currentTime(), snapshots: [...names] });
  await store.put(objectPath('records', record.name), record.bytes);
  for (const name of names) await store.delete(objectPath('snapshots', name));
  await forgetInCatalog(shop, [...names]);
}

/** Deletes snapshots that were forgotten or replaced, but are still there because somebody was killed in between. */
export async function dropLeftovers(shop: Workshop): Promise<number> {
  const { leftovers } = shop.reconciled;
  for (const name of leftovers) await shop.store.delete(objectPath('snapshots', name));
  return leftovers.length;
}

/**
 * Puts a record of when the store got its snapshots, as far as none says so yet: what a catalog has seen first must
 * outlive it.
 */
export async function recordReceipts(shop: Workshop): Promise<void> {
  const { catalog, keyring, store, reconciled } = shop;
  const recorded = new Set<string>();
  for (const { name, record, signer } of reconciled.records)
    if (record.type === 'receipt' && reconciled.trust.countsAsFull(signer, name))
      for (const { snapshot } of record.receipts) recorded.add(snapshot);
  const receipts = catalog.snapshots
    .all()
    .filter((row) => row.received !== undefined && !recorded.has(row.name))
    .map((row) => ({ snapshot: row.name, received: row.received! }));
  if (receipts.length === 0) return;
  const record = sealRecord(keyring, { type: 'receipt', time: currentTime(), receipts });
  await store.put(objectPath('records', record.name), record.bytes);
}
