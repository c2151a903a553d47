import { alignedMemory, BLOCK, writeDirectly, writeFully } from '../../platform/index.js';

/** So many blocks may wait in memory before those that are complete are written. */
const MOST_WAITING = 4096;

interface Block {
  bytes: Uint8Array;
  /** Stretches that are there, ascending, none touching another. */
  ranges: [from: number, to: number][];
}

/**
 * The blocks of one directly written file that pieces share: a worker writes whole blocks only, and what its stretches
 * have of others, at their ends, is put together here.
 */
export class Seams {
  private readonly blocks = new Map<number, Block>();
  private most = MOST_WAITING;

  /** Takes the end of a stretch. Twice the same changes nothing. */
  add(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const number = Math.floor((offset + at) / BLOCK);
      const from = offset + at - number * BLOCK;
      const length = Math.min(BLOCK - from, bytes.length - at);
      const block = this.block(number);
      block.bytes.set(bytes.subarray(at, at + length), from);
      block.ranges = joined(block.ranges, [from, from + length]);
      at += length;
    }
  }

  /** Writes complete blocks to the direct file if many wait, while others still write to it. Throws what the system says. */
  relieve(fd: number): void {
    if (this.blocks.size < this.most) return;
    const memory = alignedMemory(BLOCK);
    for (const [number, { bytes, ranges }] of this.blocks) {
      const [[from, to]] = ranges;
      if (from !== 0 || to !== BLOCK) continue;
      memory.set(bytes);
      writeDirectly(fd, memory, number * BLOCK);
      this.blocks.delete(number);
    }
    // Not again for each that is added, if most are incomplete.
    this.most = Math.max(MOST_WAITING, 2 * this.blocks.size);
  }

  /** Writes all that is there, to the file that is not direct any more. Throws what the system says. */
  finish(fd: number): void {
    for (const [number, { bytes, ranges }] of this.blocks)
      for (const [from, to] of ranges) writeFully(fd, bytes.subarray(from, to), number * BLOCK + from);
    this.blocks.clear();
  }

  private block(number: number): Block {
    let block = this.blocks.get(number);
    if (block === undefined) {
      block = { bytes: new Uint8Array(BLOCK), ranges: [] };
      this.blocks.set(number, block);
    }
    return block;
  }
}

function joined(ranges: Block['ranges'], [from, to]: [number, number]): Block['ranges'] {
  const apart = ranges.filter(([start, end]) => end < from || start > to);
  const touching = ranges.filter(([start, end]) => end >= from && start <= to);
  const whole: [number, number] = [
    Math.min(from, ...touching.map(([start]) => start)),
    Math.max(to, ...touching.map(([, end]) => end)),
  ];
  return [...apart, whole].sort((a, b) => a[0] - b[0]);
}
