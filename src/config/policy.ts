import { ExitCode, UserError } from '../errors.js';
import { type Age, parseAge } from './duration.js';

/** A calendar period in local time; weeks are ISO weeks (Monday first). */
export type Period = 'hour' | 'day' | 'week' | 'month' | 'year';

/** What a rule keeps: everything, or the last `count` of each calendar `period`. */
export type Keep = 'all' | { count: number; period: Period };

/** One rung: `keep` applies to what is older than the rung before it and at most `upTo` old (`null`: however old). */
export interface KeepRule {
  upTo: Age | null;
  keep: Keep;
}

/**
 * A ladder of rules with rising ages. Only the last may have `upTo: null`; where the last one has an age, nothing
 * beyond that age is kept.
 */
export type KeepPolicy = readonly KeepRule[];

const periods = new Map<string, Period>([
  ['hour', 'hour'],
  ['h', 'hour'],
  ['day', 'day'],
  ['d', 'day'],
  ['week', 'week'],
  ['w', 'week'],
  ['month', 'month'],
  ['m', 'month'],
  ['mo', 'month'],
  ['year', 'year'],
  ['y', 'year'],
]);

/** What `cleanup_soft` does without a policy: at most one version of each path a year. */
export const yearly: KeepPolicy = [{ upTo: null, keep: { count: 1, period: 'year' } }];

/**
 * Parses a keep policy such as `7d:all,8w:1/week,2y:1/month,1/year`.
 * @param where names the key or option in the message.
 * @throws UserError (usage) that quotes the part it cannot read.
 */
export function parsePolicy(text: string, where: string): KeepPolicy {
  const rules = text.split(',').map((part) => parseRule(part.trim(), text, where));
  rules.forEach((rule, i) => {
    if (i === 0) return;
    const before = rules[i - 1].upTo;
    if (before === null) fail(where, text, 'only the last rule may be without an age');
    if (rule.upTo !== null && roughDays(rule.upTo) <= roughDays(before))
      fail(where, text, 'each age must be greater than the one before it');
  });
  return rules;
}

/** A policy as text that `parsePolicy` reads as the same policy. */
export function formatPolicy(policy: KeepPolicy): string {
  return policy
    .map(({ upTo, keep }) => {
      const what = keep === 'all' ? 'all' : `${keep.count}/${keep.period}`;
      return upTo === null ? what : `${formatAge(upTo)}:${what}`;
    })
    .join(',');
}

function parseRule(part: string, whole: string, where: string): KeepRule {
  const colon = part.indexOf(':');
  const upTo = colon < 0 ? null : parseAge(part.slice(0, colon), where);
  const what = part.slice(colon + 1).trim();
  if (what === 'all') return { upTo, keep: 'all' };
  const match = /^([1-9]\d{0,5})\s*\/\s*([a-z]+?)s?$/i.exec(what);
  const period = match && periods.get(match[2].toLowerCase());
  if (!match || !period) fail(where, whole, `cannot read \`${part}\``);
  return { upTo, keep: { count: Number(match[1]), period } };
}

function fail(where: string, text: string, why: string): never {
  throw new UserError(
    ExitCode.usage,
    `${where}: ${why} in the keep policy \`${text}\`; expected rules such as 7d:all,8w:1/week,2y:1/month,1/year`,
  );
}

function formatAge(age: Age): string {
  const parts = [`${age.years}y`, `${age.months}m`, `${age.days}d`, `${age.hours}h`].filter((p) => !p.startsWith('0'));
  return parts.join('') || '0d';
}

/** Comparable size of an age, good enough to see that a ladder rises. */
function roughDays(age: Age): number {
  return age.years * 365.25 + age.months * 30.44 + age.days + age.hours / 24;
}
