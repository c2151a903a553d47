import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ageBefore, periodKey } from '../../src/config/calendar.js';
import { parseAge, parseDuration } from '../../src/config/duration.js';
import { nearest } from '../../src/config/nearest.js';
import { formatPolicy, type KeepPolicy, parsePolicy } from '../../src/config/policy.js';
import { parseShare, parseSize } from '../../src/config/size.js';

describe('durations', () => {
  test.each([
    ['26h', 26 * 3_600_000],
    ['30d', 30 * 86_400_000],
    ['8w', 56 * 86_400_000],
    ['2y', 730 * 86_400_000],
    ['1h30m', 5_400_000],
    ['90s', 90_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['0', 0],
  ])('%s', (text, ms) => expect(parseDuration(text, 'x')).toBe(ms));
  test.each(['', '5', 'd', '5x', '-1d', '1d!', 'constructor', '1constructor'])('refuses %j', (text) =>
    expect(() => parseDuration(text, 'key `full_every`')).toThrow(/^key `full_every`: cannot read the duration/),
  );
  test('ages have calendar units, m is months', () => {
    expect(parseAge('1y6m2w3d4h', 'x')).toEqual({ years: 1, months: 6, days: 17, hours: 4 });
    for (const bad of ['', '1.5d', '5s', '1toString']) expect(() => parseAge(bad, 'x')).toThrow('cannot read the age');
  });
});

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['10M', 10 * 1024 ** 2],
    ['1GiB', 1024 ** 3],
    ['1GB', 1e9],
    ['1.5k', 1536],
    ['2 TiB', 2 * 1024 ** 4],
    ['7b', 7],
  ])('%s', (text, bytes) => expect(parseSize(text, 'x')).toBe(bytes));
  test.each(['', 'M', '-1', '1X', '1ib', '99999999P', '1e3'])('refuses %j', (text) =>
    expect(() => parseSize(text, '--limit')).toThrow(/^--limit: cannot read the size/),
  );
  test('shares', () => {
    expect(parseShare('5%', 'x')).toBe(0.05);
    expect(parseShare('100%', 'x')).toBe(1);
    for (const bad of ['5', '101%', '-1%', '%']) expect(() => parseShare(bad, 'x')).toThrow('0% to 100%');
  });
});

describe('keep policies', () => {
  test('the ladder of the manual', () => {
    expect(parsePolicy('7d:all,8w:1/week,2y:1/month,1/year', 'x')).toEqual([
      { upTo: { years: 0, months: 0, days: 7, hours: 0 }, keep: 'all' },
      { upTo: { years: 0, months: 0, days: 56, hours: 0 }, keep: { count: 1, period: 'week' } },
      { upTo: { years: 2, months: 0, days: 0, hours: 0 }, keep: { count: 1, period: 'month' } },
      { upTo: null, keep: { count: 1, period: 'year' } },
    ]);
  });
  test.each([
    ['', 'cannot read'],
    ['7d', 'cannot read `7d`'],
    ['7d:some', 'cannot read'],
    ['0/year', 'cannot read'],
    ['1/year,7d:all', 'only the last rule'],
    ['8w:all,7d:1/week', 'greater'],
    ['7d:all,1w:1/day', 'greater'],
    ['1/constructor', 'cannot read'],
    ['7d:all,', 'cannot read ``'],
  ])('refuses %j', (text, why) => expect(() => parsePolicy(text, '--keep')).toThrow(why));
  test('a policy as text reads as the same policy', () => {
    const keep = fc.oneof(
      fc.constant('all' as const),
      fc.record({
        count: fc.integer({ min: 1, max: 99 }),
        period: fc.constantFrom('hour', 'day', 'week', 'month', 'year'),
      }),
    );
    const ladder = fc.tuple(fc.array(keep, { minLength: 1, maxLength: 5 }), fc.boolean()).map(([keeps, open]) =>
      keeps.map((k, i) => ({
        upTo: open && i === keeps.length - 1 ? null : { years: i, months: i % 3, days: 1 + i, hours: i },
        keep: k,
      })),
    );
    fc.assert(
      fc.property(ladder, (policy) => {
        expect(parsePolicy(formatPolicy(policy as KeepPolicy), 'x')).toEqual(policy);
      }),
    );
  });
});

describe('calendar', () => {
  const at = (text: string) => new Date(text).getTime();
  test('periods, with ISO weeks', () => {
    const time = at('2026-01-01T15:30:00');
    expect(periodKey(time, 'hour')).toBe('2026-01-01T15');
    expect(periodKey(time, 'day')).toBe('2026-01-01');
    expect(periodKey(time, 'week')).toBe('2026-W01');
    expect(periodKey(time, 'month')).toBe('2026-01');
    expect(periodKey(time, 'year')).toBe('2026');
    expect(periodKey(at('2025-12-29T00:00:00'), 'week')).toBe('2026-W01');
    expect(periodKey(at('2027-01-03T23:59:59'), 'week')).toBe('2026-W53');
    expect(periodKey(at('2024-12-30T12:00:00'), 'week')).toBe('2025-W01');
  });
  test('a week key changes exactly on Mondays', () => {
    for (let day = 0; day < 4000; day++) {
      const a = new Date(2015, 0, 1 + day, 12);
      const b = new Date(2015, 0, 2 + day, 12);
      expect(periodKey(a.getTime(), 'week') !== periodKey(b.getTime(), 'week')).toBe(b.getDay() === 1);
    }
  });
  test('ages on the calendar', () => {
    const earlier = (now: string, age: string) => new Date(ageBefore(at(now), parseAge(age, 'x')));
    expect(earlier('2026-03-31T10:00:00', '1m')).toEqual(new Date('2026-02-28T10:00:00'));
    expect(earlier('2024-02-29T10:00:00', '1y')).toEqual(new Date('2023-02-28T10:00:00'));
    expect(earlier('2026-03-01T00:00:00', '1d')).toEqual(new Date('2026-02-28T00:00:00'));
    expect(earlier('2026-01-15T10:00:00', '1y2m')).toEqual(new Date('2024-11-15T10:00:00'));
    expect(earlier('2026-01-15T10:00:00', '12h')).toEqual(new Date('2026-01-14T22:00:00'));
  });
});

test('the nearest name', () => {
  expect(nearest('hardremove', ['hard_remove', 'restore_dir'])).toBe('hard_remove');
  expect(nearest('Exclude-File', ['exclude', 'exclude_file'])).toBe('exclude_file');
  expect(nearest('qqqq', ['nice', 's3'])).toBeUndefined();
});
