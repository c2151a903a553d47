import type { Cell } from './ladder.js';

/** A snapshot of a lineage, as the thinning of versions sees it. */
export interface LadderSnapshot {
  seq: number;
  /** Its cell; undefined: no rule covers it, or it does not count. */
  cell: Cell | undefined;
  /** It stays whatever the rules say: the newest one, pinned ones, those that do not count. */
  fixed: boolean;
}

/** Where a version of a path was seen. */
export type SeenVersion =
  /** In the snapshots from one sequence to another, both included. */
  | { from: number; to: number; isActive: boolean }
  /** At two moments, of which only the cells are known: kept ones. */
  | { first: Cell | undefined; last: Cell | undefined };

/**
 * Thins the versions of each path: a version counts in every cell in which a snapshot saw it; of each cell the last ones
 * stay, besides the active one. It follows that the last snapshot of each cell stays whole.
 */
export class Thinning {
  private readonly snapshots: readonly LadderSnapshot[];
  private readonly positions = new Map<number, number>();
  /** How many of the first n snapshots stay whole for sure. */
  private readonly anchorsBefore: Uint32Array;

  /** @param snapshots all applied ones of a lineage, by sequence */
  constructor(snapshots: readonly LadderSnapshot[]) {
    this.snapshots = snapshots;
    this.anchorsBefore = new Uint32Array(snapshots.length + 1);
    const lastOfCell = new Map<string, number>();
    snapshots.forEach(({ seq, cell }, i) => {
      this.positions.set(seq, i);
      if (cell !== undefined) lastOfCell.set(cell.id, i);
    });
    snapshots.forEach(({ cell, fixed }, i) => {
      const isLast = cell !== undefined && (cell.count === Number.POSITIVE_INFINITY || lastOfCell.get(cell.id) === i);
      this.anchorsBefore[i + 1] = this.anchorsBefore[i] + (fixed || isLast ? 1 : 0);
    });
  }

  /**
   * Which versions of a path stay.
   * @param versions all of them, oldest first
   */
  stay(versions: readonly SeenVersion[]): boolean[] {
    const counts = new Map<string, number>();
    const stay: boolean[] = new Array(versions.length);
    for (let i = versions.length - 1; i >= 0; i--) {
      const version = versions[i];
      const cells = this.cellsOf(version);
      stay[i] = this.holdsAnchor(version) || cells.some((cell) => (counts.get(cell.id) ?? 0) < cell.count);
      // The active version stays besides those that are counted.
      if ('isActive' in version && version.isActive) continue;
      for (const { id } of cells) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return stay;
  }

  /** Where in the list the snapshot with a sequence is. */
  position(seq: number): number {
    const position = this.positions.get(seq);
    if (position === undefined) throw new Error(`no snapshot ${seq} in the intervals`);
    return position;
  }

  /** Whether a version lies in a snapshot that stays whole. */
  private holdsAnchor(version: SeenVersion): boolean {
    if (!('from' in version)) return false;
    return (
      version.isActive ||
      this.anchorsBefore[this.position(version.to) + 1] > this.anchorsBefore[this.position(version.from)]
    );
  }

  /**
   * The cells in which a version is counted: those of its first and last snapshots that count. Cells in between end
   * within it, so that it stays for their sake anyway, and versions older than it were not seen in them.
   */
  private cellsOf(version: SeenVersion): Cell[] {
    const [first, last] = 'from' in version ? this.endCells(version) : [version.first, version.last];
    if (first === undefined || first.id === last?.id) return last === undefined ? [] : [last];
    return last === undefined ? [first] : [first, last];
  }

  private endCells({ from, to }: { from: number; to: number }): [Cell | undefined, Cell | undefined] {
    let low = this.position(from);
    let high = this.position(to);
    while (low < high && this.snapshots[low].cell === undefined) low++;
    while (high > low && this.snapshots[high].cell === undefined) high--;
    return [this.snapshots[low].cell, this.snapshots[high].cell];
  }
}

/** Which snapshots stay after thinning, found from the versions that go. */
export class WholeSnapshots {
  private readonly thinning: Thinning;
  private readonly snapshots: readonly LadderSnapshot[];
  /** Differences: how many more versions that go lie in a snapshot than in the one before it. */
  private readonly delta: Int32Array;
  private staysBefore: Uint32Array | undefined;

  constructor(thinning: Thinning, snapshots: readonly LadderSnapshot[]) {
    this.thinning = thinning;
    this.snapshots = snapshots;
    this.delta = new Int32Array(snapshots.length + 1);
  }

  /** Takes note of a version that goes. */
  lose({ from, to }: { from: number; to: number }): void {
    this.delta[this.thinning.position(from)]++;
    this.delta[this.thinning.position(to) + 1]--;
  }

  /** For each snapshot whether it stays: it is whole, and a rule covers it or it is fixed. */
  stay(): boolean[] {
    let missing = 0;
    const stay = this.snapshots.map(({ cell, fixed }, i) => {
      missing += this.delta[i];
      return fixed || (missing === 0 && cell !== undefined);
    });
    this.staysBefore = new Uint32Array(stay.length + 1);
    stay.forEach((stays, i) => {
      this.staysBefore![i + 1] = this.staysBefore![i] + (stays ? 1 : 0);
    });
    return stay;
  }

  /** Whether a version lies in a snapshot that stays. */
  hold({ from, to }: { from: number; to: number }): boolean {
    if (this.staysBefore === undefined) this.stay();
    const before = this.staysBefore!;
    return before[this.thinning.position(to) + 1] > before[this.thinning.position(from)];
  }
}
