import { type ChunkerParams, checkGear, checkParams, cutBits } from './params.js';

/**
 * Where a file is to be cut: the definition of the chunker, written to be read. The fast path must agree with it.
 *
 * FastCDC (Xia et al., USENIX ATC 2016) with a keyed gear table and two levels of normalisation. The hash runs over
 * the whole file and is never reset: shifting out the oldest byte, it depends on the last 64 bytes alone, so that the
 * same bytes are cut alike wherever they lie, and cuts fall into step again after an insertion.
 *
 * @param gear 2048 secret bytes, see gearTable
 * @returns the end of each chunk, ascending; the last is the length of the data; none for no data
 */
export function referenceCuts(gear: Uint8Array, params: ChunkerParams, data: Uint8Array): number[] {
  checkParams(params);
  const table = gearTable(gear);
  const { strict, loose } = cutBits(params.avg);
  const ends: number[] = [];
  let start = 0;
  let hash = 0n;
  for (let end = 1; end <= data.length; end++) {
    hash = BigInt.asUintN(64, (hash << 1n) + table[data[end - 1]]);
    const length = end - start;
    const zeroBits = length < params.avg ? strict : loose;
    const found = length >= params.min && hash >> BigInt(64 - zeroBits) === 0n;
    if (found || length === params.max || end === data.length) {
      ends.push(end);
      start = end;
    }
  }
  return ends;
}

/** The 256 words of a gear table: its 2048 bytes read as unsigned 64-bit little-endian numbers. */
export function gearTable(gear: Uint8Array): BigUint64Array {
  checkGear(gear);
  const view = new DataView(gear.buffer, gear.byteOffset, gear.byteLength);
  return BigUint64Array.from({ length: 256 }, (_, byte) => view.getBigUint64(byte * 8, true));
}
