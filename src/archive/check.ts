import { examine } from './check/examine.js';
import { checkObjects } from './check/keyless.js';
import { repair } from './check/repair.js';
import type { Context } from './context.js';
import { worthStartingEarly } from './early-threads.js';
import { openRepository } from './repository.js';
import type { CheckOptions, CheckResult } from './types.js';
import { startVerifyThreads } from './verify/threads.js';
import type { ThreadPool } from './worker-pool.js';

/**
 * Whether store and catalog agree and everything needed is there; with `readData`, whether every byte is as promised.
 * With `repair`, what is wrong is mended as far as it can be, and what is left is told.
 */
export async function check(context: Context, options: CheckOptions): Promise<CheckResult> {
  if (options.objects) return checkObjects(context);
  const early = options.readData > 0 && worthStartingEarly(context.config);
  const threads = early ? startVerifyThreads(context.config) : undefined;
  try {
    return await checkWith(context, options, threads);
  } finally {
    await threads?.close();
  }
}

/** @param threads for reading packs, if they were started early */
async function checkWith(
  context: Context,
  options: CheckOptions,
  threads: ThreadPool | undefined,
): Promise<CheckResult> {
  const repository = await openRepository(context, {
    command: 'check',
    lock: options.repair ? 'exclusive' : 'shared',
    catalog: options.repair ? 'write' : 'read',
    compares: true,
    repairs: options.repair,
  });
  try {
    if (options.repair) repository.keyring.requireFull("'check --repair'");
    if (options.readData > 0) repository.keyring.requireRead("'check --read-data'");
    if (options.repair) return await repair(repository, options.readData, threads);
    const { problems, read } = await examine(repository, options.readData, threads);
    const { packs, blobs } = repository.catalog.packs.totals();
    return { ok: problems.length === 0, packs, blobs, read, problems };
  } finally {
    context.report.done();
    await repository.close();
  }
}
