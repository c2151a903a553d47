import { type ByteString, toDisplay } from '../../bytes.js';
import type { SnapshotRow, SourceId, Version } from '../../catalog/index.js';
import { ExitCode, UserError } from '../../errors.js';
import { EntryType } from '../../format/entry.js';
import type { ScanPlan } from '../../scan/index.js';
import type { UnreadKeys } from '../backup/unread.js';
import { pathOf } from '../past.js';
import type { Repository } from '../repository.js';
import { isPlausibleClock } from '../retention/plausibility.js';
import type { ForgetResult } from '../types.js';
import { currentTime, dropSnapshots } from './drop.js';
import { distinctVersions, type KeptPath, renewKept } from './kept-layers.js';
import { isWithin } from './listing-writer.js';
import { MetadataWriter } from './metadata-writer.js';
import { isExcluded } from './on-disk.js';
import { type CutSnapshot, cutSnapshots, replaceSnapshots } from './rewrite.js';
import { forgetIn } from './run.js';
import { countedSnapshots, newestOf, PIN } from './sources.js';
import type { Workshop } from './workshop.js';

/** The backup that was just completed. */
export interface CompletedBackup {
  /** Its snapshot, and the one before it in its lineage. */
  snapshot: string;
  previous: SnapshotRow | undefined;
  /** What was scanned, and by which rules. */
  plan: ScanPlan;
  /** What of it could not be read. */
  unread: UnreadKeys;
  /** It was the first that its catalog has completed. */
  isFirst: boolean;
}

/** Refuses hard removing before anything is saved, where the key could not do it after. */
export function requireHardRemove(repository: Repository): void {
  if (repository.keyring.isFull) return;
  throw new UserError(
    ExitCode.usage,
    `hard_remove needs a full key, this is a ${repository.keyring.role} key; nothing was saved: back up without it`,
  );
}

/** What goes of the history of the roots that were just backed up. */
interface HardRemovePlan {
  source: string;
  lineage: SourceId;
  roots: ByteString[];
  /** Snapshots that hold some of it. */
  rows: SnapshotRow[];
  lost: Version[];
  /** What kept snapshots are to hold, if that changes. */
  kept: KeptPath[] | undefined;
  /** How many of them held nothing else and were dropped; known afterwards. */
  dropped: number;
}

/**
 * Drops the history of the roots just backed up: snapshots that hold nothing else go, the others are rewritten without
 * them. Pinned snapshots stay, and what was newly excluded or could not be read. Asks nothing; what looks like a mishap is
 * skipped and told.
 * @returns undefined when it was skipped
 */
export async function hardRemove(repository: Repository, backup: CompletedBackup): Promise<ForgetResult | undefined> {
  const why = whyNot(repository, backup);
  if (why !== undefined) {
    repository.context.attention(`hard_remove was skipped: ${why}; 'backup-ninja cleanup_hard' drops the history`);
    return undefined;
  }
  const { result } = await forgetIn<HardRemovePlan>(
    repository,
    { dryRun: false, prune: true },
    {
      command: 'hard_remove',
      plan: async (shop) => planHardRemove(shop, backup),
      question: () => undefined,
      sources: ({ source }) => [source],
      judged: ({ source }) => [source],
      removed: ({ dropped }) => dropped,
      lost: (_, { lost }) => lost,
      act: removeHistory,
    },
    'confirmed',
  );
  return result;
}

/** Why history should rather stay this time. */
function whyNot(repository: Repository, { snapshot, previous, plan, isFirst }: CompletedBackup): string | undefined {
  const { catalog } = repository;
  if (isFirst) return 'this is the first backup of a new or rebuilt catalog';
  const row = catalog.snapshots.get(snapshot);
  if (row === undefined || previous === undefined || previous.source !== row.source) return undefined;
  if (!isPlausibleClock(currentTime(), previous.time)) return 'the clock cannot be right';
  for (const { key, mode } of plan.roots) {
    if (mode !== 'scan') continue;
    let gone = 0;
    for (const { before, after } of catalog.query.diff(previous, row, { under: key }))
      if (before?.type === EntryType.file && after === undefined) gone++;
    if (gone === 0) continue;
    let files = 0;
    for (const entry of catalog.query.entries(previous, { under: [key] })) if (entry.type === EntryType.file) files++;
    if (gone * 2 > files) return `${gone} of ${files} files of ${toDisplay(pathOf(key))} went since the last backup`;
  }
  return undefined;
}

