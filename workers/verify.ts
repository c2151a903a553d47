import { workerData } from 'node:worker_threads';
import { type PackVerifyTask, startVerifier, type VerifySetup } from '../src/archive/verify/start.js';
import type { PackVerdict } from '../src/archive/verify/verify-pack.js';
import { carryingErrors } from '../src/archive/worker-errors.js';
import { nativeAvailable } from '../src/platform/index.js';

// Loads libc's binding before the thread counts as started: see startThreads.
nativeAvailable();

const verifier = startVerifier(workerData as VerifySetup);
// A failure is told by each task; without one it is nobody's.
verifier.catch(() => undefined);

/** Piscina entry: verifies a few packs. */
export default function verify(task: PackVerifyTask): Promise<PackVerdict[]> {
  return carryingErrors(async () => {
    const verdicts: PackVerdict[] = [];
    for (const pack of task.packs) verdicts.push(await (await verifier).verify(pack));
    return verdicts;
  });
}
