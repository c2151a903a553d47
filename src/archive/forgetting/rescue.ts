import type { PackRow } from '../../catalog/index.js';
import { ID_LENGTH } from '../../format/entry.js';
import { decodeDirectory } from '../../format/pack.js';
import { objectPath } from '../../store/index.js';
import type { BlobIndex } from '../blob-index.js';
import { indexPacks } from './indexes.js';
import type { LiveBlobs } from './live-blobs.js';
import { PackCopier } from './pack-copier.js';
import { BlobState, type PackUse } from './prune-plan.js';
import type { Workshop } from './workshop.js';

/** Which packs blobs are copied out of, and which they may stay in. */
export interface RescueRules {
  from(row: PackRow): boolean;
  /** Packs that stay, and hold what their directories say. */
  isSafe(row: PackRow): boolean;
}

/** What became of the packs that were to be copied out of. */
export interface Rescued {
  /** Nothing had to be copied out of these. */
  untouched: PackRow[];
  /** All that is needed of these is durable elsewhere, and indexed. */
  copied: PackRow[];
  /** Something of these could be had nowhere. */
  damaged: PackRow[];
  /** How many needed blobs are in the index, but neither lay in a safe pack nor could be copied. */
  lost: number;
}

/**
 * Copies needed blobs that lie in no safe pack out of others, into new packs; those are durable, then indexed, on return.
 * Packs that vanish meanwhile count as untouched: whoever deleted them has seen to what was needed.
 * @param index of all packs concerned; packs that it lacks are not looked at
 */
export async function rescue(
  shop: Workshop,
  index: BlobIndex,
  live: LiveBlobs,
  { from, isSafe }: RescueRules,
): Promise<Rescued> {
  const firsts = new Map(index.packs.map((pack) => [pack.number, pack.first]));
  const safe = safeBlobs(shop, index, firsts, isSafe);
  const states = new Uint8Array(live.flags.length);
  const uses: PackUse[] = [];
  for (const { directory, ...row } of shop.catalog.packs.directories()) {
    const first = firsts.get(row.number);
    if (first === undefined || !from(row)) continue;
    const hasLive = claimUnsafe(index, live, safe, states, first, directory);
    uses.push({ row, first, live: 0, unused: 0, hasSpare: false, hasLive });
  }
  const rescued: Rescued = {
    untouched: uses.filter(({ hasLive }) => !hasLive).map(({ row }) => row),
    copied: [],
    damaged: [],
    lost: live.flags.reduce((count, flag, i) => count + (flag === 1 && safe[i] === 0 ? 1 : 0), 0),
  };
  for (const kind of ['data', 'meta'] as const) {
    const mine = uses.filter(({ row, hasLive }) => hasLive && row.kind === kind);
    if (mine.length > 0) await copyOut(shop, index, states, mine, rescued);
  }
  return rescued;
}

async function copyOut(
  shop: Workshop,
  index: BlobIndex,
  states: Uint8Array,
  uses: readonly PackUse[],
  rescued: Rescued,
): Promise<void> {
  const copier = new PackCopier(shop, index, uses[0].row.kind);
  try {
    for (const use of uses) {
      if (await copier.copy(use, states)) rescued.copied.push(use.row);
      else if ((await shop.store.size(objectPath('packs', use.row.name))) === undefined)
        rescued.untouched.push(use.row);
      else rescued.damaged.push(use.row);
    }
    rescued.lost += copier.lost.length;
    await copier.finish();
  } catch (error) {
    await copier.abandon();
    throw error;
  }
  await indexPacks(
    shop,
    copier.written.map(({ name }) => name),
  );
}

/** By number, first copies only: 1 for what lies in a safe pack. */
function safeBlobs(
  shop: Workshop,
  index: BlobIndex,
  firsts: ReadonlyMap<number, number>,
  isSafe: (row: PackRow) => boolean,
): Uint8Array {
  const safe = new Uint8Array(index.claims.shared.known);
  for (const { directory, ...row } of shop.catalog.packs.directories()) {
    if (!firsts.has(row.number) || !isSafe(row)) continue;
    const { ids, lengths } = decodeDirectory(directory);
    for (let blob = 0; blob < lengths.length; blob++) safe[index.claims.find(ids, blob * ID_LENGTH)] = 1;
  }
  return safe;
}

/** Marks blobs of a pack that are needed and nowhere safe as live, and from now on safe. Returns whether there are any. */
function claimUnsafe(
  index: BlobIndex,
  live: LiveBlobs,
  safe: Uint8Array,
  states: Uint8Array,
  first: number,
  directory: Uint8Array,
): boolean {
  const { ids, lengths } = decodeDirectory(directory);
  let any = false;
  for (let blob = 0; blob < lengths.length; blob++) {
    const known = index.claims.find(ids, blob * ID_LENGTH);
    if (live.flags[known] !== 1 || safe[known] === 1) continue;
    states[first + blob] = BlobState.live;
    safe[known] = 1;
    any = true;
  }
  return any;
}
