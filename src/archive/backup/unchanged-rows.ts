import { EntryType } from '../../format/entry.js';
import type { SegmentWalk } from '../../format/segment.js';
import { Fact } from '../../scan/index.js';
import type { ScanRows } from './scan-rows.js';

/** Entries of a scan that are what they were. */
export interface UnchangedRows {
  count: number;
  /** How many of them are regular files, and those files' bytes together. */
  files: number;
  bytes: number;
  dirs: number;
}

/** What need not be the same. */
export interface Ignored {
  ignoreCtime: boolean;
  ignoreInode: boolean;
}

/**
 * Takes entries of a scan as long as they are, one after the other, what a segment says from where the walk stands.
 * The walk then stands on the first version that was not met, or on the segment's last one if all were.
 */
export function unchangedRows(version: SegmentWalk, rows: ScanRows, ignored: Ignored): UnchangedRows {
  const most = Math.min(rows.rowsAhead, version.segment.length - version.position);
  const result: UnchangedRows = { count: 0, files: 0, bytes: 0, dirs: 0 };
  while (result.count < most) {
    if (!hasFacts(version, rows.facts, rows.at, ignored)) break;
    if (!version.hasKey(rows.text, rows.keyFrom, rows.keyEnd)) break;
    if (version.type === EntryType.file) {
      result.files++;
      result.bytes += version.size;
    } else if (version.type === EntryType.dir) result.dirs++;
    rows.pass();
    result.count++;
    if (version.position + 1 < version.segment.length) version.next();
  }
  return result;
}

/** Whether facts of an entry of a scan, which begin at `at`, say that it is what a version says. */
export function hasFacts(version: SegmentWalk, facts: Float64Array, at: number, ignored: Ignored): boolean {
  return (
    version.mtimeNsec === facts[at + Fact.mtimeNsec] &&
    version.mtimeSec === facts[at + Fact.mtimeSec] &&
    version.type === facts[at + Fact.type] &&
    (version.type !== EntryType.file || version.size === facts[at + Fact.size]) &&
    (ignored.ignoreCtime
      ? !isNewlyLinked(version, facts, at)
      : version.ctimeSec === facts[at + Fact.ctimeSec] && version.ctimeNsec === facts[at + Fact.ctimeNsec]) &&
    (ignored.ignoreInode || version.ino === facts[at + Fact.ino]) &&
    version.mode === facts[at + Fact.mode] &&
    version.uid === facts[at + Fact.uid] &&
    version.gid === facts[at + Fact.gid]
  );
}

/** Whether what was saved as a file with one name has several now, of which otherwise only the ctime tells. */
function isNewlyLinked({ type, segment, position }: SegmentWalk, facts: Float64Array, at: number): boolean {
  return facts[at + Fact.nlink] > 1 && type !== EntryType.dir && segment.rareFieldsOf(position)?.link === undefined;
}
