import { expect, it } from 'vitest';
import { areZeros } from '../src/bytes.js';

it.each([
  [[], true],
  [[0], true],
  [[1], false],
  [[0, 0, 0], true],
  [[0, 0, 1], false],
  [[1, 0, 0], false],
  [[0, 1, 0], false],
  [[1, 1, 1], false],
])('%j has nothing but zeros: %s', (bytes, are) => {
  expect(areZeros(Uint8Array.from(bytes))).toBe(are);
});
