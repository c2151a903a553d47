import type { Bar } from './bar.js';
import { counted, groupDigits, humanBytes, humanDuration } from './human.js';
import { type Paint, plainPaint } from './paint.js';
import type { ProgressCounts, Reporter, Totals } from './types.js';

/** How much a command says: -1 quiet, 0 normal, 1 and more verbose. */
export type Verbosity = number;

/** Where reporters write: stderr, or a catcher in tests. */
export interface Sink {
  write(text: string): unknown;
}

/** Messages as lines of text, without progress: for pipes, and for `--quiet`. */
export function plainReporter(sink: Sink, verbosity: Verbosity, paint: Paint = plainPaint): Reporter {
  return {
    start() {},
    progress() {},
    note: (message) => verbosity >= 0 && sink.write(`${message}\n`),
    detail: (message) => verbosity >= 1 && sink.write(`${message}\n`),
    warn: (message) => sink.write(`${paint('yellow', 'warning:')} ${message}\n`),
    done() {},
  };
}

/** Everything as JSON lines: `{"type":"progress"|"note"|"warning", …}`; progress at most twice a second. */
export function jsonReporter(sink: Sink, verbosity: Verbosity, clock: () => number = Date.now): Reporter {
  const line = (value: object) => sink.write(`${JSON.stringify(value)}\n`);
  let phase: Phase | undefined;
  let written = 0;
  const tell = () => {
    if (!phase || verbosity < 0) return;
    written = clock();
    const { files, bytes, totalFiles, totalBytes } = phase.counts;
    const seconds = (written - phase.started) / 1000;
    line({
      type: 'progress',
      phase: phase.name,
      files,
      bytes,
      total_files: totalFiles,
      total_bytes: totalBytes,
      seconds,
    });
  };
  const done = () => {
    tell();
    phase = undefined;
  };
  return {
    start(name, totals) {
      done();
      phase = newPhase(name, totals, clock());
      tell();
    },
    progress(counts) {
      if (!phase) return;
      phase.counts = { ...phase.counts, ...counts };
      if (clock() - written >= 500) tell();
    },
    note: (message) => verbosity >= 0 && line({ type: 'note', message }),
    detail: (message) => verbosity >= 1 && line({ type: 'note', message }),
    warn: (message) => line({ type: 'warning', message }),
    done,
  };
}

/** A bar on a terminal, at most ten times a second: phase, files, bytes, rate and time left. */
export function terminalReporter(
  sink: Sink,
  verbosity: Verbosity,
  bar: Bar,
  paint: Paint = plainPaint,
  clock: () => number = Date.now,
): Reporter {
  const plain = plainReporter(sink, verbosity, paint);
  let phase: Phase | undefined;
  let drawn = 0;
  const say = (write: (message: string) => void) => (message: string) => {
    bar.clear();
    write(message);
    drawn = 0;
  };
  const done = () => {
    if (phase) bar.clear();
    phase = undefined;
  };
  return {
    start(name, totals) {
      done();
      phase = newPhase(name, totals, clock());
      drawn = 0;
    },
    progress(counts) {
      if (!phase) return;
      phase.counts = { ...phase.counts, ...counts };
      const now = clock();
      if (now - drawn < 100) return;
      drawn = now;
      bar.draw(shareDone(phase.counts), statusText(phase, now));
    },
    note: say(plain.note),
    detail: say(plain.detail),
    warn: say(plain.warn),
    done,
  };
}

interface Phase {
  name: string;
  started: number;
  counts: Counts;
}

type Counts = ProgressCounts & { files: number; bytes: number };

function newPhase(name: string, totals: Totals | undefined, started: number): Phase {
  return { name, started, counts: { files: 0, bytes: 0, totalFiles: totals?.files, totalBytes: totals?.bytes } };
}

/** 0 to 1, by bytes where their total is known, else by files; NaN when neither is. */
function shareDone({ files, bytes, totalFiles, totalBytes }: Counts): number {
  const share = totalBytes ? bytes / totalBytes : totalFiles ? files / totalFiles : Number.NaN;
  return Math.min(1, share);
}

function statusText({ name, started, counts }: Phase, now: number): string {
  const { files, bytes, totalFiles, totalBytes } = counts;
  const elapsed = now - started;
  const parts = [name];
  if (totalFiles) parts.push(`${groupDigits(files)}/${counted(totalFiles, 'file')}`);
  else if (files > 0) parts.push(counted(files, 'file'));
  if (bytes > 0 || totalBytes)
    parts.push(totalBytes ? `${humanBytes(bytes)}/${humanBytes(totalBytes)}` : humanBytes(bytes));
  if (bytes > 0 && elapsed >= 1000) parts.push(`${humanBytes((bytes / elapsed) * 1000)}/s`);
  const share = shareDone(counts);
  // The rate of the first seconds says little about the time left.
  if (share > 0 && share < 1 && elapsed >= 3000) parts.push(`${humanDuration((elapsed / share) * (1 - share))} left`);
  return parts.join('  ');
}
