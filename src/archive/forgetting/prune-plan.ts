import type { PackRow } from '../../catalog/index.js';
import { ID_LENGTH } from '../../format/entry.js';
import { decodeDirectory } from '../../format/pack.js';
import type { BlobIndex } from '../blob-index.js';
import type { LiveBlobs } from './live-blobs.js';
import type { Workshop } from './workshop.js';

/** What becomes of a blob in a pack. */
export const BlobState = {
  dead: 0,
  /** It is needed, and this is the copy that stays. */
  live: 1,
  /** It is needed, but another copy stays. */
  spare: 2,
} as const;

/** Packs below this are merged. */
export const SMALL_PACK = 4 * 1024 * 1024;

/** A pack with what is needed of it, in bytes as they lie in the store. */
export interface PackUse {
  row: PackRow;
  /** Number in the index of its first blob. */
  first: number;
  live: number;
  /** Dead blobs, and copies of what stays elsewhere. */
  unused: number;
  hasLive: boolean;
  hasSpare: boolean;
}

/** A needed blob that was stored more than once. Numbers of the index. */
interface Copies {
  survivor: number;
  spares: number[];
}

/** What a prune will do with the packs. */
export interface PrunePlan {
  /** By number of the index, a BlobState. */
  states: Uint8Array;
  /** Packs of which nothing is needed. */
  remove: PackUse[];
  /** Packs whose live blobs move to new packs. */
  rewrite: PackUse[];
  /** Packs that stay. */
  stay: PackUse[];
  /** Of those that stay: must be opened, and found right, before any copy of what they hold goes. */
  assure: PackUse[];
}

export interface PlanRules {
  maxUnused: { share: number } | { bytes: number };
  /** Packs that are rewritten if anything in them is unused, whatever `maxUnused` allows. */
  forced: ReadonlySet<string>;
  /** Packs that were found damaged: no other copy is given up for one in them, and they are not rewritten. */
  suspect: ReadonlySet<string>;
  /** Packs whose blobs are known to be what their ids say. */
  isAssured(row: PackRow): boolean;
  /** Packs that are not planned for: they are doomed already. */
  isDoomed(row: PackRow): boolean;
}

/** Decides which packs go, which are rewritten and which copies of blobs stay. Changes nothing. */
export function planPrune(shop: Workshop, index: BlobIndex, live: LiveBlobs, rules: PlanRules): PrunePlan {
  const states = live.flags.slice();
  const rows = new Map(shop.catalog.packs.all().map((row) => [row.number, row]));
  const copies = findCopies(shop, index, states);
  elect(copies, index, rows, rules, states);
  const uses = measure(shop, index, rows, states).filter(({ row }) => !rules.isDoomed(row));
  const remove = uses.filter((use) => !use.hasLive);
  const rest = uses.filter((use) => use.hasLive);
  const rewrite = chooseRewrites(rest, rules);
  const stay = rest.filter((use) => !rewrite.includes(use));
  return { states, remove, rewrite, stay, assure: toAssure(copies, index, { remove, rewrite, stay }, rules) };
}

/** Finds needed blobs that lie in several places; marks all but the first as spare. */
function findCopies(shop: Workshop, index: BlobIndex, states: Uint8Array): Copies[] {
  const copies = new Map<number, Copies>();
  const firsts = new Map(index.packs.map((pack) => [pack.number, pack.first]));
  for (const { number, directory } of shop.catalog.packs.directories()) {
    const first = firsts.get(number);
    if (first === undefined) continue;
    const { ids, lengths } = decodeDirectory(directory);
    for (let blob = 0; blob < lengths.length; blob++) {
      if (states[first + blob] !== BlobState.dead) continue;
      const known = index.claims.find(ids, blob * ID_LENGTH);
      if (known === first + blob || states[known] !== BlobState.live) continue;
      states[first + blob] = BlobState.spare;
      const found = copies.get(known);
      if (found === undefined) copies.set(known, { survivor: known, spares: [first + blob] });
      else found.spares.push(first + blob);
    }
  }
  return [...copies.values()];
}

