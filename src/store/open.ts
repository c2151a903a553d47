import { ExitCode, UserError } from '../errors.js';
import { LocalStore } from './local.js';
import type { ObjectStore, OpenOptions } from './object-store.js';

/** The scheme of a store's URL, or `local` for a path. A single letter before the colon is a drive. */
export function storeKind(url: string): string {
  const match = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(url);
  return match === null ? 'local' : match[1].toLowerCase();
}

/**
 * Opens the store at a path or URL.
 * @throws StoreError `absent` when there is no store (an unmounted disk looks like that too) and `no-config` when there are
 *   objects without config.json, unless `options.create`; others when it cannot be reached; UserError 2 for an unknown kind
 *   of URL.
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<ObjectStore> {
  const kind = storeKind(url);
  if (kind === 'local') return LocalStore.open(url, options);
  throw new UserError(ExitCode.usage, `unknown kind of store, '${kind}:'; expected a path`);
}
