import type { VersionRow } from '../archive/types.js';
import { humanBytes } from '../report/human.js';
import { shownTime } from './print.js';

/** From, to, size and modification time of a version, as cells of a table. */
export function versionCells(version: VersionRow): string[] {
  return [
    shownTime(version.from),
    version.to === null ? 'now' : shownTime(version.to),
    humanBytes(version.size),
    shownTime(version.mtime),
  ];
}
