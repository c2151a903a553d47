import { catalogSize } from '../catalog/paths.js';

/** A catalog of this size knows some ten thousand paths. */
const MUCH = 1024 * 1024;

/**
 * Whether so much is known of a store that threads for working on it are best started before it is opened: starting
 * them takes about as long as opening it, and either keeps one processor busy.
 */
export function worthStartingEarly({ tableDir }: { tableDir: string }): boolean {
  return catalogSize(tableDir) >= MUCH;
}

/** Whether nothing is known of a store yet: a backup will read all there is. */
export function knowsNothing({ tableDir }: { tableDir: string }): boolean {
  return catalogSize(tableDir) === 0;
}

const dismissals: (() => Promise<void>)[] = [];

/** Says how threads that were started early are sent home if nobody has taken them. */
export function onDismissal(dismiss: () => Promise<void>): void {
  dismissals.push(dismiss);
}

/** Sends home the threads that were started early and that nobody has taken; resolves when they have ended. */
export async function dismissEarlyThreads(): Promise<void> {
  for (const dismiss of dismissals) await dismiss();
}
