import type { LegacyVersion } from './versions.js';

/** One backup of the old tool, as far as its log tells: runs that changed nothing have left no trace. */
export interface LegacyRun {
  /** The time of its last event. */
  time: bigint;
  /** Indexes of the versions that begin in it, and of those that end. */
  began: number[];
  ended: number[];
}

/** Log rows further apart than this are of different backups: within one, they follow each other in microseconds. */
const PAUSE = 60_000_000_000n;

/** In which order events of one time count: a path's old version goes, the new one comes; one of no length goes last. */
const Kind = { ended: 0, began: 1, endedAtOnce: 2 } as const;

/**
 * Groups the beginnings and ends of versions into the backups in which they were noticed, oldest first. Every version
 * begins in a run and ends in a later one: runs that lie closer together are told apart by that. A version is there
 * in the states after its first run up to the one before its last.
 */
export function runsOf(versions: readonly LegacyVersion[]): LegacyRun[] {
  const events = eventsOf(versions);
  const beganAt = new Map<number, number>();
  const runs: LegacyRun[] = [];
  let start = 0;
  const close = (end: number) => {
    if (end > start) runs.push(runOf(events.slice(start, end)));
    start = end;
  };
  events.forEach((event, i) => {
    if (i > start && event.at - events[i - 1].at > PAUSE) close(i);
    const began = beganAt.get(event.version);
    if (began === undefined) beganAt.set(event.version, i);
    else if (began >= start) close(widestGap(events, began + 1, i));
  });
  close(events.length);
  return runs;
}

interface RunEvent {
  at: bigint;
  kind: number;
  version: number;
}

function eventsOf(versions: readonly LegacyVersion[]): RunEvent[] {
  const events: RunEvent[] = [];
  versions.forEach(({ from, to }, version) => {
    events.push({ at: from, kind: Kind.began, version });
    if (to !== undefined) events.push({ at: to, kind: to === from ? Kind.endedAtOnce : Kind.ended, version });
  });
  return events.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.kind - b.kind));
}

/** The event from `first` to `last` before which the longest pause lies. */
function widestGap(events: readonly RunEvent[], first: number, last: number): number {
  let widest = first;
  for (let i = first + 1; i <= last; i++) {
    if (events[i].at - events[i - 1].at > events[widest].at - events[widest - 1].at) widest = i;
  }
  return widest;
}

function runOf(events: readonly RunEvent[]): LegacyRun {
  const run: LegacyRun = { time: events[events.length - 1].at, began: [], ended: [] };
  for (const { kind, version } of events) (kind === Kind.began ? run.began : run.ended).push(version);
  return run;
}
