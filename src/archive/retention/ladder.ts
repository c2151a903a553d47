import { ageBefore, periodKey } from '../../config/calendar.js';
import type { KeepPolicy } from '../../config/policy.js';

/** A stretch of time of which a policy keeps the last `count` versions of each path. */
export interface Cell {
  /** Equal for two moments iff they lie in the same cell. */
  id: string;
  /** Infinity: all of them. */
  count: number;
}

/** A keep policy seen from a moment: which cell each other moment lies in. */
export class Ladder {
  private readonly rungs: { from: number; keep: KeepPolicy[number]['keep'] }[];

  /** @param now milliseconds since 1970: ages count from here */
  constructor(policy: KeepPolicy, now: number) {
    this.rungs = policy.map(({ upTo, keep }) => ({
      from: upTo === null ? Number.NEGATIVE_INFINITY : ageBefore(now, upTo),
      keep,
    }));
  }

  /**
   * The cell of a moment: of the first rung that reaches so far back, since each covers what is older than the one
   * before it. Undefined for what is older than the last rung reaches.
   * @param time milliseconds since 1970
   */
  cell(time: number): Cell | undefined {
    const number = this.rungs.findIndex(({ from }) => time >= from);
    if (number < 0) return undefined;
    const { keep } = this.rungs[number];
    if (keep === 'all') return { id: `${number}`, count: Number.POSITIVE_INFINITY };
    return { id: `${number} ${periodKey(time, keep.period)}`, count: keep.count };
  }
}
