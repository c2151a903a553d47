import type { Writable } from 'node:stream';
import { FormatError } from '../errors.js';
import { holeLength } from '../format/chunk-list.js';
import { type Content, ID_LENGTH } from '../format/entry.js';
import type { BlobReader } from './blob-reader.js';
import { chunkRuns } from './restore/content.js';

/** Zeros come in pieces of at most so many. */
export const ZEROS = new Uint8Array(256 * 1024);

/** Chunks that are being read while the first of them is used. */
const AHEAD = 4;

/** What to do about a chunk that cannot be read. */
export interface Patch {
  /** How long the chunk with the id at this place is, where that is known without its bytes. */
  lengthOf(ids: Uint8Array, at: number): number | undefined;
  /** Called for each chunk that zeros stand in for. */
  patched(error: Error): void;
}

/**
 * The bytes of a file in order, piece by piece, each checked against its id; holes as zeros.
 * @param patch zeros stand in for chunks that cannot be read, as far as their length is known
 * @throws FormatError, StoreError for what cannot be read
 */
export async function* fileBytes(content: Content, reader: BlobReader, patch?: Patch): AsyncGenerator<Uint8Array> {
  const coming: Promise<Uint8Array | number>[] = [];
  for await (const { ids, sizes } of chunkRuns(content, reader))
    for (let at = 0; at < ids.length; at += ID_LENGTH) {
      const next = bytesOrHole(ids, at, reader, patch, sizes?.[at / ID_LENGTH]);
      // Its failure is met when its turn comes, or never.
      next.catch(() => undefined);
      coming.push(next);
      if (coming.length > AHEAD) yield* pieces(await coming.shift()!);
    }
  for (const next of coming) yield* pieces(await next);
}

/** A chunk's bytes, or for how many bytes zeros stand there. */
async function bytesOrHole(
  ids: Uint8Array,
  at: number,
  reader: BlobReader,
  patch: Patch | undefined,
  size: number | undefined,
): Promise<Uint8Array | number> {
  const hole = holeLength(ids, at);
  if (hole !== undefined) return hole;
  try {
    return await reader.read('data', ids.slice(at, at + ID_LENGTH));
  } catch (error) {
    const length = patch && isUnreadable(error) ? (size ?? patch.lengthOf(ids, at)) : undefined;
    if (length === undefined) throw error;
    patch!.patched(error as Error);
    return length;
  }
}

function* pieces(bytes: Uint8Array | number): Generator<Uint8Array> {
  if (typeof bytes !== 'number') {
    yield bytes;
    return;
  }
  for (let left = bytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

/** Whether an error is about what was to be read. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof FormatError || (error as Error | undefined)?.name === 'StoreError';
}

/** A stream that bytes are sent to, one after the other, waiting until each is taken. */
export class Sink {
  /** Bytes sent. */
  bytes = 0;
  private readonly out: Writable;
  private readonly signal: AbortSignal;

  constructor(out: Writable, signal: AbortSignal) {
    this.out = out;
    this.signal = signal;
  }

  /** Sends bytes, which may be used again when it resolves. Rejects when the stream takes no more, or on interruption. */
  send(bytes: Uint8Array): Promise<void> {
    this.signal.throwIfAborted();
    this.bytes += bytes.length;
    return new Promise((resolve, reject) => {
      const { out } = this;
      // A stream that fails says so to its listeners; without any that would end the process.
      const failed = (error: Error): void => reject(error);
      out.once('error', failed);
      out.write(bytes, (error) => {
        out.off('error', failed);
        if (error) reject(error);
        else resolve();
      });
    });
  }
}
