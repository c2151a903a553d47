import type { Segment } from '../format/segment.js';
import { encodeRow } from './entry-row.js';

/** Whether two entries with the same key are equal in everything a listing holds. */
export function sameEntry(a: Segment, i: number, b: Segment, j: number): boolean {
  const uid = a.uids[i];
  const gid = a.gids[i];
  if (
    a.mtimeSecs[i] !== b.mtimeSecs[j] ||
    a.mtimeNsecs[i] !== b.mtimeNsecs[j] ||
    a.ctimeSecs[i] !== b.ctimeSecs[j] ||
    a.ctimeNsecs[i] !== b.ctimeNsecs[j] ||
    a.sizes[i] !== b.sizes[j] ||
    a.inos[i] !== b.inos[j] ||
    a.modes[i] !== b.modes[j] ||
    a.types[i] !== b.types[j] ||
    uid !== b.uids[j] ||
    gid !== b.gids[j] ||
    a.cuts[i] !== b.cuts[j] ||
    !sameIds(a, i, b, j) ||
    a.userName(uid) !== b.userName(uid) ||
    a.groupName(gid) !== b.groupName(gid)
  ) {
    return false;
  }
  if (!a.hasRareFields(i) && !b.hasRareFields(j)) return true;
  return Buffer.compare(encodeRow(a.loneEntry(i, '')), encodeRow(b.loneEntry(j, ''))) === 0;
}

/** Whether two entries have the same chunk ids. */
export function sameIds(a: Segment, i: number, b: Segment, j: number): boolean {
  const from = a.offsets[i];
  const length = a.offsets[i + 1] - from;
  const shift = b.offsets[j] - from;
  if (b.offsets[j + 1] - b.offsets[j] !== length) return false;
  const x = a.ids;
  const y = b.ids;
  for (let at = from, end = from + length; at < end; at++) if (x[at] !== y[at + shift]) return false;
  return true;
}
