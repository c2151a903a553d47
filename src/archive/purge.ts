import { type ByteString, toDisplay } from '../bytes.js';
import type { SnapshotRow, SourceId, Version } from '../catalog/index.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { ID_LENGTH } from '../format/entry.js';
import { pathItem } from '../report/json-path.js';
import { chunkIds } from './contents.js';
import type { Context } from './context.js';
import { explain } from './explain.js';
import { currentTime, dropSnapshots } from './forgetting/drop.js';
import { distinctVersions, type KeptPath, renewKept } from './forgetting/kept-layers.js';
import { isWithin } from './forgetting/listing-writer.js';
import { MetadataWriter, withReader } from './forgetting/metadata-writer.js';
import { exists } from './forgetting/on-disk.js';
import { forcedPacks, forceRewriting } from './forgetting/prune-run.js';
import { type CutSnapshot, cutSnapshots, replaceSnapshots } from './forgetting/rewrite.js';
import { runForgetting } from './forgetting/run.js';
import { countedSnapshots, newestTime, PIN, sourcesToForget, standingOf } from './forgetting/sources.js';
import type { Workshop } from './forgetting/workshop.js';
import { listingIds } from './listing-reader.js';
import { keyOf } from './past.js';
import { checkClock } from './retention/plausibility.js';
import type { PurgeOptions, PurgeResult } from './types.js';

/** What is purged of one lineage. */
interface LineagePurge {
  lineage: SourceId;
  /** Taken snapshots that hold purged paths, by sequence. */
  rows: SnapshotRow[];
  /** Versions that go, kept ones included. */
  versions: Version[];
}

interface PurgePlan {
  sources: string[];
  keys: ByteString[];
  lineages: LineagePurge[];
}

/** Takes paths out of all history, the active versions too, and their bytes out of the store. */
export async function purge(context: Context, options: PurgeOptions): Promise<PurgeResult> {
  const { result, plan } = await runForgetting<PurgePlan>(context, options, {
    command: 'purge',
    plan: async (shop) => planPurge(shop, options),
    question: ({ lineages, keys }) => {
      const versions = lineages.reduce((sum, { versions: v }) => sum + v.length, 0);
      return versions === 0
        ? undefined
        : `Take ${keys.length} path(s) with ${versions} version(s) out of all history for ever?`;
    },
    sources: ({ sources }) => sources,
    removed: () => 0,
    *lost(_, { lineages }) {
      for (const { versions } of lineages) yield* versions;
    },
    async act(shop, { lineages, keys }) {
      for (const lineage of lineages) await purgeLineage(shop, lineage, keys);
    },
  });
  return { ...result, on_disk: await stillOnDisk(context, options, plan.sources) };
}

function planPurge(shop: Workshop, options: PurgeOptions): PurgePlan {
  const { catalog, context } = shop;
  const sources = sourcesToForget(shop, options);
  checkClock(currentTime(), newestTime(countedSnapshots(shop, sources)));
  const keys = options.paths.map(keyOf);
  const isPurged = (key: ByteString): boolean => keys.some((gone) => isWithin(key, gone));
  const lineages: LineagePurge[] = [];
  for (const { id, name } of catalog.snapshots.sources().filter((source) => sources.includes(source.name))) {
    const holding = catalog.snapshots
      .all(name)
      .filter((row) => row.source === id && row.kind === 'taken' && row.applied && holdsAny(shop, row, keys));
    const pinned = holding.find((row) => row.tags.includes(PIN));
    if (pinned !== undefined)
      throw new UserError(
        ExitCode.usage,
        `snapshot ${pinned.name.slice(0, 8)} is tagged ${PIN} and holds ${toDisplay(options.paths[0])}; nothing was purged: 'backup-ninja tag ${pinned.name.slice(0, 8)} --remove ${PIN}' first`,
      );
    const rows = holding.filter((row) => standingOf(shop, row) === undefined);
    // To sign what does not count would make it count.
    for (const row of holding)
      if (!rows.includes(row))
        context.attention(
          `snapshot ${row.name.slice(0, 8)} is ${standingOf(shop, row)} and still holds what is purged: forget it by name`,
        );
    const cut = new Set(rows.map(({ seq }) => seq));
    const stays = holding.filter((row) => !cut.has(row.seq)).map(({ seq }) => seq);
    lineages.push({ lineage: id, rows, versions: purgedVersions(shop, id, name, isPurged, stays) });
  }
  requireSaved(shop, options, sources, lineages);
  return { sources, keys, lineages };
}

