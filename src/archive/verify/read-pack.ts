import { type FrameInfo, PACK_HEADER_LENGTH } from '../../format/pack.js';
import type { ObjectStore } from '../../store/index.js';
import { isDamage } from '../small-objects.js';

/** So many bytes of a pack are read at a time, or one frame if that is longer. */
const STRETCH = 2 * 1024 * 1024;
/** Room for a directory, too. */
const ROOM = STRETCH + 512 * 1024;

/**
 * The pieces that a pack consists of, by number: its header, its frames from 1 on, and last its directory with the trailer.
 */
export class PackPieces {
  readonly header = 0;
  readonly directory: number;
  private readonly frames: readonly Pick<FrameInfo, 'offset' | 'length'>[];

  constructor(frames: readonly Pick<FrameInfo, 'offset' | 'length'>[]) {
    this.frames = frames;
    this.directory = frames.length + 1;
  }

  /** Where a piece begins, and the one before it ends. The directory ends with the pack, wherever that is: Infinity. */
  startOf(piece: number): number {
    if (piece === this.header) return 0;
    if (piece > this.directory) return Number.POSITIVE_INFINITY;
    if (piece <= this.frames.length) return this.frames[piece - 1].offset;
    const last = this.frames.at(-1);
    return last === undefined ? PACK_HEADER_LENGTH : last.offset + last.length;
  }
}

/** Some pieces of a pack that lie one after the other. */
export interface Stretch {
  first: number;
  /** The piece after the last. */
  end: number;
  /** Where in the pack its bytes begin. */
  offset: number;
  /** As many as the pack has of them; good until the next stretch is asked for. */
  bytes: Uint8Array;
  /** Why there are none. */
  failure?: unknown;
}

/** Memory for two stretches, of which one is read while the other is looked at. */
export class StretchMemory {
  private readonly halves = [new Uint8Array(ROOM), new Uint8Array(ROOM)];
  private turn = 0;

  /** Has one half filled, and the other the next time. What `read` gives is kept for later if it is larger. */
  async fill(read: (into: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
    const half = this.turn;
    this.turn = 1 - half;
    const bytes = await read(this.halves[half]);
    if (bytes.length > this.halves[half].length) this.halves[half] = bytes;
    return bytes;
  }
}

/**
 * Reads a pack from front to back, a stretch ahead of the one that is looked at. From a server it is read whole, since
 * there a request costs more than memory. Where a disk cannot read a stretch, its pieces are read one by one.
 * @param memory of nobody else until the generator has ended
 * @throws StoreError `missing`; what says that the store cannot be reached
 */
export async function* readPack(
  store: ObjectStore,
  path: string,
  pieces: PackPieces,
  memory: StretchMemory,
): AsyncGenerator<Stretch> {
  const end = pieces.directory + 1;
  const size = store.kind === 'local' ? await store.size(path) : undefined;
  if (size === undefined) {
    yield { first: 0, end, offset: 0, bytes: await memory.fill((into) => store.read(path, into)) };
    return;
  }
  const read = async (first: number, after: number): Promise<Stretch> => {
    const offset = pieces.startOf(first);
    const length = Math.max(0, Math.min(size, pieces.startOf(after)) - offset);
    const bytes = await memory.fill((into) => store.readRange(path, offset, length, into));
    return { first, end: after, offset, bytes };
  };
  const cuts = cutPieces(pieces);
  let next: Promise<Stretch> | undefined;
  const begin = (number: number): void => {
    next = number + 1 < cuts.length ? read(cuts[number], cuts[number + 1]) : undefined;
    // Whoever awaits it hears of it.
    next?.catch(() => undefined);
  };
  try {
    begin(0);
    for (let number = 0; number + 1 < cuts.length; number++) {
      const stretch = await orFailure(next!, cuts[number], cuts[number + 1]);
      if (stretch.failure === undefined) {
        begin(number + 1);
        yield stretch;
        continue;
      }
      for (let piece = stretch.first; piece < stretch.end; piece++)
        yield await orFailure(read(piece, piece + 1), piece, piece + 1);
      begin(number + 1);
    }
  } finally {
    // Nothing writes to the memory any more when others get it.
    await next?.catch(() => undefined);
  }
}

async function orFailure(reading: Promise<Stretch>, first: number, end: number): Promise<Stretch> {
  try {
    return await reading;
  } catch (failure) {
    if (!isDamage(failure)) throw failure;
    return { first, end, offset: 0, bytes: new Uint8Array(0), failure };
  }
}

/** Numbers of the pieces that stretches begin with, and the end of the last. */
function cutPieces(pieces: PackPieces): number[] {
  const cuts = [pieces.header];
  // The header comes with the first frame, and the directory, which is short, with the last.
  for (let piece = 2; piece < pieces.directory; piece++)
    if (pieces.startOf(piece + 1) - pieces.startOf(cuts[cuts.length - 1]) > STRETCH) cuts.push(piece);
  cuts.push(pieces.directory + 1);
  return cuts;
}
