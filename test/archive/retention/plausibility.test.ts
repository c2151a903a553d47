import { expect, test } from 'vitest';
import { checkClock, isPlausible } from '../../../src/archive/retention/plausibility.js';

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
