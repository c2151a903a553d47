import { importKeyring } from '../../crypto/keyring.js';
import { native } from '../../crypto/native.js';
import { openStore } from '../../store/index.js';
import { Extractor } from './extractor.js';
import type { ExtractSetup } from './messages.js';

/** Makes the extractor of a worker thread. */
export async function startExtractor(setup: ExtractSetup): Promise<Extractor> {
  return new Extractor({
    store: await openStore(setup.storeUrl, setup.storeOptions),
    keyring: importKeyring(native, setup.keyring),
    verify: setup.verify,
  });
}
