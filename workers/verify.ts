import { startVerifier } from '../src/archive/verify/start.js';
import type { PackToVerify, PackVerifier } from '../src/archive/verify/verify-pack.js';
import { workerEntry } from '../src/archive/worker-entry.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

/** Piscina entry: verifies a pack. */
export default workerEntry(startVerifier, (verifier: PackVerifier, pack: PackToVerify) => verifier.verify(pack));
