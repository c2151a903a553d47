import { ExitCode, UserError } from '../errors.js';
import type { Context } from './context.js';
import type { Reconciled } from './reconcile.js';
import type { ReconcileParts } from './reconcile-packs.js';

/**
 * Says which certificates are lost, and what that means. A reader is not concerned by those that its catalog has copies of.
 */
export function tellLostCertificates(
  context: Context,
  { missing, uncertified }: Reconciled,
  access: 'read' | 'write',
): void {
  const { url } = context.config.store;
  const gone = missing.filter(({ folder }) => folder === 'certs').length;
  if (gone > 0 && access === 'write')
    context.attention(
      `${gone} certificate(s) are gone from the store, ${url}: without this catalog nothing counts that their keys signed; run 'backup-ninja check --repair'`,
    );
  if (uncertified.size > 0)
    context.attention(
      `${uncertified.size} key(s) have no certificate in the store, ${url}: what they signed does not count; 'backup-ninja check' tells more`,
    );
}

/**
 * Refuses a key that nobody would believe what it writes. One that may only read is for others to refuse.
 * @throws UserError (exit 12)
 */
export function requireStanding({ context, keyring }: ReconcileParts, { trust, uncertified }: Reconciled): void {
  if (!keyring.canWrite) return;
  const { store, keyPath } = context.config;
  const signer = keyring.signer();
  if (uncertified.has(signer))
    throw new UserError(
      ExitCode.wrongKey,
      `this key has lost its certificate, so what it writes would count for nothing, ${store.url}; ${cureFor(keyring.isFull)}`,
    );
  // No revocation has accepted by name what is yet to be written.
  if (trust.roleOf(signer, '') === undefined)
    throw new UserError(
      ExitCode.wrongKey,
      `this key was removed from the store, so what it writes would count for nothing, ${keyPath}; use another with key_path`,
    );
}

/**
 * Refuses a source that this key's certificate does not name: what it wrote of that would be foreign to everybody.
 * @throws UserError (exit 12)
 */
export function requireMayWrite(
  { context, keyring }: ReconcileParts,
  { trust }: Pick<Reconciled, 'trust'>,
  source: string,
): void {
  const signer = keyring.signer();
  if (trust.mayWrite(signer, source, '')) return;
  const may = trust.sourcesOf(signer).join(', ');
  throw new UserError(
    ExitCode.wrongKey,
    `this key may write backups of ${may} only, not of ${source}, ${context.config.keyPath}; set "source" in ${context.configFile} to what it may write, or have a full key make one for ${source} ('backup-ninja key add --role backup --source ${source}')`,
  );
}

/** What brings a key's certificate back. */
export function cureFor(isFull: boolean): string {
  return isFull
    ? "run 'backup-ninja check --repair' with it"
    : "run 'backup-ninja check --repair' on a machine with a full key whose catalog has seen it, or bring the folder 'certs' back from a copy of the store";
}
