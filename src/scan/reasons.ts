import { reasonOf } from '../errors.js';
import type { ScanRoot } from './plan.js';

/** What becomes of the versions of a root that cannot be looked at. */
function fateOf({ isUnknown }: ScanRoot): string {
  return isUnknown
    ? 'what earlier snapshots have of it is not known here and could not be carried over'
    : 'what was saved of it stays';
}

/** Said of a root that is not there. */
export function missingRoot(root: ScanRoot): string {
  return `is missing: ${fateOf(root)}; give --accept-empty if it is gone for good`;
}

/** Said of a root that is empty and should not be. */
export function emptyRoot(root: ScanRoot): string {
  const what = root.isUnknown ? 'is empty' : 'is empty, and was not before';
  return `${what} (is its disk mounted?): ${fateOf(root)}; give --accept-empty if it is meant to be empty`;
}

/** Said of something that may be a root and is there, but cannot be looked at, or read. */
export function unreachable(what: string, error: unknown, root: ScanRoot | undefined): string {
  const reason = `${what}: ${reasonOf(error as Error)}`;
  return root?.isUnknown ? `${reason}; ${fateOf(root)}` : reason;
}

/** Whether an error tells that nothing of that name is there. */
export function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
