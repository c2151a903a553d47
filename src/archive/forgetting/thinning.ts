import type { SnapshotRow, SourceId, Version } from '../../catalog/index.js';
import type { Ladder } from '../retention/ladder.js';
import { milliseconds } from '../retention/snapshot-rules.js';
import { type LadderSnapshot, type SeenVersion, Thinning, WholeSnapshots } from '../retention/version-rules.js';
import { dropSnapshots } from './drop.js';
import { distinctVersions, type KeptPath, renewKept } from './kept-layers.js';
import { countedSnapshots, newestOf, PIN, standingOf } from './sources.js';
import type { Workshop } from './workshop.js';

/** What becomes of the versions of a path. */
interface Decided {
  key: string;
  /** Gone for ever. */
  lost: Version[];
  /** To be held by kept snapshots. */
  kept: Version[];
  /** Some version is kept twice, by a run that was killed. */
  hasTwins: boolean;
}

/**
 * What was seen last comes last. That is not always what began last: where a snapshot between two equal versions was
 * forgotten, they are one, and a kept version may lie within it.
 */
function byLastSeen(a: Version, b: Version): number {
  if (a.toTime === b.toTime) return a.fromTime < b.fromTime ? -1 : a.fromTime > b.fromTime ? 1 : 0;
  if (a.toTime === undefined || b.toTime === undefined) return a.toTime === undefined ? 1 : -1;
  return a.toTime < b.toTime ? -1 : 1;
}

/**
 * The versions of a path, what came last in history last. Those of snapshots go by sequence, since a clock may have been
 * put back; of kept ones only the times are known, and these say where among the others they belong.
 */
function inOrder(versions: readonly Version[]): Version[] {
  const taken = versions.filter(({ keptBy }) => keptBy === 'snapshot').sort((a, b) => a.from - b.from);
  const kept = versions.filter(({ keptBy }) => keptBy === 'history').sort(byLastSeen);
  const ordered: Version[] = [];
  for (const version of taken) {
    while (kept.length > 0 && byLastSeen(kept[0], version) <= 0) ordered.push(kept.shift()!);
    ordered.push(version);
  }
  return [...ordered, ...kept];
}

/** How a lineage is thinned. */
export class LineageThinning {
  readonly lineage: SourceId;
  /** Names of the taken snapshots that would not be whole. */
  readonly dropped: string[];
  /** How many versions go, and whether kept snapshots change. */
  readonly versions: number;
  readonly changesKept: boolean;
  private readonly shop: Workshop;
  private readonly ladder: Ladder;
  private readonly rows: SnapshotRow[];
  private readonly thinning: Thinning;
  private readonly whole: WholeSnapshots;

  /** Decides; changes nothing. */
  constructor(shop: Workshop, lineage: SourceId, sourceName: string, ladder: Ladder) {
    this.shop = shop;
    this.lineage = lineage;
    this.ladder = ladder;
    const all = shop.catalog.snapshots.all(sourceName).filter((row) => row.source === lineage);
    this.rows = all.filter((row) => row.applied && row.kind === 'taken');
    const newest = newestOf(countedSnapshots(shop, [sourceName]));
    const snapshots = this.rows.map((row) => this.onLadder(row, newest.has(row.name)));
    this.thinning = new Thinning(snapshots);
    this.whole = new WholeSnapshots(this.thinning, snapshots);
    for (const { versions, stay } of this.judged())
      versions.forEach((version, i) => {
        if (!stay[i] && version.keptBy === 'snapshot') this.whole.lose(this.interval(version));
      });
    const stay = this.whole.stay();
    this.dropped = this.rows.filter((_, i) => !stay[i]).map(({ name }) => name);
    let versions = 0;
    let changesKept = false;
    for (const { lost, kept, hasTwins } of this.decided()) {
      versions += lost.length;
      changesKept ||=
        hasTwins || lost.some(({ keptBy }) => keptBy === 'history') || kept.some(({ keptBy }) => keptBy === 'snapshot');
    }
    this.versions = versions;
    this.changesKept = changesKept;
  }

  get changes(): boolean {
    return this.dropped.length > 0 || this.changesKept;
  }

  /** The versions that go, in key order. */
  *lost(): Generator<Version> {
    for (const { lost } of this.decided()) yield* lost;
  }

  /** Thins. What must live on in a kept snapshot is durable there before anything goes. */
  async carryOut(): Promise<void> {
    const replaced = this.changesKept ? await renewKept(this.shop, this.lineage, this.keptPaths()) : [];
    await dropSnapshots(this.shop, [...this.dropped, ...replaced]);
  }

  private *keptPaths(): Generator<KeptPath> {
    for (const { key, kept } of this.decided()) if (kept.length > 0) yield { key, versions: kept };
  }

  /** What becomes of the versions of each path, in key order. */
  private *decided(): Generator<Decided> {
    for (const { key, versions, stay, hasTwins } of this.judged()) {
      const decided: Decided = { key, lost: [], kept: [], hasTwins };
      versions.forEach((version, i) => {
        if (!stay[i]) decided.lost.push(version);
        else if (version.keptBy === 'history' || !this.whole.hold(this.interval(version))) decided.kept.push(version);
      });
      yield decided;
    }
  }

  private *judged(): Generator<{ key: string; versions: Version[]; stay: boolean[]; hasTwins: boolean }> {
    for (const { key, versions: all } of this.shop.catalog.query.keysWithHistory(this.lineage)) {
      const versions = inOrder(distinctVersions(all));
      const stay = this.thinning.stay(versions.map((version) => this.seen(version)));
      yield { key, versions, stay, hasTwins: versions.length < all.length };
    }
  }

  private seen(version: Version): SeenVersion {
    if (version.keptBy === 'history')
      return { first: this.cell(version.fromTime), last: this.cell(version.toTime ?? version.fromTime) };
    return { ...this.interval(version), isActive: version.to === undefined };
  }

  private interval(version: Version): { from: number; to: number } {
    return { from: version.from, to: version.to ?? this.rows[this.rows.length - 1].seq };
  }

  private onLadder(row: SnapshotRow, isNewest: boolean): LadderSnapshot {
    const counts = standingOf(this.shop, row) === undefined;
    return {
      seq: row.seq,
      cell: counts ? this.cell(row.time) : undefined,
      fixed: isNewest || !counts || row.tags.includes(PIN),
    };
  }

  private cell(time: bigint) {
    return this.ladder.cell(milliseconds(time));
  }
}
