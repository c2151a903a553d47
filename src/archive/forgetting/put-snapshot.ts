import type { SnapshotInput } from '../../catalog/index.js';
import { ExitCode, UserError } from '../../errors.js';
import { type SnapshotBody, type SnapshotHeader, sealSnapshot } from '../../format/snapshot.js';
import { objectPath } from '../../store/index.js';
import { keepCopy } from '../copies.js';
import { clearOwnPending, noteOwnPending } from '../own-pending.js';
import { snapshotInput } from '../reconcile.js';
import { dropPending, isShared, settleShared } from '../settle-shared.js';
import type { Workshop } from './workshop.js';

/**
 * Puts a snapshot that is made of others into the store. All that it needs must be durable. In a shared store it is
 * pending, and replaces nothing, until `settlePut`.
 */
export async function putSnapshot(
  shop: Workshop,
  header: Omit<SnapshotHeader, 'pending'>,
  body: SnapshotBody,
): Promise<SnapshotInput> {
  const { keyring, store, catalog } = shop;
  const pending = isShared(shop);
  const { name, bytes } = sealSnapshot(keyring, { ...header, pending }, body);
  if (pending) noteOwnPending(catalog, [name]);
  await store.put(objectPath('snapshots', name), bytes);
  keepCopy(catalog, 'snapshots', name, bytes);
  return snapshotInput(name, { ...header, pending: false }, body, keyring.signer());
}

/**
 * Makes what was just put count, in the order given. What it replaces may go after that.
 * @throws UserError when others have pruned what it needs: it is taken back, and nothing has gone
 */
export async function settlePut(shop: Workshop, snapshots: readonly SnapshotInput[]): Promise<void> {
  if (!isShared(shop) || snapshots.length === 0) return;
  const names = snapshots.map(({ name }) => name);
  if (await settleShared(shop, snapshots, 'put')) {
    clearOwnPending(shop.catalog, names);
    return;
  }
  await dropPending(shop, names);
  throw new UserError(
    ExitCode.failed,
    `another machine forgot or pruned what rewritten snapshots are made of, ${shop.store.url}; nothing was changed: run it again`,
  );
}
