import type { PackRow, SnapshotInput } from '../catalog/index.js';
import { ExitCode, UserError } from '../errors.js';
import { ID_LENGTH } from '../format/entry.js';
import { decodeDirectory } from '../format/pack.js';
import { sealRecord } from '../format/record.js';
import { objectPath, StoreError } from '../store/index.js';
import { BlobIndex, indexFile } from './blob-index.js';
import { firstInTheWay } from './damage-marks.js';
import { currentTime } from './forgetting/drop.js';
import { indexPacks } from './forgetting/indexes.js';
import { LiveBlobs } from './forgetting/live-blobs.js';
import { mayRelyOn } from './forgetting/opened-packs.js';
import { rescue } from './forgetting/rescue.js';
import type { Workshop } from './forgetting/workshop.js';
import { packsOfIndex } from './index-notes.js';
import { clearOwnPending, ownPending } from './own-pending.js';
import { lookAtPacks } from './reconcile-packs.js';
import { isDamage, type UnreadableObject } from './small-objects.js';

/** Whether others may prune while this command runs: then what it puts has to be settled. */
export function isShared(shop: Pick<Workshop, 'storeConfig'>): boolean {
  return shop.storeConfig.mode === 'shared';
}

/**
 * Settles snapshots of a shared store that are put and still pending: makes sure that all they need lies in packs which
 * nobody is about to delete, and says so in records, after which they count.
 *
 * The snapshots come first and the look at tombstones and packs (in this order) after: a pruner lists tombstones before
 * it lists snapshots. So either it has seen these snapshots, and keeps what they need; or its tombstones were there
 * before it could miss them, and are seen now. What is doomed, or gone, is copied by who can read it.
 * @param standing `put`: this run put them just now, and the catalog's packs are those that it relied on; `found`: an
 *   earlier run put them, and nothing is known of what they need
 * @returns false when something is lacking that must come from the disk; then nothing has been said of them
 * @throws UserError when a tombstone cannot be read
 */
export async function settleShared(
  shop: Workshop,
  snapshots: readonly SnapshotInput[],
  standing: 'put' | 'found',
): Promise<boolean> {
  const { catalog, keyring, store } = shop;
  // Of several settled one after the other, the later may rely on what was seen to be gone when the first was.
  shop.relied ??= new Set();
  const { relied } = shop;
  for (const row of catalog.packs.all()) if (row.present && (keyring.isFull || !row.tombstoned)) relied.add(row.name);
  const unreadable: UnreadableObject[] = [];
  shop.reconciled = { ...shop.reconciled, ...(await lookAtPacks(shop, { unreadable, acceptLoss: false })) };
  refuseUnreadTombstones(shop, unreadable);
  // Nobody wants it any more, or what it was made of: it must not bring that back.
  if (snapshots.some(({ name, replaces }) => [name, ...replaces].some((each) => isForgotten(shop, each)))) return false;
  const usable = new Set(
    catalog.packs
      .all()
      .filter(isUsable)
      .map(({ name }) => name),
  );
  if (standing === 'found' || [...relied].some((name) => !usable.has(name)))
    if (!keyring.isFull || !(await rescueAll(shop, snapshots, standing, relied))) return false;
  await indexUnnamed(shop);
  for (const { name } of snapshots) {
    const record = sealRecord(keyring, { type: 'complete', time: currentTime(), snapshot: name });
    await store.put(objectPath('records', record.name), record.bytes);
  }
  return true;
}

/** A tombstone that cannot be read may doom any pack that the snapshots rely on. */
function refuseUnreadTombstones({ reconciled: { marks } }: Workshop, unreadable: readonly UnreadableObject[]): void {
  const tombstones = unreadable.filter(({ path }) => path.startsWith('tombstones/'));
  const bad = firstInTheWay(tombstones, marks);
  if (bad !== undefined)
    throw new UserError(
      ExitCode.failed,
      `a tombstone cannot be read, so nobody knows which packs will be deleted, and the snapshot stays pending, ${bad.path} (${bad.message}); restore it from a copy of the store, or run 'backup-ninja check --repair' with a full key to set it aside, then run this again`,
    );
}

/**
 * Takes snapshots back that are pending and that this catalog has put: nobody relies on them. Where the store lets this
 * machine delete nothing, they stay, for the next run to try again, or for `forget`.
 */