/** A path that is nowhere is a typo, unless a purge that was cut short has left packs to be rewritten. */
function requireSaved(
  shop: Workshop,
  { paths }: PurgeOptions,
  sources: readonly string[],
  lineages: readonly LineagePurge[],
): void {
  if (forcedPacks(shop).size > 0) return;
  for (const path of paths) {
    const key = keyOf(path);
    const isKnown =
      lineages.some(({ versions }) => versions.some((version) => isWithin(version.key, key))) ||
      sources.some((source) => shop.catalog.query.history(source, key).length > 0);
    if (isKnown) continue;
    throw new UserError(
      ExitCode.failed,
      `never saved, ${toDisplay(path)}; nothing was purged: 'backup-ninja find NAME --all' looks for it elsewhere`,
    );
  }
}

function holdsAny({ catalog }: Workshop, row: SnapshotRow, keys: readonly ByteString[]): boolean {
  for (const _ of catalog.query.entries(row, { under: keys })) return true;
  return false;
}

function purgedVersions(
  { catalog }: Workshop,
  lineage: SourceId,
  source: string,
  isPurged: (key: ByteString) => boolean,
  stays: readonly number[],
): Version[] {
  const found = catalog.query.find('*', { source, all: true, where: ({ key }) => isPurged(key) });
  return [...found]
    .flatMap(({ versions }) => versions)
    .filter((version) => version.source === lineage)
    .filter(({ from, to, keptBy }) => {
      const end = to ?? Number.POSITIVE_INFINITY;
      return keptBy === 'history' || !stays.some((seq) => seq >= from && seq <= end);
    });
}

async function purgeLineage(shop: Workshop, plan: LineagePurge, keys: readonly ByteString[]): Promise<void> {
  if (plan.versions.length === 0) return;
  const { lineage } = plan;
  const writer = new MetadataWriter(shop);
  try {
    const cuts = await cutSnapshots(shop, writer, plan.rows, keys);
    await forceTainted(shop, plan, cuts);
    await writer.finish();
    if (plan.versions.some(({ keptBy }) => keptBy === 'history'))
      await dropSnapshots(shop, await renewKept(shop, lineage, keptWithout(shop, lineage, keys)));
    await replaceSnapshots(shop, lineage, keys, cuts);
  } finally {
    await writer.close();
  }
}

/** What the kept snapshots of a lineage hold besides what is purged. */
export function* keptWithout(shop: Workshop, lineage: SourceId, keys: readonly ByteString[]): Generator<KeptPath> {
  for (const { key, versions } of shop.catalog.query.keysWithHistory(lineage)) {
    if (keys.some((gone) => isWithin(key, gone))) continue;
    const kept = distinctVersions(versions).filter(({ keptBy }) => keptBy === 'history');
    if (kept.length > 0) yield { key, versions: kept };
  }
}

/** Notes which packs hold bytes of what is purged, or its name: they are rewritten however little of them that is. */
async function forceTainted(shop: Workshop, plan: LineagePurge, cuts: readonly CutSnapshot[]): Promise<void> {
  await withReader(shop, async (reader, index) => {
    const packs = new Set<string>();
    const taint = (ids: Uint8Array): void => {
      for (let at = 0; at < ids.length; at += ID_LENGTH)
        for (const { name } of index.locations(ids, at)) packs.add(name);
    };
    for (const { cut } of cuts) for (const id of cut.tainted) taint(id);
    for (const { entry } of plan.versions)
      for (const content of entry.replaced === undefined ? [entry] : [entry, entry.replaced]) {
        taint(content.ids);
        if (content.depth === 0) continue;
        try {
          const { chunks, nodes } = await chunkIds(reader, content);
          taint(chunks);
          taint(nodes);
        } catch (error) {
          // What a damaged list named cannot be found; what is left of it is dead and goes as such.
          if (!(error instanceof FormatError)) throw error;
        }
      }
    // The listings of kept snapshots are small: all of their packs are rewritten.
    if (plan.versions.some(({ keptBy }) => keptBy === 'history'))
      for (const row of shop.catalog.snapshots.all())
        if (row.kind === 'kept' && row.source === plan.lineage && row.listing !== undefined)
          for await (const id of listingIds(row.listing, reader, new Set())) taint(id);
    forceRewriting(shop, packs);
  });
}

/** Those of the paths that the next backup would save again. */
async function stillOnDisk(context: Context, options: PurgeOptions, sources: readonly string[]) {
  const found: PurgeResult['on_disk'] = [];
  if (options.source !== undefined && !sources.includes(context.config.source)) return found;
  for (const path of options.paths) {
    if (!exists(path)) continue;
    const { saved } = await explain(context, { path, exclude: [] });
    if (saved) found.push(pathItem(path));
  }
  return found;
}
