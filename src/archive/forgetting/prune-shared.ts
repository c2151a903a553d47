import type { PackRow } from '../../catalog/index.js';
import { ID_LENGTH } from '../../format/entry.js';
import { decodeDirectory } from '../../format/pack.js';
import { sealTombstone } from '../../format/record.js';
import { objectPath } from '../../store/index.js';
import { BlobIndex, indexFile, readable } from '../blob-index.js';
import { reconcile } from '../reconcile.js';
import type { PruneOptions } from '../types.js';
import { currentTime, dropLeftovers } from './drop.js';
import { dropIndexes, renewIndexes } from './indexes.js';
import { LiveBlobs } from './live-blobs.js';
import { mayRelyOn } from './opened-packs.js';
import { type PackUse, planPrune } from './prune-plan.js';
import { clearForced, dropSetAside, forcedPacks, type Pruned, refuseMissing, refuseUnreadable } from './prune-run.js';
import { rescue } from './rescue.js';
import { adoptStrangePacks, correctBeforeDeleting } from './strange-packs.js';
import type { Workshop } from './workshop.js';

/** Unreferenced packs of other writers are left for so long after the newest pack of their run was first seen. */
const UNREFERENCED = 14 * 86_400_000;

/** Key of the catalog's note when the newest pack of each run was first seen. */
const RUNS_SEEN = 'runs_seen';

/**
 * Gives back space in a store that others may be writing to, without locks.
 *
 * A run lists tombstones, then snapshots and records, then indexes and packs, and acts on that listing alone. What is to
 * go is doomed now, by a tombstone, and deleted by a later run that finds the tombstone in its listing; that run first
 * copies whatever has come to be needed and lies in no pack that is not doomed. A writer, for its part, puts its
 * snapshot and then looks for tombstones. So of writer and pruner, or of two pruners, the later one sees the earlier.
 * The times to wait only save work.
 */
export async function pruneShared(
  shop: Workshop,
  { maxUnused, grace }: Pick<PruneOptions, 'maxUnused' | 'grace'>,
): Promise<Pruned> {
  shop.reconciled = await reconcile(shop, { rollback: 'stop' });
  refuseUnreadable(shop);
  await dropLeftovers(shop);
  const adopted = await adoptStrangePacks(shop);
  const listed = new Set(shop.reconciled.packs.map(({ name }) => name));
  const due = dueNow(shop, grace, listed);
  await correctBeforeDeleting(
    shop,
    shop.catalog.packs.all().filter(({ name }) => due.has(name)),
  );
  const index = BlobIndex.load(shop.catalog, indexFile(shop.context.config.tableDir), readable);
  try {
    const live = await LiveBlobs.find(shop, index);
    refuseMissing(live.missing);
    const doomed = new Set(shop.reconciled.tombstones.flatMap(({ packs }) => packs).filter((name) => listed.has(name)));
    const unneeded = adopted.filter((name) => !holdsLive(shop, index, live, name));
    const pruned = await carryOut(shop, index, live, due, doomed);
    const setAside = shop.reconciled.packs
      .map(({ name }) => name)
      .filter((name) => shop.reconciled.marks.objects.has(objectPath('packs', name)));
    const doom = chooseDoomed(shop, index, live, maxUnused, doomed);
    // Nothing is to be known of packs that another run is just writing.
    shop.catalog.packs.remove(unneeded);
    doom.push(...setAside.filter((name) => !doomed.has(name)));
    if (doom.length > 0) {
      const tombstone = sealTombstone(shop.keyring, { time: currentTime(), packs: doom });
      await shop.store.put(objectPath('tombstones', tombstone.name), tombstone.bytes);
    }
    clearForced(shop);
    await dropIndexes(shop, await renewIndexes(shop, shop.reconciled.indexes, new Set(), new Set()));
    await dropTombstones(shop, listed);
    return pruned;
  } finally {
    index.close();
    shop.context.report.done();
  }
}

