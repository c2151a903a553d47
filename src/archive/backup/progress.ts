import type { ProgressCounts, Reporter } from '../../report/types.js';

/** How often it is told how far a run is, milliseconds. */
const TOLD_EVERY = 100;

/** What a run has done so far, from what it counts anyway. */
export interface RunFigures {
  /** Files that it is done with, unchanged or read. */
  files: number;
  /** Files that have been found and are still to be read. */
  filesToCome: number;
  bytesRead: number;
  /** Bytes of the files that have been found to be read, those that were read included. */
  bytesToRead: number;
  /** Whether all has been found. */
  isScanned: boolean;
}

/** What the run before says about this one. */
export interface Expectation {
  files: number;
  /** Undefined where little of it is read again. */
  bytes: number | undefined;
}

/**
 * How far a run is. How much there is shows when the scan has ended; until then the run before tells, and a first run
 * has no total.
 */
export function progressOf(figures: RunFigures, expected: Expectation | undefined): ProgressCounts {
  const { files, filesToCome, bytesRead, bytesToRead, isScanned } = figures;
  const counts = { files, bytes: bytesRead };
  if (isScanned) return { ...counts, totalFiles: files + filesToCome, totalBytes: Math.max(bytesToRead, bytesRead) };
  if (expected === undefined) return counts;
  return {
    ...counts,
    totalFiles: Math.max(expected.files, files + filesToCome),
    ...(expected.bytes !== undefined && { totalBytes: Math.max(expected.bytes, bytesToRead) }),
  };
}

/** Tells a reporter how far a run is, at intervals, whatever the run is waiting for. */
export class Progress {
  private readonly report: Reporter;
  private readonly look: () => ProgressCounts;
  private readonly timer: NodeJS.Timeout;

  constructor(report: Reporter, look: () => ProgressCounts) {
    this.report = report;
    this.look = look;
    this.timer = setInterval(() => this.tell(), TOLD_EVERY).unref();
  }

  /** Tells of the end. */
  finish(): void {
    clearInterval(this.timer);
    this.tell();
  }

  private tell(): void {
    this.report.progress(this.look());
  }
}
