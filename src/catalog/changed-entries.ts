import type { Segment } from '../format/segment.js';
import { ByteReader } from '../format/varint.js';
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
  compareTimes(changed, a.stored.mtime, b.stored.mtime);
  compareTimes(changed, a.stored.ctime, b.stored.ctime);
  if (!sameBytes(a.stored.size, b.stored.size)) compare(changed, a.sizes, b.sizes);
  if (!sameBytes(a.stored.mode, b.stored.mode)) compare(changed, a.modes, b.modes);
  if (!sameBytes(a.stored.uid, b.stored.uid)) compare(changed, a.uids, b.uids);
  if (!sameBytes(a.stored.gid, b.stored.gid)) compare(changed, a.gids, b.gids);
  if (!sameBytes(a.stored.ino, b.stored.ino)) compare(changed, a.inos, b.inos);
  if (!sameBytes(a.stored.cut, b.stored.cut)) {
    compare(changed, a.cuts, b.cuts);
    for (let i = 0; i < a.length; i++) if (changed[i] === 0 && !sameIds(a, i, b, i)) changed[i] = 1;
  } else if (!sameBytes(a.ids, b.ids)) compareIds(changed, a.ids, b.ids, a.offsets);
  if (!sameNames(a.stored.users, b.stored.users) || !sameNames(a.stored.groups, b.stored.groups)) {
    for (let i = 0; i < a.length; i++) {
      if (a.userName(a.uids[i]) !== b.userName(b.uids[i]) || a.groupName(a.gids[i]) !== b.groupName(b.gids[i]))
        changed[i] = 1;
    }
  }
  if (a.hasAnyRareFields() || b.hasAnyRareFields()) {
    for (let i = 0; i < a.length; i++) {
      if (changed[i] === 1 || !(a.hasRareFields(i) || b.hasRareFields(i))) continue;
      if (Buffer.compare(encodeRow(a.loneEntry(i, '')), encodeRow(b.loneEntry(i, ''))) !== 0) changed[i] = 1;
    }
  }
  const positions: number[] = [];
  for (let i = 0; i < changed.length; i++) if (changed[i] === 1) positions.push(i);
  return positions;
}

function compare(changed: Uint8Array, a: ArrayLike<number>, b: ArrayLike<number>): void {
  for (let i = 0; i < changed.length; i++) if (a[i] !== b[i]) changed[i] = 1;
}

/**
 * Compares two columns of times, of which the seconds are differences to the entry before, without decoding what is
 * equal: nearly all of them are.
 */
function compareTimes(changed: Uint8Array, a: Uint8Array, b: Uint8Array): void {
  if (sameBytes(a, b)) return;
  const left = new ByteReader(a);
  const right = new ByteReader(b);
  /** By how much the seconds of the entry before differ. */
  let apart = 0;
  for (let i = 0; i < changed.length; i++) {
    if (left.skipEqual(right, 2)) {
      if (apart !== 0) changed[i] = 1;
      continue;
    }
    apart += left.signed() - right.signed();
    if (left.varint() !== right.varint() || apart !== 0) changed[i] = 1;
  }
}

/** Compares the ids of two segments whose contents were cut alike. */
function compareIds(changed: Uint8Array, a: Uint8Array, b: Uint8Array, offsets: Uint32Array): void {
  for (let i = 0; i < changed.length; i++) {
    if (changed[i] === 1) continue;
    for (let at = offsets[i], end = offsets[i + 1]; at < end; at++) {
      if (a[at] === b[at]) continue;
      changed[i] = 1;
      break;
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function sameNames(a: [number, string][] | undefined, b: [number, string][] | undefined): boolean {
  if (a?.length !== b?.length) return false;
  return a === undefined || a.every(([id, name], i) => id === b![i][0] && name === b![i][1]);
}
