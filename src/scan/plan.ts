import type { ByteString } from '../bytes.js';
import type { GlobalRules } from './excludes.js';
import type { OwnFiles } from './own-files.js';

/** One root, as a scan treats it. Roots may lie in one another. */
export interface ScanRoot {
  /** Where it really is: no component is a symlink (but the last one of a recorded link). */
  readonly key: ByteString;
  /**
   * - `scan`: what is there is saved
   * - `carry`: what was active stays, nothing is looked at
   * - `stdin`: the place of standard input
   */
  readonly mode: 'scan' | 'carry' | 'stdin';
  /**
   * Components below this directory must pass the rules. A root that is named literally is saved although a pattern may
   * match it: then this is its own key. What a glob matched must pass from the first wildcard on; a part of a root of
   * the config from that root on.
   */
  readonly testedBelow: ByteString;
  /** Ignore files count from this directory on downwards. */
  readonly rulesFrom: ByteString;
  /** Earlier snapshots may have something of it that is not active, because nobody here could carry it over. */
  readonly isUnknown?: true;
}

/** What to scan. Made by `planRoots`; a scan may be run once. */
export interface ScanPlan {
  /** Ascending by key, each key once. */
  readonly roots: readonly ScanRoot[];
  readonly rules: GlobalRules;
  readonly excludeCaches: boolean;
  /** Bytes; larger files are left out. */
  readonly excludeLargerThan: number | undefined;
  readonly oneFileSystem: boolean;
  readonly ownFiles: OwnFiles;
  /** Keys of roots that may be missing or empty: their versions are to go. */
  readonly acceptEmpty: ReadonlySet<ByteString>;
  /** Whether anything below this directory is active. */
  hasEntries(key: ByteString): boolean;
  /** Whether to yield what is excluded. */
  readonly reportExcluded: boolean;
  /** Roots that could be read, counted by the scan. */
  rootsRead: number;
}