/** Packs whose tombstones are old enough to be carried out. */
function dueNow(shop: Workshop, grace: number, listed: ReadonlySet<string>): Set<string> {
  const limit = currentTime() - BigInt(Math.round(grace)) * 1_000_000n;
  const due = shop.reconciled.tombstones.filter(({ time }) => time <= limit);
  return new Set(due.flatMap(({ packs }) => packs).filter((name) => listed.has(name)));
}

/** Deletes doomed packs, once all that is needed of them is elsewhere. */
async function carryOut(
  shop: Workshop,
  index: BlobIndex,
  live: LiveBlobs,
  due: ReadonlySet<string>,
  doomed: ReadonlySet<string>,
): Promise<Pruned> {
  const { catalog, store, context } = shop;
  const { untouched, copied, damaged } = await rescue(shop, index, live, {
    from: (row) => due.has(row.name),
    isSafe: (row) => !doomed.has(row.name) && mayRelyOn(shop, row),
  });
  for (const { name } of damaged) context.attention(`damaged, so it stays: ${objectPath('packs', name)}`);
  const going = [...untouched, ...copied];
  for (const { name } of going) await store.delete(objectPath('packs', name));
  catalog.packs.remove(going.map(({ name }) => name));
  const dropped = await dropSetAside(shop, due);
  return { packsDeleted: untouched.length + dropped.length, packsRewritten: copied.length };
}

function holdsLive(shop: Workshop, index: BlobIndex, live: LiveBlobs, name: string): boolean {
  const row = shop.catalog.packs.byName(name);
  const directory = row && shop.catalog.packs.directory(row.number);
  if (directory === undefined) return false;
  const { ids, lengths } = decodeDirectory(directory);
  for (let blob = 0; blob < lengths.length; blob++)
    if (live.flags[index.claims.find(ids, blob * ID_LENGTH)] === 1) return true;
  return false;
}

/** Packs that a later run is to delete or rewrite. */
function chooseDoomed(
  shop: Workshop,
  index: BlobIndex,
  live: LiveBlobs,
  maxUnused: PruneOptions['maxUnused'],
  doomed: ReadonlySet<string>,
): string[] {
  const plan = planPrune(shop, index, live, {
    maxUnused,
    forced: forcedPacks(shop),
    suspect: new Set(),
    isAssured: (row) => mayRelyOn(shop, row),
    isDoomed: (row) => doomed.has(row.name),
  });
  const own = shop.keyring.signer();
  const seen = noteRuns(shop);
  const isOld = (row: PackRow): boolean =>
    row.writer === own || Date.now() - (seen.get(row.run) ?? Date.now()) >= UNREFERENCED;
  const present = (use: PackUse): boolean => shop.catalog.packs.byName(use.row.name) !== undefined;
  // Of a pack with spare copies something is needed, so its run is over.
  const remove = plan.remove.filter((use) => use.hasSpare || isOld(use.row));
  return [...remove, ...plan.rewrite].filter(present).map(({ row }) => row.name);
}

/** When the newest pack of each run was first seen by this catalog, milliseconds since 1970. */
function noteRuns(shop: Workshop): Map<string, number> {
  const { catalog } = shop;
  const noted = JSON.parse(catalog.getMeta(RUNS_SEEN) ?? '{}') as Record<string, [packs: number, since: number]>;
  const counts = new Map<string, number>();
  for (const { run, present } of catalog.packs.all()) if (present) counts.set(run, (counts.get(run) ?? 0) + 1);
  const next: typeof noted = {};
  for (const [run, packs] of counts) {
    const known = noted[run];
    next[run] = known !== undefined && known[0] >= packs ? known : [packs, Date.now()];
  }
  catalog.setMeta(RUNS_SEEN, JSON.stringify(next));
  return new Map(Object.entries(next).map(([run, [, since]]) => [run, since]));
}

/** A tombstone goes when the listing of this run has none of its packs any more. */
async function dropTombstones(shop: Workshop, listed: ReadonlySet<string>): Promise<void> {
  for (const { name, packs } of shop.reconciled.tombstones)
    if (!packs.some((pack) => listed.has(pack))) await shop.store.delete(objectPath('tombstones', name));
}
