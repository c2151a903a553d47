import { importKeyring } from '../../crypto/keyring.js';
import { native } from '../../crypto/native.js';
import { openStore } from '../../store/index.js';
import { knownIdReader } from '../blob-index.js';
import { ClaimTable } from './claim-table.js';
import { Ingester } from './ingester.js';
import type { IngestSetup } from './messages.js';

/** Makes the ingester of a worker thread. */
export async function startIngester(setup: IngestSetup): Promise<Ingester> {
  return new Ingester({
    store: await openStore(setup.storeUrl, setup.storeOptions),
    keyring: importKeyring(native, setup.keyring),
    origin: setup.origin,
    claims: new ClaimTable(setup.claims, knownIdReader(setup.knownIds)),
    chunkers: setup.chunkers,
    level: setup.level,
  });
}
