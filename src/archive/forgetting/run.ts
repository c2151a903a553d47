import type { Version } from '../../catalog/index.js';
import { jsonPath } from '../../report/json-path.js';
import { rfc3339 } from '../../report/time.js';
import { type Context, notConfirmed } from '../context.js';
import { pathOf } from '../past.js';
import { openRepository, type Repository } from '../repository.js';
import { isShared, leftPending } from '../settle-shared.js';
import { renewTotals } from '../store-totals.js';
import type { ForgetResult, ForgettingOptions, LostVersion } from '../types.js';
import { currentTime, dropLeftovers, recordReceipts } from './drop.js';
import { prunePacks } from './prune-packs.js';
import { DEFAULT_UNUSED } from './prune-run.js';
import { tellImplausible } from './sources.js';
import { rehearse, type Workshop, workshopOf } from './workshop.js';

/** A command that forgets, in its parts. `P` is what it has decided to do. */
export interface ForgettingVerb<P> {
  /** As users type it. */
  command: string;
  /** Decides; changes nothing. Throws what users did wrong. */
  plan(shop: Workshop): Promise<P>;
  /** What is asked before it is done; undefined: nothing would go. */
  question(plan: P): string | undefined;
  /** Sources that the figures are about. */
  sources(plan: P): readonly string[];
  /** Sources whose snapshots rules have judged, which passes over some; absent: it acts on what was named. */
  judged?(plan: P): readonly string[];
  /** Names of the snapshots that go. */
  removed(plan: P): number;
  /** The versions that would be gone for ever. Asked for before `act`. */
  lost(shop: Workshop, plan: P): Iterable<Version>;
  /** Does it, up to giving back the space. */
  act(shop: Workshop, plan: P): Promise<void>;
}

/** Runs a command that forgets: decide, tell, ask, act, prune; or with `dryRun` tell only. */
export async function runForgetting<P>(
  context: Context,
  options: ForgettingOptions,
  verb: ForgettingVerb<P>,
): Promise<{ result: ForgetResult; plan: P }> {
  const repository = await openRepository(context, {
    command: verb.command,
    lock: options.prune && !options.dryRun ? 'exclusive' : 'shared',
    catalog: 'write',
  });
  try {
    repository.keyring.requireFull(`'${verb.command}'`);
    const done = await forgetIn(repository, options, verb, 'ask');
    if (!options.dryRun) await renewTotals(repository.catalog, repository.store);
    return done;
  } finally {
    context.report.done();
    await repository.close();
  }
}

/** The same on an open repository. `confirmed`: nobody is asked. */
export async function forgetIn<P>(
  repository: Repository,
  options: Pick<ForgettingOptions, 'dryRun' | 'prune'>,
  verb: ForgettingVerb<P>,
  consent: 'ask' | 'confirmed',
): Promise<{ result: ForgetResult; plan: P }> {
  const rehearsal = () => rehearse(repository, (shop) => execute(shop, options, verb, true));
  const shop = workshopOf(repository);
  if (options.dryRun) {
    const told = await rehearsal();
    tellImplausible(shop, verb.judged?.(told.plan) ?? []);
    return told;
  }
  const question = verb.question(await verb.plan(shop));
  if (consent === 'ask' && question !== undefined) {
    const agreed = await repository.context.confirm(question, async () => (await rehearsal()).result);
    if (!agreed) throw notConfirmed();
  }
  const done = await execute(shop, options, verb, false);
  tellImplausible(shop, verb.judged?.(done.plan) ?? []);
  return done;
}

async function execute<P>(
  shop: Workshop,
  options: Pick<ForgettingOptions, 'prune'>,
  verb: ForgettingVerb<P>,
  withLost: boolean,
): Promise<{ result: ForgetResult; plan: P }> {
  const plan = await verb.plan(shop);
  const now = currentTime();
  const lost: LostVersion[] = [];
  let versions = 0;
  for (const version of verb.lost(shop, plan)) {
    versions++;
    if (withLost) lost.push(lostVersion(version, now));
  }
  await recordReceipts(shop);
  await dropLeftovers(shop);
  if (isShared(shop)) await leftPending(shop, undefined);
  await verb.act(shop, plan);
  const pruned = options.prune
    ? await prunePacks(shop, { maxUnused: DEFAULT_UNUSED })
    : { packsDeleted: 0, packsRewritten: 0 };
  const kept = verb.sources(plan).reduce((sum, source) => sum + shop.catalog.snapshots.all(source).length, 0);
  const result: ForgetResult = {
    versions_removed: versions,
    snapshots_removed: verb.removed(plan),
    bytes_freed: shop.store.freed,
    packs_deleted: pruned.packsDeleted,
    packs_rewritten: pruned.packsRewritten,
    kept,
    ...(withLost && { lost }),
  };
  return { result, plan };
}

/** A version as a preview shows it; one that is active is seen until now. */
function lostVersion(version: Version, now: bigint): LostVersion {
  return {
    ...jsonPath(pathOf(version.key)),
    from: rfc3339(version.fromTime),
    to: rfc3339(version.toTime ?? now),
    size: version.entry.size,
  };
}
