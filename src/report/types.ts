/** What is known of the size of a phase; left out while unknown. */
export interface Totals {
  files?: number;
  bytes?: number;
}

/** How far a phase is: absolute counts since `start`, not increments. What is left out stays as it was. */
export interface ProgressCounts {
  files?: number;
  bytes?: number;
  totalFiles?: number;
  totalBytes?: number;
}

/**
 * Where a running command tells of itself. Calls are cheap (`progress` may be called per file; output is rate limited)
 * and never throw. One phase is open at a time; `start` ends the one before it.
 */
export interface Reporter {
  /** Opens a phase, named in a few words for people: `scanning`, `saving`, `reading packs`. */
  start(phase: string, totals?: Totals): void;
  /** How far the open phase is. */
  progress(counts: ProgressCounts): void;
  /** A remark; left out with `--quiet`. */
  note(message: string): void;
  /** A detail for `--verbose` only. */
  detail(message: string): void;
  /** Something is odd, though it does not by itself change the exit code (`Context.attention` does that too). */
  warn(message: string): void;
  /** Closes the open phase, leaving the terminal clean. May be called more than once. */
  done(): void;
}
