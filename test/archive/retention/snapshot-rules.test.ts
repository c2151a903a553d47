import { expect, test } from 'vitest';
import { applyRules } from '../../../src/archive/retention/snapshot-rules.js';
import type { ForgetRules } from '../../../src/archive/types.js';
import { parseAge } from '../../../src/config/duration.js';

/** A fixed series, newest first, in local time. */
const SERIES = [
  '2026-03-15 18:00',
  '2026-03-15 09:30',
  '2026-03-15 09:00',
  '2026-03-14 12:00',
  '2026-03-09 12:00', // Monday, first day of an ISO week
  '2026-03-08 12:00', // Sunday, last day of the week before
  '2026-02-20 12:00',
  '2026-01-01 12:00',
  '2025-12-31 12:00', // the same ISO week as the line above
  '2024-06-01 12:00',
];
const NOW = new Date('2026-03-16T00:00').getTime();

function kept(rules: Partial<ForgetRules>, tags: Record<string, string[]> = {}): string[] {
  const series = SERIES.map((text) => ({
    text,
    time: BigInt(new Date(text.replace(' ', 'T')).getTime()) * 1_000_000n,
    tags: tags[text] ?? [],
  }));
  return applyRules(series, { tags: [], ...rules }, NOW)
    .filter(({ reasons }) => reasons.length > 0)
    .map(({ snapshot, reasons }) => `${snapshot.text} ${reasons.join('+')}`);
}

test.each<[string, Partial<ForgetRules>, string[]]>([
  ['last 2', { last: 2 }, ['2026-03-15 18:00 last', '2026-03-15 09:30 last']],
  ['hourly 2', { last: 0, hourly: 2 }, ['2026-03-15 18:00 hourly', '2026-03-15 09:30 hourly']],
  ['daily 3', { last: 0, daily: 3 }, ['2026-03-15 18:00 daily', '2026-03-14 12:00 daily', '2026-03-09 12:00 daily']],
  [
    'weekly 3: weeks begin on Monday',
    { last: 0, weekly: 3 },
    ['2026-03-15 18:00 weekly', '2026-03-08 12:00 weekly', '2026-02-20 12:00 weekly'],
  ],
  [
    'monthly 4',
    { last: 0, monthly: 4 },
    ['2026-03-15 18:00 monthly', '2026-02-20 12:00 monthly', '2026-01-01 12:00 monthly', '2025-12-31 12:00 monthly'],
  ],
  ['yearly 2', { last: 0, yearly: 2 }, ['2026-03-15 18:00 yearly', '2025-12-31 12:00 yearly']],
  [
    'within 7 days of the newest',
    { last: 0, within: parseAge('7d', 'test') },
    [
      '2026-03-15 18:00 within',
      '2026-03-15 09:30 within',
      '2026-03-15 09:00 within',
      '2026-03-14 12:00 within',
      '2026-03-09 12:00 within',
    ],
  ],
])('%s', (_, rules, expected) => {
  expect(kept(rules)).toEqual(expected);
});

test('a rule with periods left keeps the oldest one too', () => {
  const series = ['2026-03-15T18:00', '2026-03-15T09:00'].map((text) => ({
    time: BigInt(new Date(text).getTime()) * 1_000_000n,
    tags: [],
  }));
  const verdicts = applyRules(series, { last: 0, daily: 5, tags: [] }, NOW);
  expect(verdicts.map(({ reasons }) => reasons)).toEqual([['daily'], ['oldest daily']]);
});

test('all tags of any list', () => {
  const tags = { '2026-02-20 12:00': ['a', 'b'], '2026-01-01 12:00': ['a'], '2024-06-01 12:00': ['c'] };
  expect(kept({ last: 0, tags: [['a', 'b'], ['c']] }, tags)).toEqual([
    '2026-02-20 12:00 tags',
    '2024-06-01 12:00 tags',
  ]);
});

test('without an explicit --keep-last the three newest stay', () => {
  expect(kept({ yearly: 1 })).toEqual([
    '2026-03-15 18:00 yearly',
    '2026-03-15 09:30 newest 3',
    '2026-03-15 09:00 newest 3',
  ]);
});
