import { parseRfc3339 } from './time.js';

const million = 1_000_000n;

/**
 * The moment that a date from a user means, as nanoseconds since the epoch; null when the text is no date.
 *
 * Local time unless it says otherwise. What names a whole (a month, a day, a second) means its end, so that
 * "the newest snapshot not after it" includes that whole: `2026-05`, `2026-05-01`, `yesterday`, `2026-05-01 10:00:05`
 * (times are shown to the second, so what was shown selects what it was shown for). A time to the minute, a fraction and
 * a distance (`3 days ago`, `now`) are exact. English phrases are understood by chrono-node, loaded only for them.
 */
export async function parseMoment(text: string, now: Date = new Date()): Promise<bigint | null> {
  const trimmed = text.trim();
  return isoMoment(trimmed) ?? (/[a-z]/i.test(trimmed) ? await spokenMoment(trimmed, now) : null);
}

function isoMoment(text: string): bigint | null {
  const match =
    /^(\d{4})-(\d\d)(?:-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d:\d\d)?)?)?$/.exec(text);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? Number.NaN));
  const [fraction, offset] = match.slice(7);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59)
    return null;
  if (Number.isNaN(day)) return endBefore(localMs(year, month + 1, 1, 0, 0, 0));
  if (Number.isNaN(hour)) return endBefore(localMs(year, month, day + 1, 0, 0, 0));
  const seconds = Number.isNaN(second) ? 0 : second;
  const start =
    offset === undefined
      ? BigInt(localMs(year, month, day, hour, minute, seconds)) * million
      : parseRfc3339(`${text.slice(0, 10)}T${match[4]}:${match[5]}:${match[6] ?? '00'}${offset}`);
  if (start === null || fraction !== undefined) return start && start + BigInt((fraction ?? '').padEnd(9, '0'));
  return Number.isNaN(second) ? start : start + 999_999_999n;
}

async function spokenMoment(text: string, now: Date): Promise<bigint | null> {
  const { casual } = await import('chrono-node/en');
  const [result] = casual.parse(text, now);
  // A phrase within other words is no date, and neither is a span of time.
  if (!result || result.text.length !== text.length || result.end) return null;
  const { start } = result;
  const exact = start.isCertain('hour') || /\b(ago|now)\b/i.test(text);
  const date = start.date();
  if (exact) return BigInt(date.getTime()) * million;
  return endBefore(new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1).getTime());
}

function endBefore(ms: number): bigint {
  return BigInt(ms) * million - 1n;
}

/** Local time fields (month from 1, overflow allowed) as milliseconds; unlike `new Date(…)` also for years below 100. */
function localMs(year: number, month: number, day: number, hour: number, minute: number, second: number): number {
  const date = new Date(2000, 0, 1, hour, minute, second);
  date.setFullYear(year, month - 1, day);
  return date.getTime();
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
}
