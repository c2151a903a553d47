import { ageBefore, periodKey } from '../../config/calendar.js';
import type { Period } from '../../config/policy.js';
import type { ForgetRules } from '../types.js';

/** As much of a snapshot as keep rules look at. */
export interface RuledSnapshot {
  /** Nanoseconds since 1970. */
  time: bigint;
  tags: readonly string[];
}

/** What the rules say of a snapshot. Without a reason it goes. */
export interface Verdict<S> {
  snapshot: S;
  reasons: string[];
}

/** Rules without an explicit `last` never leave fewer than this many: a slip of the pen must not empty a history. */
export const FEWEST_KEPT = 3;

/** Counts down the periods of one rule. */
interface Bucket {
  left: number;
  reason: string;
  key(time: number, position: number): string;
  /** The periods that the rule has kept a snapshot of. */
  seen: Set<string>;
}

/**
 * Applies keep rules to one group of snapshots, with the meanings that restic gives them: a snapshot stays if any rule
 * keeps it. `daily: 7` keeps the newest of each of the last seven days that have one, and so on; a rule with periods
 * left at the end of the list keeps the oldest one too. `within` counts from the newest one that is not in the future,
 * `tags` keeps what has all tags of any list. Periods are those of the local calendar, weeks those of ISO 8601.
 * @param newestFirst in the order of history: by their times only as far as no clock was put back
 * @param now milliseconds since 1970
 */
export function applyRules<S extends RuledSnapshot>(
  newestFirst: readonly S[],
  rules: ForgetRules,
  now: number,
): Verdict<S>[] {
  const buckets = bucketsOf(rules);
  const within = withinLimit(newestFirst, rules, now);
  const fewest = rules.last === undefined ? FEWEST_KEPT : 0;
  return newestFirst.map((snapshot, position) => {
    const time = milliseconds(snapshot.time);
    const isOldest = position === newestFirst.length - 1;
    const reasons: string[] = [];
    if (rules.tags.some((list) => list.every((tag) => snapshot.tags.includes(tag)))) reasons.push('tags');
    if (within !== undefined && time > within) reasons.push('within');
    for (const bucket of buckets) {
      if (bucket.left <= 0) continue;
      const key = bucket.key(time, position);
      const isNew = !bucket.seen.has(key);
      if (!isNew && !isOldest) continue;
      reasons.push(isNew ? bucket.reason : `oldest ${bucket.reason}`);
      bucket.seen.add(key);
      bucket.left--;
    }
    if (reasons.length === 0 && position < fewest) reasons.push(`newest ${fewest}`);
    return { snapshot, reasons };
  });
}

function bucketsOf(rules: ForgetRules): Bucket[] {
  const of = (count: number | undefined, reason: string, key: Bucket['key']): Bucket[] =>
    count === undefined ? [] : [{ left: count, reason, key, seen: new Set() }];
  const calendar = (period: Period) => (time: number) => periodKey(time, period);
  return [
    ...of(rules.last, 'last', (_, position) => String(position)),
    ...of(rules.hourly, 'hourly', calendar('hour')),
    ...of(rules.daily, 'daily', calendar('day')),
    ...of(rules.weekly, 'weekly', calendar('week')),
    ...of(rules.monthly, 'monthly', calendar('month')),
    ...of(rules.yearly, 'yearly', calendar('year')),
  ];
}

/** Snapshots younger than this moment stay; undefined without such a rule. */
function withinLimit(newestFirst: readonly RuledSnapshot[], rules: ForgetRules, now: number): number | undefined {
  if (rules.within === undefined) return undefined;
  const newest = newestFirst.find(({ time }) => milliseconds(time) <= now);
  return newest && ageBefore(milliseconds(newest.time), rules.within);
}

/** Nanoseconds as milliseconds. */
export function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000n);
}
