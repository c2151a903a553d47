import type { Age } from './duration.js';
import type { Period } from './policy.js';

/**
 * The calendar period that holds a moment, in local time, as text: `2026`, `2026-05`, `2026-W18` (ISO week),
 * `2026-05-01`, `2026-05-01T10`. Two moments lie in the same period iff their texts are equal.
 * @param time milliseconds since the epoch
 */
export function periodKey(time: number, period: Period): string {
  const date = new Date(time);
  if (period === 'week') return weekKey(date);
  let key = String(date.getFullYear()).padStart(4, '0');
  if (period === 'year') return key;
  key += `-${two(date.getMonth() + 1)}`;
  if (period === 'month') return key;
  key += `-${two(date.getDate())}`;
  return period === 'day' ? key : `${key}T${two(date.getHours())}`;
}

/**
 * The moment that lies one age before `now`, counted on the local calendar: `1d` is the same wall clock time of the day
 * before, also where clocks were changed. A day that the month does not have becomes the month's last.
 * @returns milliseconds since the epoch
 */
export function ageBefore(now: number, age: Age): number {
  const date = new Date(now);
  const day = date.getDate();
  date.setDate(1);
  date.setFullYear(date.getFullYear() - age.years, date.getMonth() - age.months);
  const lastDay = new Date(date.getFullYear(), date.getMonth() + 1, 0).getDate();
  date.setDate(Math.min(day, lastDay) - age.days);
  return date.getTime() - age.hours * 3_600_000;
}

/** ISO 8601: weeks begin on Monday and belong to the year that has their Thursday. */
function weekKey(date: Date): string {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 3 - ((date.getDay() + 6) % 7));
  const year = thursday.getFullYear();
  const dayOfYear = Math.round(
    (Date.UTC(year, thursday.getMonth(), thursday.getDate()) - Date.UTC(year, 0, 1)) / 86_400_000,
  );
  return `${String(year).padStart(4, '0')}-W${two(Math.floor(dayOfYear / 7) + 1)}`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}
