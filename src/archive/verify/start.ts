import { importKeyring, type KeyringData } from '../../crypto/keyring.js';
import { native } from '../../crypto/native.js';
import { openStore } from '../../store/index.js';
import { PackVerifier } from './verify-pack.js';

/** What a verify worker is started with. */
export interface VerifySetup {
  storeUrl: string;
  tableDir: string;
  keyring: KeyringData;
}

/** Makes the verifier of a worker thread. */
export async function startVerifier(setup: VerifySetup): Promise<PackVerifier> {
  const store = await openStore(setup.storeUrl, {
    tableDir: setup.tableDir,
    command: 'check',
    withoutConfig: true,
  });
  return new PackVerifier(store, importKeyring(native, setup.keyring));
}