export async function dropPending(
  { store, catalog, context }: Pick<Workshop, 'store' | 'catalog' | 'context'>,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    try {
      await store.delete(objectPath('snapshots', name));
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'denied')) throw error;
      const short = name.slice(0, 8);
      context.report.warn(
        `snapshot ${short} was not completed, and may not be deleted from here: 'backup-ninja forget ${short}' with a full key does so`,
      );
      continue;
    }
    catalog.snapshots.removeUncounted(name);
    clearOwnPending(catalog, [name]);
  }
}

/** In the store whole, and not doomed. */
function isUsable(row: PackRow): boolean {
  return row.present && !row.tombstoned;
}

function isForgotten({ reconciled: { records, trust } }: Workshop, snapshot: string): boolean {
  return records.some(
    ({ name, record, signer }) =>
      record.type === 'forget' && record.snapshots.includes(snapshot) && trust.countsAsFull(signer, name),
  );
}

/**
 * Goes over the snapshots that killed runs of this catalog left pending. Copies that were to take the place of others
 * are dropped: the command that made them makes them again.
 * @returns taken ones of a source, for its next backup to settle or drop; other snapshots are left for theirs
 */
export async function leftPending(shop: Workshop, source: string | undefined): Promise<SnapshotInput[]> {
  const { catalog } = shop;
  const left: SnapshotInput[] = [];
  const gone: string[] = [];
  for (const name of ownPending(catalog)) {
    const row = catalog.snapshots.get(name);
    if (row?.state !== 'pending') clearOwnPending(catalog, [name]);
    else if (row.kind === 'kept' || row.replaces.length > 0) gone.push(name);
    else if (row.sourceName === source) left.push(row);
  }
  await dropPending(shop, gone);
  return left;
}

/**
 * Copies what some snapshots need out of packs that are doomed. False when something of it is gone.
 *
 * Just `put`, only that is copied which lay in a pack that cannot be used any more: elsewhere all is as it was when it
 * was relied on. That some other pack claims to hold it as well is not enough, unless that one was opened.
 */
async function rescueAll(
  shop: Workshop,
  snapshots: readonly SnapshotInput[],
  standing: 'put' | 'found',
  relied: ReadonlySet<string>,
): Promise<boolean> {
  const { catalog, context } = shop;
  // Packs that went meanwhile too: what only they held is known to be lost, unlike what the snapshots lacked before.
  const index = BlobIndex.load(
    catalog,
    indexFile(context.config.tableDir),
    (row) => row.present || relied.has(row.name),
  );
  try {
    const live = await LiveBlobs.of(
      shop,
      index,
      snapshots.flatMap(({ listing }) => listing ?? []),
    );
    if (standing === 'found' && live.missing > 0) return false;
    if (standing === 'put') dropUnthreatened(shop, index, live);
    const isSafe = (row: PackRow): boolean => isUsable(row) && mayRelyOn(shop, row);
    const { lost, damaged } = await rescue(shop, index, live, {
      from: (row) => row.present && !isSafe(row),
      isSafe,
    });
    return lost === 0 && damaged.length === 0;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  } finally {
    index.close();
  }
}

/** Takes the mark of being needed from what lies in packs only that can be used as before. */
function dropUnthreatened(shop: Workshop, index: BlobIndex, live: LiveBlobs): void {
  const threatened = new Uint8Array(live.flags.length);
  const known = new Set(index.packs.map(({ number }) => number));
  for (const { directory, ...row } of shop.catalog.packs.directories()) {
    if (!known.has(row.number) || isUsable(row)) continue;
    const { ids, lengths } = decodeDirectory(directory);
    for (let blob = 0; blob < lengths.length; blob++) threatened[index.claims.find(ids, blob * ID_LENGTH)] = 1;
  }
  for (const [number, flag] of threatened.entries()) if (flag === 0) live.flags[number] = 0;
}

/** Puts an index for packs relied on that no index of the store names: a pruner takes those for nobody's. */
async function indexUnnamed(shop: Workshop): Promise<void> {
  const { catalog, keyring } = shop;
  const own = keyring.signer();
  const named = new Set(catalog.objects.all('index').flatMap(({ body }) => packsOfIndex(body)));
  const unnamed = catalog.packs
    .all()
    .filter((row) => isUsable(row) && (row.writer === own || (keyring.isFull && row.opened)) && !named.has(row.name));
  await indexPacks(
    shop,
    unnamed.map(({ name }) => name),
  );
}
