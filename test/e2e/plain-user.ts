import { chownSync } from 'node:fs';
import { isRoot, sh } from './cli.js';

/** Number of the user (and group) without rights that root becomes for a while. */
export const NOBODY = 65_534;

/** A command line in front of another, which then runs as a user without any rights of root's. */
export const UNDER_PLAIN_USER = isRoot
  ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--bounding-set=-all']
  : [];

/** Does something in this process as the plain user; synchronously, as the whole process changes. */
export function asPlainUser<T>(work: () => T): T {
  if (!isRoot) return work();
  process.setegid!(NOBODY);
  process.seteuid!(NOBODY);
  try {
    return work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}

/** Gives a folder with all in it to the plain user. */
export function giveAway(folder: string): void {
  if (!isRoot) return;
  sh('chown', '-R', `${NOBODY}:${NOBODY}`, folder);
  chownSync(folder, NOBODY, NOBODY);
}
