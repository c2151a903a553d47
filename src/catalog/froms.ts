import { ByteReader, ByteWriter } from '../format/varint.js';

/**
 * In which snapshot each entry of an active segment began: sequences, stored as varints above the smallest one, or not
 * at all when all are equal.
 */
export interface FromsRow {
  min_from: number;
  max_from: number;
  froms: Uint8Array | null;
}

const writer = new ByteWriter(1024);

/** The columns for these sequences; for an empty segment those of `fallback`. */
export function encodeFroms(froms: ArrayLike<number>, fallback: number): FromsRow {
  if (froms.length === 0) return { min_from: fallback, max_from: fallback, froms: null };
  let least = froms[0];
  let most = froms[0];
  for (let i = 1; i < froms.length; i++) {
    if (froms[i] < least) least = froms[i];
    if (froms[i] > most) most = froms[i];
  }
  if (least === most) return { min_from: least, max_from: most, froms: null };
  writer.reset();
  for (let i = 0; i < froms.length; i++) writer.varint(froms[i] - least);
  return { min_from: least, max_from: most, froms: writer.take() };
}

/** The sequences of a segment with `count` entries. */
export function decodeFroms(row: FromsRow, count: number): number[] {
  const froms: number[] = new Array(count);
  if (row.froms === null) return froms.fill(row.min_from);
  const reader = new ByteReader(row.froms);
  for (let i = 0; i < count; i++) froms[i] = row.min_from + reader.varint();
  return froms;
}

/** Positions of the entries that began after `low` and not after `high`. */
export function positionsBetween(row: FromsRow, count: number, low: number, high: number): number[] {
  const positions: number[] = [];
  const reader = row.froms === null ? undefined : new ByteReader(row.froms);
  for (let i = 0; i < count; i++) {
    const from = row.min_from + (reader?.varint() ?? 0);
    if (from > low && from <= high) positions.push(i);
  }
  return positions;
}
