/**
 * The chunker's fast path, in AssemblyScript. What it computes is defined by ../reference.ts; how memory is shared
 * out is decided by ../chunker.ts, save that the gear table (256 u64, little-endian) lies at address 0.
 */

/** Bytes that a 64-bit gear hash remembers: each step shifts left by one, so the 65th byte back has left the word. */
const WINDOW: usize = 64;

// @ts-ignore: decorator
@inline
function gear(p: usize): u64 {
  return load<u64>(<usize>load<u8>(p) << 3);
}

/**
 * The first place c in [first, last) where the hash of the 64 bytes before c has its top `bits` bits zero; 0 if none.
 *
 * The hash is built from those 64 bytes, wherever the search starts, so it equals a hash rolled over the whole file.
 * One lane and a byte at a time is the fastest form: the step compiles to one lea, whose latency hides all else
 * (two lanes, 8-byte loads and two-byte steps were slower).
 */
function find(first: usize, last: usize, bits: u32): usize {
  if (first >= last) return 0;
  const mask: u64 = ~(<u64>0) << (64 - bits);
  // The hash of nothing but zeros, which one more zero leaves as it is.
  const ofZeros: u64 = 0 - load<u64>(0);
  const zerosAreNoCut = (ofZeros & mask) != 0;
  let h: u64 = 0;
  let p = first - WINDOW;
  while (p < first - 1) h = (h << 1) + gear(p++);
  const end = last - 1;
  while (p + 8 <= end) {
    if (h == ofZeros && zerosAreNoCut) {
      while (p + 8 <= end && !load<u64>(p)) p += 8;
      if (p + 8 > end) break;
    }
    h = (h << 1) + gear(p);
    if (!(h & mask)) return p + 1;
    h = (h << 1) + gear(p + 1);
    if (!(h & mask)) return p + 2;
    h = (h << 1) + gear(p + 2);
    if (!(h & mask)) return p + 3;
    h = (h << 1) + gear(p + 3);
    if (!(h & mask)) return p + 4;
    h = (h << 1) + gear(p + 4);
    if (!(h & mask)) return p + 5;
    h = (h << 1) + gear(p + 5);
    if (!(h & mask)) return p + 6;
    h = (h << 1) + gear(p + 6);
    if (!(h & mask)) return p + 7;
    h = (h << 1) + gear(p + 7);
    if (!(h & mask)) return p + 8;
    p += 8;
  }
  while (p < end) {
    h = (h << 1) + gear(p++);
    if (!(h & mask)) return p;
  }
  return 0;
}

/**
 * Cuts the bytes [start, end), start being where a chunk begins, and writes the end of each chunk (an offset from
 * `base`, u32) to `out`. Returns how many there are. Bytes after the last of them belong to a chunk not finished yet;
 * with `eof` there are none.
 *
 * `scanned`: how many bytes of the first chunk an earlier call had, and found no end in; they are not searched again.
 * Needs min >= 64, so that the first window searched lies within the chunk.
 */
export function cutAll(
  base: usize, start: usize, end: usize, scanned: usize, eof: bool,
  min: usize, avg: usize, max: usize, strict: u32, loose: u32, out: usize,
): u32 {
  let count: u32 = 0;
  let length = scanned + 1 > min ? scanned + 1 : min;
  while (start < end) {
    const have = end - start;
    const limit = have < max ? have + 1 : max;
    let cut = find(start + length, start + (limit < avg ? limit : avg), strict);
    if (!cut) cut = find(start + (length < avg ? avg : length), start + limit, loose);
    if (!cut) {
      if (have >= max) cut = start + max;
      else if (eof) cut = end;
      else break;
    }
    store<u32>(out + (<usize>count << 2), <u32>(cut - base));
    count++;
    start = cut;
    length = min;
  }
  return count;
}
