import { beginRebuild, type Catalog, isDamage, openCatalog } from '../catalog/index.js';
import type { Keyring } from '../crypto/keyring.js';
import { FormatError, UserError } from '../errors.js';
import { openCert } from '../format/cert.js';
import { letHeapGrow } from '../platform/index.js';
import type { ObjectStore } from '../store/index.js';
import type { Context } from './context.js';
import { copiedNames, copyOf, keepCopy } from './copies.js';
import { type Reconciled, reconcile } from './reconcile.js';

/**
 * Makes the catalog anew from the store alone: the same merge as at every start, into an empty catalog. Only the copies of
 * certificates go over from the one that it replaces, which may be the last to have them.
 */
export async function newRebuild(
  context: Context,
  store: ObjectStore,
  keyring: Keyring,
): Promise<{ catalog: Catalog; reconciled: Reconciled }> {
  letHeapGrow();
  const certs = await copiesOfCerts(context, keyring);
  const rebuild = await beginRebuild({
    dir: context.config.tableDir,
    storeId: keyring.storeIdHex,
    waitLock: context.waitLock,
  });
  try {
    for (const { name, bytes } of certs) keepCopy(rebuild.catalog, 'certs', name, bytes);
    const reconciled = await reconcile({ context, store, keyring, catalog: rebuild.catalog }, { rollback: 'stop' });
    return { catalog: await rebuild.finish(), reconciled };
  } catch (error) {
    rebuild.abort();
    throw error;
  }
}

/** The copies of certificates that the catalog has which is there, if it can be read. */
async function copiesOfCerts({ config }: Context, keyring: Keyring): Promise<{ name: string; bytes: Uint8Array }[]> {
  let catalog: Catalog | undefined;
  try {
    const outcome = await openCatalog({ dir: config.tableDir, storeId: keyring.storeIdHex, access: 'read' });
    if (outcome.kind !== 'ok') return [];
    ({ catalog } = outcome);
    const copies = [...copiedNames(catalog, 'certs')].map((name) => ({
      name,
      bytes: copyOf(outcome.catalog, 'certs', name),
    }));
    return copies.filter((copy): copy is { name: string; bytes: Uint8Array } => isCert(keyring, copy.bytes));
  } catch (error) {
    // A catalog that is being replaced may be damaged in any way.
    if (error instanceof UserError || isDamage(error)) return [];
    throw error;
  } finally {
    catalog?.close();
  }
}

function isCert(keyring: Keyring, bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  try {
    openCert(keyring, bytes);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
