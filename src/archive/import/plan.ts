import type { Catalog, SnapshotRow, SourceId } from '../../catalog/index.js';
import { type LegacyArchive, type LegacyRun, type LegacyVersion, runsOf } from '../../legacy/index.js';
import { programName } from '../../version.js';
import { snapshotBody } from '../reconcile.js';
import { keyOfStored } from './entries.js';

/** What snapshots that were imported name as the program that made them. */
export const IMPORTER = `${programName}, from the Python backup-ninja`;
const FROM_PYTHON = /, from the Python backup-ninja$/;

/** What an import has to do. Versions are named by their place in the archive's list. */
export interface ImportPlan {
  /** The runs that become snapshots, oldest first. */
  runs: LegacyRun[];
  /** Active versions of earlier runs that the source has not got: they make one more snapshot, of the newest one's time. */
  found?: LegacyRun;
  /**
   * Other versions of earlier runs that the source has not got. No snapshot is made for them any more: they go into kept
   * ones.
   */
  late: number[];
}

/**
 * Works out what of an archive a source has already.
 *
 * A source without snapshots, or with imported ones only, gets one for each run that is later than those; so a killed
 * import goes on where it was, and what the old tool has done since is added. What an earlier import could not read is
 * taken over as soon as it can be: active files in one more snapshot of the newest run's time, the rest late. Once there
 * are backups of our own, the runs would have to lie before them: then all versions are late.
 */
export function planImport(catalog: Catalog, source: SourceId, archive: LegacyArchive): ImportPlan {
  const runs = runsOf(archive.versions);
  const taken = catalog.snapshots.all().filter((row) => row.source === source && row.kind === 'taken');
  const last = taken.at(-1);
  if (last === undefined) return { runs, late: [] };
  const isUnmixed = taken.every(isImported);
  const isPast = (run: LegacyRun) => !isUnmixed || run.time <= last.time;
  const late = runs
    .filter(isPast)
    .flatMap((run) => run.began)
    .filter((i) => !isKnown(catalog, source, archive.versions[i]))
    .sort((a, b) => a - b);
  const isFound = (i: number) => isUnmixed && archive.versions[i].to === undefined;
  return {
    runs: runs.filter((run) => !isPast(run)),
    found: { time: last.time, began: late.filter(isFound), ended: [] },
    late: late.filter((i) => !isFound(i)),
  };
}

function isImported(row: SnapshotRow): boolean {
  return FROM_PYTHON.test(snapshotBody(row)?.program ?? '');
}

/** Whether the source has a version of this path that began at this very time. */
function isKnown(catalog: Catalog, source: SourceId, version: LegacyVersion): boolean {
  return catalog.query
    .history(source, keyOfStored(version.path))
    .some(({ entry }) => entry.kept?.first === version.from);
}