/** Chooses which copy of each blob stays. */
function elect(
  copies: readonly Copies[],
  index: BlobIndex,
  rows: ReadonlyMap<number, PackRow>,
  rules: PlanRules,
  states: Uint8Array,
): void {
  if (copies.length === 0) return;
  // A pack that holds much else that is needed stays anyway.
  const needed = index.packs.map(({ first, blobs }) => {
    let count = 0;
    for (let i = first; i < first + blobs; i++) if (states[i] === BlobState.live) count++;
    return count;
  });
  const rank = (number: number): number => {
    const at = packAt(index, number);
    const row = rows.get(index.packs[at].number);
    // This very run has deleted it.
    if (row === undefined) return -1;
    const share = index.packs[at].blobs === 0 ? 0 : needed[at] / (index.packs[at].blobs + 1);
    return (
      (rules.isDoomed(row) ? 0 : 8) + (rules.suspect.has(row.name) ? 0 : 4) + (rules.isAssured(row) ? 2 : 0) + share
    );
  };
  for (const group of copies) {
    const all = [group.survivor, ...group.spares];
    const best = all.reduce((a, b) => (rank(b) > rank(a) ? b : a));
    group.survivor = best;
    group.spares = all.filter((number) => number !== best);
    for (const number of group.spares) states[number] = BlobState.spare;
    states[best] = BlobState.live;
  }
}

function measure(shop: Workshop, index: BlobIndex, rows: ReadonlyMap<number, PackRow>, states: Uint8Array): PackUse[] {
  const firsts = new Map(index.packs.map((pack) => [pack.number, pack.first]));
  const uses: PackUse[] = [];
  for (const { number, directory } of shop.catalog.packs.directories()) {
    const first = firsts.get(number);
    if (first === undefined) continue;
    const row = rows.get(number)!;
    const use: PackUse = { row, first, live: 0, unused: 0, hasLive: false, hasSpare: false };
    const { frames, lengths } = decodeDirectory(directory);
    for (const frame of frames) {
      let livePlain = 0;
      for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
        const state = states[first + blob];
        if (state === BlobState.live) {
          livePlain += lengths[blob];
          use.hasLive = true;
        } else if (state === BlobState.spare) use.hasSpare = true;
      }
      const share = frame.plainLength === 0 ? (use.hasLive ? 1 : 0) : livePlain / frame.plainLength;
      use.live += frame.length * share;
      use.unused += frame.length * (1 - share);
    }
    uses.push(use);
  }
  return uses;
}

function chooseRewrites(uses: readonly PackUse[], rules: PlanRules): PackUse[] {
  const chosen = new Set<PackUse>();
  const movable = uses.filter((use) => !rules.suspect.has(use.row.name));
  let unused = 0;
  let used = 0;
  for (const use of uses) {
    unused += use.unused;
    used += use.live;
  }
  const limit =
    'bytes' in rules.maxUnused
      ? rules.maxUnused.bytes
      : rules.maxUnused.share >= 1
        ? Number.POSITIVE_INFINITY
        : (rules.maxUnused.share / (1 - rules.maxUnused.share)) * used;
  const take = (use: PackUse): void => {
    if (chosen.has(use)) return;
    chosen.add(use);
    unused -= use.unused;
  };
  for (const use of movable) if (use.unused > 0 && rules.forced.has(use.row.name)) take(use);
  const byWaste = movable
    .filter((use) => use.unused > 0)
    .sort((a, b) => b.unused / b.row.size - a.unused / a.row.size || a.row.number - b.row.number);
  for (const use of byWaste) {
    if (unused <= limit) break;
    take(use);
  }
  for (const kind of ['data', 'meta'] as const) {
    const ofKind = movable.filter((use) => use.row.kind === kind);
    const small = ofKind.filter((use) => use.row.size < SMALL_PACK);
    const moving = ofKind.some((use) => chosen.has(use) && use.row.size >= SMALL_PACK);
    if (small.length + (moving ? 1 : 0) >= 2) for (const use of small) take(use);
  }
  return uses.filter((use) => chosen.has(use));
}

/** Of the packs that stay, those that copies elsewhere are given up for, and that nobody has opened yet. */
function toAssure(
  copies: readonly Copies[],
  index: BlobIndex,
  { remove, rewrite, stay }: Pick<PrunePlan, 'remove' | 'rewrite' | 'stay'>,
  rules: PlanRules,
): PackUse[] {
  const going = new Set([...remove, ...rewrite].map((use) => use.row.number));
  const staying = new Map(stay.map((use) => [use.row.number, use]));
  const found = new Set<PackUse>();
  for (const { survivor, spares } of copies) {
    const use = staying.get(index.packs[packAt(index, survivor)].number);
    if (use === undefined || found.has(use) || rules.isAssured(use.row)) continue;
    if (spares.some((spare) => going.has(index.packs[packAt(index, spare)].number))) found.add(use);
  }
  return [...found];
}

/** Which pack of the index holds the blob with a number. */
function packAt(index: BlobIndex, number: number): number {
  let low = 0;
  let high = index.packs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (index.packs[middle].first <= number) low = middle;
    else high = middle - 1;
  }
  return low;
}
