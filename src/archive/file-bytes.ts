import type { Writable } from 'node:stream';
import { FormatError } from '../errors.js';
import { type Content, ID_LENGTH } from '../format/entry.js';
import type { BlobReader } from './blob-reader.js';
import { chunks } from './restore/content.js';

/** Zeros come in pieces of at most so many. */
const ZEROS = new Uint8Array(256 * 1024);

/** Chunks that are being read while the first of them is used. */
const AHEAD = 4;

/**
 * The bytes of a file in order, piece by piece, each checked against its id; holes as zeros.
 * @throws FormatError, StoreError for what cannot be read
 */
export async function* fileBytes(content: Content, reader: BlobReader): AsyncGenerator<Uint8Array> {
  const coming: Promise<Uint8Array | number>[] = [];
  for await (const { ids, at, hole } of chunks(content, reader)) {
    const next = hole !== undefined ? Promise.resolve(hole) : reader.read('data', ids.slice(at, at + ID_LENGTH));
    // Its failure is met when its turn comes, or never.
    next.catch(() => undefined);
    coming.push(next);
    if (coming.length > AHEAD) yield* pieces(await coming.shift()!);
  }
  for (const next of coming) yield* pieces(await next);
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
