import { expect, test } from 'vitest';
import { newestLast } from '../../src/archive/snapshots.js';

/** Snapshots as `lineage:time`, in the order of the catalog: by lineage, each in its own order. */
const order = (...lineages: number[][]): string[] => {
  const rows = lineages.flatMap((times, source) =>
    times.map((time, i) => ({ source, seq: i + 1, time: BigInt(time) })),
  );
  return newestLast(rows).map(({ source, time }) => `${source}:${time}`);
};

test('histories are merged by time, newest last', () => {
  expect(order([10, 30, 50], [20, 40], [5, 60])).toEqual(['2:5', '0:10', '1:20', '0:30', '1:40', '0:50', '2:60']);
});

test('a clock that jumps back reorders no history, and nothing else beside it', () => {
  expect(order([10, 90, 20, 95], [30, 92], [15])).toEqual(['0:10', '2:15', '1:30', '0:90', '0:20', '1:92', '0:95']);
});
