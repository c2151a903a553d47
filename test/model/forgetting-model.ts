import { Ladder } from '../../src/archive/retention/ladder.js';
import { milliseconds } from '../../src/archive/retention/snapshot-rules.js';
import type { KeepPolicy } from '../../src/config/policy.js';
import type { LabFile, LabState } from '../archive/forgetting/lab.js';

/** A plain picture of what a store should hold: every snapshot as the map that it is. */
export interface ModelSnapshot {
  name: string;
  time: bigint;
  state: LabState;
  pinned: boolean;
}

export interface ModelVersion {
  path: string;
  file: LabFile;
  /** When it was first and last seen. */
  first: bigint;
  last: bigint;
}

export interface Model {
  /** Oldest first. */
  snapshots: ModelSnapshot[];
  kept: ModelVersion[];
}

/** A version with the positions of the snapshots that hold it. */
interface TakenVersion extends ModelVersion {
  from: number;
  to: number;
  isActive: boolean;
}

export function sameFile(a: LabFile | undefined, b: LabFile | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.mtime === b.mtime && sameBytes(a.content, b.content) && sameBytes(a.replaced, b.replaced);
}

function sameBytes(a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean {
  if (a == null || b == null) return a === b;
  return Buffer.compare(a, b) === 0;
}

/** Every version of every path, found by looking at neighbouring snapshots. */
export function takenVersions(snapshots: readonly ModelSnapshot[]): TakenVersion[] {
  const versions: TakenVersion[] = [];
  const paths = new Set(snapshots.flatMap(({ state }) => [...state.keys()]));
  for (const path of paths) {
    let current: TakenVersion | undefined;
    snapshots.forEach(({ state, time }, i) => {
      const file = state.get(path);
      if (current !== undefined && file !== undefined && sameFile(current.file, file)) {
        current.to = i;
        current.last = time;
        return;
      }
      current = file && { path, file, first: time, last: time, from: i, to: i, isActive: false };
      if (current !== undefined) versions.push(current);
    });
    if (current !== undefined) (current as TakenVersion).isActive = true;
  }
  return versions;
}

/** Drops snapshots. Returns the versions that nothing holds any more. */
export function forgetIn(model: Model, names: ReadonlySet<string>): ModelVersion[] {
  const lost = takenVersions(model.snapshots).filter((version) =>
    model.snapshots.every(({ name }, i) => i < version.from || i > version.to || names.has(name)),
  );
  model.snapshots = model.snapshots.filter(({ name }) => !names.has(name));
  return lost;
}

/** All history goes but what is pinned. */
export function cleanupHardIn(model: Model): ModelVersion[] {
  const newest = model.snapshots.at(-1);
  const names = new Set(model.snapshots.filter((s) => s !== newest && !s.pinned).map(({ name }) => name));
  const lost = [...forgetIn(model, names), ...model.kept];
  model.kept = [];
  return lost;
}

/** Thins as the command line promises, version by version and period by period. */
export function cleanupSoftIn(model: Model, policy: KeepPolicy, now: number): ModelVersion[] {
  const ladder = new Ladder(policy, now);
  const cellOf = (time: bigint) => ladder.cell(milliseconds(time));
  const taken = takenVersions(model.snapshots);
  const cells = model.snapshots.map(({ time }) => cellOf(time));
  const isFixed = (i: number) => i === model.snapshots.length - 1 || model.snapshots[i].pinned;
  const isLastOfCell = (i: number) =>
    cells[i] !== undefined && cells.findLastIndex((cell) => cell?.id === cells[i]?.id) === i;
  const stay = new Set<ModelVersion>();
  const byPath = new Map<string, (TakenVersion | ModelVersion)[]>();
  for (const version of [...taken, ...model.kept]) {
    const list = byPath.get(version.path);
    if (list === undefined) byPath.set(version.path, [version]);
    else list.push(version);
  }
  for (const versions of byPath.values()) {
    const seen = new Map<string, { count: number; versions: ModelVersion[] }>();
    for (const version of inOrder(versions)) {
      // Those in between end within it, unless a clock was put back: then their last snapshots are whole.
      const own = [cellOf(version.first), cellOf(version.last)];
      const isWhole = (i: number) => isFixed(i) || isLastOfCell(i);
      if ('from' in version && (version.isActive || range(version).some(isWhole))) stay.add(version);
      if ('from' in version && version.isActive) continue;
      const ids = new Set<string>();
      for (const cell of own) {
        if (cell === undefined || ids.has(cell.id)) continue;
        ids.add(cell.id);
        const entry = seen.get(cell.id) ?? { count: cell.count, versions: [] };
        entry.versions.push(version);
        seen.set(cell.id, entry);
      }
    }
    for (const { count, versions: inCell } of seen.values())
      for (const version of count === Number.POSITIVE_INFINITY ? inCell : inCell.slice(-count)) stay.add(version);
  }
  const whole = model.snapshots.map(
    (_, i) => isFixed(i) || (cells[i] !== undefined && taken.every((v) => stay.has(v) || i < v.from || i > v.to)),
  );
  const lost: ModelVersion[] = [...taken, ...model.kept].filter((version) => !stay.has(version));
  const kept = model.kept.filter((version) => stay.has(version));
  for (const version of taken)
    if (stay.has(version) && !range(version).some((i) => whole[i]))
      kept.push({ path: version.path, file: version.file, first: version.first, last: version.last });
  model.snapshots = model.snapshots.filter((_, i) => whole[i]);
  model.kept = kept;
  return lost;
}

/** What snapshots hold in their order; what was kept, of which only times are known, before what was seen later. */
function inOrder(versions: readonly (TakenVersion | ModelVersion)[]): (TakenVersion | ModelVersion)[] {
  const byTime = (a: ModelVersion, b: ModelVersion) => Number(a.last - b.last) || Number(a.first - b.first);
  const ordered = versions.filter((version) => 'from' in version).sort((a, b) => a.from - b.from) as ModelVersion[];
  let from = 0;
  for (const version of versions.filter((v) => !('from' in v)).sort(byTime)) {
    const next = ordered.findIndex((other, i) => i >= from && byTime(other, version) > 0);
    from = next < 0 ? ordered.length : next;
    ordered.splice(from++, 0, version);
  }
  return ordered;
}

/** Takes a path and what is below it out of everything. */
export function purgeIn(model: Model, path: string): ModelVersion[] {
  const isGone = (at: string) => at === path || at.startsWith(`${path}/`);
  const lost = [...takenVersions(model.snapshots), ...model.kept].filter((version) => isGone(version.path));
  for (const snapshot of model.snapshots) snapshot.state = new Map([...snapshot.state].filter(([at]) => !isGone(at)));
  model.kept = model.kept.filter((version) => !isGone(version.path));
  return lost;
}

export function holds(snapshot: ModelSnapshot, path: string): boolean {
  return [...snapshot.state.keys()].some((at) => at === path || at.startsWith(`${path}/`));
}

function range({ from, to }: TakenVersion): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
