import { CutReader, type Segment } from '../format/segment.js';
import { ByteReader } from '../format/varint.js';
import { Aspect, aspectsOf } from './aspects.js';
import { encodeRow } from './entry-row.js';

/** An entry that is not the same in two segments, and the sum of the aspects in which it differs. */
export interface ChangedEntry {
  position: number;
  aspects: number;
}

/** Set for an entry that differs in whatever respect, beside its aspects. */
const CHANGED = 128;
const CONTENT = CHANGED | Aspect.content;
const METADATA = CHANGED | Aspect.metadata;

/** Whether two segments have the same paths, seen from their stored columns. */
export function haveSameKeys(a: Segment, b: Segment): boolean {
  return a.length === b.length && sameBytes(a.stored.key, b.stored.key);
}

/** Whether two segments say the same of every owner's name; such as name other owners may not. */
export function haveSameOwners(a: Segment, b: Segment): boolean {
  return sameNames(a.stored.users, b.stored.users) && sameNames(a.stored.groups, b.stored.groups);
}

/**
 * Where two segments with the same paths differ, ascending. Columns whose bytes are equal hold equal values, so that
 * only the others are decoded: mostly times, sizes and ids.
 */
export function changedEntries(a: Segment, b: Segment): ChangedEntry[] {
  const changed = new Uint8Array(a.length);
  compare(changed, CHANGED | Aspect.type, a.types, b.types);
  compareDifferences(changed, METADATA, a.stored.mtime, b.stored.mtime, true);
  compareDifferences(changed, CHANGED, a.stored.ctime, b.stored.ctime, true);
  compareNumbers(changed, CONTENT, a.stored.size, b.stored.size);
  compareNumbers(changed, METADATA, a.stored.mode, b.stored.mode);
  compareNumbers(changed, METADATA, a.stored.uid, b.stored.uid);
  compareNumbers(changed, METADATA, a.stored.gid, b.stored.gid);
  compareDifferences(changed, CHANGED, a.stored.ino, b.stored.ino, false);
  compareContents(changed, a, b);
  if (!haveSameOwners(a, b)) {
    for (let i = 0; i < a.length; i++) {
      if (a.userName(a.uids[i]) !== b.userName(b.uids[i]) || a.groupName(a.gids[i]) !== b.groupName(b.gids[i]))
        changed[i] |= CHANGED;
    }
  }
  if (a.hasAnyRareFields() || b.hasAnyRareFields()) {
    for (let i = 0; i < a.length; i++) {
      if (!(a.hasRareFields(i) || b.hasRareFields(i))) continue;
      const [before, after] = [a.loneEntry(i, ''), b.loneEntry(i, '')];
      if (Buffer.compare(encodeRow(before), encodeRow(after)) !== 0) changed[i] |= CHANGED | aspectsOf(before, after);
    }
  }
  const entries: ChangedEntry[] = [];
  for (let i = 0; i < changed.length; i++) {
    if (changed[i] === 0) continue;
    // Of another type nothing else is said.
    const aspects = (changed[i] & Aspect.type) !== 0 ? Aspect.type : changed[i] & ~CHANGED;
    entries.push({ position: i, aspects });
  }
  return entries;
}

function compare(changed: Uint8Array, mark: number, a: ArrayLike<number>, b: ArrayLike<number>): void {
  for (let i = 0; i < changed.length; i++) if (a[i] !== b[i]) changed[i] |= mark;
}

/** Compares two columns of integers, of which nearly all are equal: those are passed over without decoding them. */
function compareNumbers(changed: Uint8Array, mark: number, a: Uint8Array, b: Uint8Array): void {
  if (sameBytes(a, b)) return;
  const left = new ByteReader(a);
  const right = new ByteReader(b);
  for (let i = 0; i < changed.length; i++)
    if (!left.skipEqual(right, 1) && left.varint() !== right.varint()) changed[i] |= mark;
}

/**
 * The same for columns of differences to the entry before.
 * @param plain whether after each difference comes an integer that is none: the nanoseconds of a time
 */
function compareDifferences(changed: Uint8Array, mark: number, a: Uint8Array, b: Uint8Array, plain: boolean): void {
  if (sameBytes(a, b)) return;
  const left = new ByteReader(a);
  const right = new ByteReader(b);
  /** By how much the sums up to the entry before differ. */
  let apart = 0;
  for (let i = 0; i < changed.length; i++) {
    let same = left.skipEqual(right, plain ? 2 : 1);
    if (!same) {
      apart += left.signed() - right.signed();
      same = !plain || left.varint() === right.varint();
    }
    if (!same || apart !== 0) changed[i] |= mark;
  }
}

/** Compares how contents were cut, and their ids. */
function compareContents(changed: Uint8Array, a: Segment, b: Segment): void {
  if (sameBytes(a.stored.cut, b.stored.cut) && sameBytes(a.ids, b.ids)) return;
  const left = new CutReader(a.stored.cut, a.types);
  const right = new CutReader(b.stored.cut, b.types);
  let from = 0;
  let other = 0;
  for (let i = 0; i < changed.length; i++) {
    const cut = left.next(i);
    const otherCut = right.next(i);
    const length = left.length;
    if (cut !== otherCut || length !== right.length || !equalAt(a.ids, from, b.ids, other, length))
      changed[i] |= CONTENT;
    from += length;
    other += right.length;
  }
}

function equalAt(a: Uint8Array, from: number, b: Uint8Array, other: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[from + i] !== b[other + i]) return false;
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function sameNames(a: [number, string][] | undefined, b: [number, string][] | undefined): boolean {
  if (a?.length !== b?.length) return false;
  return a === undefined || a.every(([id, name], i) => id === b![i][0] && name === b![i][1]);
}
