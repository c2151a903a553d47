import { FormatError } from '../errors.js';

/** Chunk sizes in bytes; a store's are fixed in its config.json. `avg` is a power of two. */
export interface ChunkerParams {
  min: number;
  avg: number;
  max: number;
}

/**
 * Sizes for new stores, by class: 0 for what compresses, 1 for what does not.
 *
 * Measured (docs/FORMAT.md): with min = avg/2 an insertion changes a quarter more chunks; avg/8 scans more and saves
 * nothing that its smaller chunks would not explain. At max = 4 avg only one chunk in 2,500 is cut there, constant
 * data apart.
 */
export const DEFAULT_CHUNKERS: readonly [ChunkerParams, ChunkerParams] = [
  { min: 16 * 1024, avg: 64 * 1024, max: 256 * 1024 },
  { min: 256 * 1024, avg: 1024 * 1024, max: 4096 * 1024 },
];

/** Bytes before a place that decide whether it is a cut: as many as a 64-bit gear hash remembers. */
export const WINDOW = 64;

/** Bytes of key material that a gear table is made of. */
export const GEAR_BYTES = 256 * 8;

/** By how many bits cutting is harder before `avg` and easier after it (FastCDC's normalisation level). */
const NORMALISATION = 2;

const LARGEST = 2 ** 30;

/** Checks sizes read from a store: 64 <= min <= avg <= max <= 2^30, avg a power of two; else a FormatError. */
export function checkParams({ min, avg, max }: ChunkerParams): void {
  const ordered = [min, avg, max].every(Number.isSafeInteger) && WINDOW <= min && min <= avg && avg <= max;
  if (!ordered || max > LARGEST || !Number.isInteger(Math.log2(avg))) {
    throw new FormatError(`chunk sizes ${min}/${avg}/${max} are not ones that can be cut to`);
  }
}

/** How many top bits of the hash must be zero for a cut: `strict` in a chunk shorter than avg, `loose` from avg on. */
export function cutBits(avg: number): { strict: number; loose: number } {
  const bits = Math.log2(avg);
  return { strict: bits + NORMALISATION, loose: bits - NORMALISATION };
}

/** Throws a RangeError unless there is exactly the key material of one gear table. */
export function checkGear(gear: Uint8Array): void {
  if (gear.length !== GEAR_BYTES) throw new RangeError(`a gear table is ${GEAR_BYTES} bytes, not ${gear.length}`);
}
