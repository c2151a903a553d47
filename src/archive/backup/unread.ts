import type { ByteString } from '../../bytes.js';

/** The keys that a run could not look at, or not read: what it says of them is what an earlier run has seen. */
export class UnreadKeys {
  private readonly ranges: { from: ByteString; end: ByteString }[] = [];
  private isSorted = true;

  /** Adds the keys with `from` <= k < `end`. In any order; ranges may lie in one another. */
  add(from: ByteString, end: ByteString): void {
    this.ranges.push({ from, end });
    this.isSorted = false;
  }

  has(key: ByteString): boolean {
    if (!this.isSorted) this.sort();
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ranges[middle].end <= key) low = middle + 1;
      else high = middle;
    }
    return low < this.ranges.length && this.ranges[low].from <= key;
  }

  /** Sorts the ranges, and makes one of those that touch, so that none lies in another. */
  private sort(): void {
    const { ranges } = this;
    ranges.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    let last = 0;
    for (const { from, end } of ranges.slice(1))
      if (from > ranges[last].end) ranges[++last] = { from, end };
      else if (end > ranges[last].end) ranges[last].end = end;
    ranges.length = Math.min(ranges.length, last + 1);
    this.isSorted = true;
  }
}
