import { type ByteString, fromDisplay } from '../bytes.js';
import type { Config } from '../config/types.js';
import { storeKind } from '../store/index.js';

/** What no backup takes in: the catalog's folder and the store, where it lies on this machine. */
export function neverSaved({ tableDir, store }: Config): ByteString[] {
  return [fromDisplay(tableDir), ...(storeKind(store.url) === 'local' ? [fromDisplay(store.url)] : [])];
}
