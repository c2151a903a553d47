import { expect, test } from 'vitest';
import { checkClock, isPlausible, latestKnown } from '../../../src/archive/retention/plausibility.js';

const DAY = 86_400n * 1_000_000_000n;
const T = 20_000n * DAY;

test('a snapshot may be a day ahead of its receipt, and by a backup key 30 days behind', () => {
  expect(isPlausible({ time: T + DAY, received: T }, true)).toBe(true);
  expect(isPlausible({ time: T + DAY + 1n, received: T }, true)).toBe(false);
  expect(isPlausible({ time: T - 30n * DAY, received: T }, false)).toBe(true);
  expect(isPlausible({ time: T - 30n * DAY - 1n, received: T }, false)).toBe(false);
  expect(isPlausible({ time: T - 900n * DAY, received: T }, true)).toBe(true);
});

test('a clock before the newest snapshot, or implausibly after it, forgets nothing', () => {
  expect(() => checkClock(T - 1n, T)).toThrow(/lies before the newest snapshot/);
  expect(() => checkClock(T + 4000n * DAY, T)).toThrow(/more than ten years after/);
  expect(() => checkClock(T, T)).not.toThrow();
  expect(() => checkClock(T, undefined)).not.toThrow();
});

test.each([
  ['nothing', [], undefined],
  [
    'snapshots of full keys',
    [
      { time: T, isFull: true },
      { time: T - DAY, isFull: true },
    ],
    T,
  ],
  ['one that the store had before its time', [{ time: T + DAY, received: T, isFull: true }], T],
  ['a receipt by a clock that was ahead', [{ time: T, received: T + 900n * DAY, isFull: false }], T],
  ['one of a backup key without receipt', [{ time: T, isFull: false }], undefined],
])('the latest moment that is known to have come, by %s', (_by, snapshots, expected) => {
  expect(latestKnown(snapshots)).toBe(expected);
});