function planHardRemove(shop: Workshop, { snapshot, plan, unread }: CompletedBackup): HardRemovePlan {
  const { catalog } = shop;
  const head = catalog.snapshots.get(snapshot);
  if (head === undefined) throw new Error(`no snapshot ${snapshot}`);
  const { source: lineage, sourceName: source } = head;
  // What was carried over from an earlier run was not saved by this one: it may be all that is left of it.
  const roots = plan.roots.filter(({ key, mode }) => mode !== 'carry' && !unread.has(key)).map(({ key }) => key);
  const counted = countedSnapshots(shop, [source]).filter((row) => row.source === lineage);
  const newest = newestOf(counted);
  const rows = counted.filter(
    (row) => row.applied && !newest.has(row.name) && !row.tags.includes(PIN) && holdsAny(shop, row, roots),
  );
  const { lost, kept } = judge(shop, lineage, roots, rows, { plan, unread });
  return { source, lineage, roots, rows, lost, kept, dropped: 0 };
}

function holdsAny({ catalog }: Workshop, row: SnapshotRow, keys: readonly ByteString[]): boolean {
  if (keys.length === 0) return false;
  for (const _ of catalog.query.entries(row, { under: keys })) return true;
  return false;
}

/** Which versions go, and what kept snapshots are to hold. */
function judge(
  shop: Workshop,
  lineage: SourceId,
  roots: readonly ByteString[],
  going: readonly SnapshotRow[],
  { plan, unread }: Pick<CompletedBackup, 'plan' | 'unread'>,
): { lost: Version[]; kept: KeptPath[] | undefined } {
  const { catalog } = shop;
  const gone = new Set(going.map(({ name }) => name));
  const staying = catalog.snapshots
    .all()
    .filter((row) => row.source === lineage && row.kind === 'taken' && row.applied && !gone.has(row.name))
    .map(({ seq }) => seq);
  const stays = ({ from, to }: Version): boolean =>
    staying.some((seq) => seq >= from && seq <= (to ?? Number.POSITIVE_INFINITY));
  const lost: Version[] = [];
  const kept: KeptPath[] = [];
  let changes = false;
  for (const { key, versions: all } of catalog.query.keysWithHistory(lineage)) {
    const versions = distinctVersions(all);
    const old = versions.filter(({ keptBy }) => keptBy === 'history');
    if (!roots.some((root) => isWithin(key, root))) {
      if (old.length > 0) kept.push({ key, versions: old });
      continue;
    }
    const ended = versions.filter((version) => version.keptBy === 'history' || !stays(version));
    // What is excluded by now, or could not be read, was not removed by its owner: its history stays.
    const isActive = versions.some(({ to }) => to === undefined);
    if (unread.has(key) || (!isActive && isExcluded(plan, pathOf(key)))) {
      if (ended.length > 0) kept.push({ key, versions: ended });
      changes ||= ended.length > old.length;
      continue;
    }
    lost.push(...ended);
    changes ||= old.length > 0;
  }
  return { lost, kept: changes ? kept : undefined };
}

async function removeHistory(shop: Workshop, plan: HardRemovePlan): Promise<void> {
  const { lineage, roots, rows, kept } = plan;
  const dropped = kept === undefined ? [] : await renewKept(shop, lineage, kept);
  const writer = new MetadataWriter(shop);
  try {
    const rewritten: CutSnapshot[] = [];
    for (const snapshot of await cutSnapshots(shop, writer, rows, roots)) {
      if (snapshot.cut.others > 0) rewritten.push(snapshot);
      else {
        dropped.push(snapshot.row.name);
        plan.dropped++;
      }
    }
    if (rewritten.length > 0) await writer.finish();
    await replaceSnapshots(shop, lineage, roots, rewritten);
    await dropSnapshots(shop, dropped);
  } finally {
    await writer.close();
  }
}
