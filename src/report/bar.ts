import type { SingleBar } from 'cli-progress';

/** A line at the bottom of a terminal. */
export interface Bar {
  /** Shows a share of 0 to 1 (NaN: unknown, then without bar) and a text. */
  draw(share: number, text: string): void;
  /** Takes the line off the screen, so that another can be written; the next `draw` brings it back. */
  clear(): void;
}

/** A bar drawn by cli-progress, which is loaded with the first `draw` (that one and any meanwhile are not shown). */
export function terminalBar(stream: NodeJS.WritableStream): Bar {
  let loading = false;
  let bar: SingleBar | undefined;
  let shown = false;
  const load = async () => {
    const { SingleBar } = (await import('cli-progress')).default;
    bar = new SingleBar({
      stream,
      clearOnComplete: true,
      hideCursor: false,
      gracefulExit: false,
      emptyOnZero: true,
      format: (_options, params, payload: { share: number; text: string }) =>
        Number.isNaN(payload.share) ? payload.text : `${drawShare(params.progress)}  ${payload.text}`,
    });
  };
  return {
    draw(share, text) {
      if (!loading) {
        loading = true;
        // Without the bar there is no progress to see; the command itself goes on.
        load().catch(() => {});
      }
      if (!bar) return;
      const value = Number.isNaN(share) ? 0 : share;
      if (shown) bar.update(value, { share, text });
      else bar.start(1, value, { share, text });
      shown = true;
    },
    clear() {
      if (shown) bar?.stop();
      shown = false;
    },
  };
}

function drawShare(share: number): string {
  const width = 24;
  const full = Math.round(share * width);
  return `[${'='.repeat(full)}${' '.repeat(width - full)}] ${String(Math.floor(share * 100)).padStart(3)}%`;
}
