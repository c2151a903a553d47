import type { Segment } from '../format/segment.js';
import { encodeRow } from './entry-row.js';
import { sameIds } from './same-entry.js';

/** Whether two segments have the same paths, seen from their stored columns. */
export function haveSameKeys(a: Segment, b: Segment): boolean {
  return a.length === b.length && sameBytes(a.stored.key, b.stored.key);
}

/**
 * Positions at which two segments with the same paths differ, ascending. Columns whose bytes are equal hold equal
 * values, so that only the others are decoded: mostly times, sizes and ids.
 */
export function changedEntries(a: Segment, b: Segment): number[] {
  const changed = new Uint8Array(a.length);
  compare(changed, a.types, b.types);
  if (!sameBytes(a.stored.mtime, b.stored.mtime)) {
    compare(changed, a.mtimeSecs, b.mtimeSecs);
    compare(changed, a.mtimeNsecs, b.mtimeNsecs);
  }
  if (!sameBytes(a.stored.ctime, b.stored.ctime)) {
    compare(changed, a.ctimeSecs, b.ctimeSecs);
    compare(changed, a.ctimeNsecs, b.ctimeNsecs);
  }
  if (!sameBytes(a.stored.size, b.stored.size)) compare(changed, a.sizes, b.sizes);
  if (!sameBytes(a.stored.mode, b.stored.mode)) compare(changed, a.modes, b.modes);
  if (!sameBytes(a.stored.uid, b.stored.uid)) compare(changed, a.uids, b.uids);
  if (!sameBytes(a.stored.gid, b.stored.gid)) compare(changed, a.gids, b.gids);
  if (!sameBytes(a.stored.ino, b.stored.ino)) compare(changed, a.inos, b.inos);
  const sameCuts = sameBytes(a.stored.cut, b.stored.cut);
  if (!sameCuts) compare(changed, a.cuts, b.cuts);
  if (!sameCuts || !sameBytes(a.ids, b.ids))
    for (let i = 0; i < a.length; i++) if (changed[i] === 0 && !sameIds(a, i, b, i)) changed[i] = 1;
  if (!sameNames(a.stored.users, b.stored.users) || !sameNames(a.stored.groups, b.stored.groups)) {
    for (let i = 0; i < a.length; i++) {
      if (a.userName(a.uids[i]) !== b.userName(b.uids[i]) || a.groupName(a.gids[i]) !== b.groupName(b.gids[i]))
        changed[i] = 1;
    }
  }
  if (a.hasAnyRareFields() || b.hasAnyRareFields()) {
    for (let i = 0; i < a.length; i++) {
      if (changed[i] === 1 || !(a.hasRareFields(i) || b.hasRareFields(i))) continue;
      if (Buffer.compare(encodeRow(a.entry(i, '')), encodeRow(b.entry(i, ''))) !== 0) changed[i] = 1;
    }
  }
  const positions: number[] = [];
  for (let i = 0; i < changed.length; i++) if (changed[i] === 1) positions.push(i);
  return positions;
}

function compare(changed: Uint8Array, a: ArrayLike<number>, b: ArrayLike<number>): void {
  for (let i = 0; i < changed.length; i++) if (a[i] !== b[i]) changed[i] = 1;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function sameNames(a: [number, string][] | undefined, b: [number, string][] | undefined): boolean {
  if (a?.length !== b?.length) return false;
  return a === undefined || a.every(([id, name], i) => id === b![i][0] && name === b![i][1]);
}
