import type { SnapshotInput } from '../../catalog/index.js';
import { type SnapshotBody, type SnapshotHeader, sealSnapshot } from '../../format/snapshot.js';
import { objectPath } from '../../store/index.js';
import { keepCopy } from '../copies.js';
import { snapshotInput } from '../reconcile.js';
import type { Workshop } from './workshop.js';

/** Puts a snapshot that is made of others into the store. All that it needs must be durable. */
export async function putSnapshot(shop: Workshop, header: SnapshotHeader, body: SnapshotBody): Promise<SnapshotInput> {
  const { catalog, keyring, store } = shop;
  const { name, bytes } = sealSnapshot(keyring, header, body);
  await store.put(objectPath('snapshots', name), bytes);
  keepCopy(catalog, 'snapshots', name, bytes);
  return snapshotInput(name, header, body, keyring.signer());
}
