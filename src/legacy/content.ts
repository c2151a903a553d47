import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gzipSync } from 'node:zlib';
import { FernetError, type FernetKey, openToken } from './fernet.js';

/** The Python tool read files in pieces of so many bytes. */
export const PIECE = 16 * 1024 * 1024;

/**
 * Longest token that is read: eight times what a piece of the tool's comes to. Bounds memory (a token is held whole,
 * since nothing of it may be used before its HMAC was found right) where a damaged length asks for gigabytes.
 */
const LONGEST_TOKEN = 192 * 1024 * 1024;

const LENGTH_FIELD = 4;

/** Why the content of a file cannot be had from the archive. */
export type ContentProblem =
  /** There is no such file. */
  | 'missing'
  /** It cannot be read. */
  | 'unreadable'
  /** Cut, or not in the form that it should have. */
  | 'damaged'
  /** A piece is of another key, or was changed. */
  | 'authentication'
  /** What it holds is whole, and yet not the content that it is named by. */
  | 'checksum'
  /** The tool's own fault: it stopped storing after a piece that compressed well. */
  | 'cut-off';

/** The archive lacks a content. The message is for people; it names neither path nor file. */
export class ContentError extends Error {
  override readonly name = 'ContentError';
  readonly problem: ContentProblem;

  constructor(problem: ContentProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** Takes a content as it is read; what it throws ends the reading and comes out of `readContent` as it is. */
export type ContentSink = (bytes: Buffer) => void | Promise<void>;

/** What is known of a content besides its name. */
export interface ContentOptions {
  /** Its size, where the archive names one: it says how much the tool's fault has cut off. */
  size?: number;
  signal?: AbortSignal;
}

/**
 * Reads one `<2 hex>/<sha256>.enc` of the archive, piece by piece: gzip around (length, 32-bit little-endian ‖ Fernet
 * token)*, around the gzipped pieces of the file. Memory is that of one piece, however large the file is.
 *
 * The bytes given to `sink` are those of the file only if this returns: the checksum is known at the end.
 * @param checksum SHA-256 of the file, hex: the name of the content
 * @returns the size of the content in bytes
 * @throws ContentError, what `sink` throws, or the signal's reason
 */
export async function readContent(
  file: string,
  key: FernetKey,
  checksum: string,
  sink: ContentSink,
  options: ContentOptions = {},
): Promise<number> {
  const hash = createHash('sha256');
  let size = 0;
  // Whoever fails first is the cause; what the other ends of the pipeline then say of it is not.
  const sinkFailure: { error?: unknown } = {};
  try {
    const chunkSize = await chunkSizeOf(file);
    await pipeline(
      Readable.from(openPieces(file, key, chunkSize), { highWaterMark: 1 }),
      createGunzip({ chunkSize }),
      async (plain: AsyncIterable<Buffer>) => {
        for await (const bytes of plain) {
          hash.update(bytes);
          size += bytes.length;
          try {
            await sink(bytes);
          } catch (error) {
            sinkFailure.error = error;
            throw error;
          }
        }
      },
      { signal: options.signal },
    );
  } catch (error) {
    options.signal?.throwIfAborted();
    if ('error' in sinkFailure) throw sinkFailure.error;
    throw explain(error);
  }
  if (hash.digest('hex') !== checksum) throw wrongContent(size, options.size);
  return size;
}

/** Bytes to read and decompress at a time. Large buffers for each of many small files would keep the collector busy. */
async function chunkSizeOf(file: string): Promise<number> {
  const { size } = await stat(file);
  return Math.min(Math.max(size * 2, 4 * 1024), 256 * 1024);
}

/** The plain pieces of a file: each a gzip member of its own (or, taken together, one gzip stream). */
async function* openPieces(file: string, key: FernetKey, chunkSize: number): AsyncGenerator<Buffer> {
  let none = true;
  for await (const token of readTokens(file, chunkSize)) {
    yield openToken(key, token);
    none = false;
  }
  // An empty file has no pieces, which gunzip would take for a cut stream.
  if (none) yield gzipSync(new Uint8Array(0));
}

/** The first token of a file, or undefined for one without pieces: to try a key. */
export async function firstToken(file: string): Promise<Buffer | undefined> {
  try {
    for await (const token of readTokens(file, await chunkSizeOf(file))) return token;
    return undefined;
  } catch (error) {
    throw explain(error);
  }
}

/** The tokens of a file, one by one. */
async function* readTokens(file: string, chunkSize: number): AsyncGenerator<Buffer> {
  const source = createReadStream(file, { highWaterMark: chunkSize });
  const outer = createGunzip({ chunkSize });
  source.on('error', (error) => outer.destroy(error));
  source.pipe(outer);
  try {
    let held: Buffer[] = [];
    let length = 0;
    let wanted: number | undefined;
    for await (const bytes of outer as AsyncIterable<Buffer>) {
      held.push(bytes);
      length += bytes.length;
      while (length >= (wanted ?? LENGTH_FIELD)) {
        const all = held.length === 1 ? held[0] : Buffer.concat(held, length);
        const end = wanted ?? LENGTH_FIELD;
        if (wanted === undefined) {
          wanted = all.readUInt32LE(0);
          if (wanted > LONGEST_TOKEN) throw new ContentError('damaged', `a piece claims to be ${wanted} bytes long`);
        } else {
          yield all.subarray(0, end);
          wanted = undefined;
        }
        held = [all.subarray(end)];
        length -= end;
      }
    }
    if (length > 0 || wanted !== undefined) throw new ContentError('damaged', 'its last piece is cut');
  } finally {
    source.destroy();
    outer.destroy();
  }
}

function wrongContent(size: number, expected: number | undefined): ContentError {
  if (size > 0 && size % PIECE === 0 && (expected === undefined || expected > size)) {
    const of = expected === undefined ? '' : ` of ${expected}`;
    return new ContentError(
      'cut-off',
      `the Python tool stored only its first ${size}${of} bytes (its fault with files over 16 MiB that compress well); the rest was never in the archive`,
    );
  }
  return new ContentError('checksum', `its stored content (${size} bytes) does not have the checksum it is named by`);
}

/** A ContentError for what went wrong while reading, or the error itself when the archive is not to blame. */
function explain(error: unknown): unknown {
  if (error instanceof ContentError) return error;
  if (error instanceof FernetError) {
    const problem = error.reason === 'authentication' ? 'authentication' : 'damaged';
    return new ContentError(problem, `its stored content is damaged: ${error.message}`, { cause: error });
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const options = { cause: error };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ContentError('missing', 'its stored content is missing in the archive', options);
  }
  if (code?.startsWith('Z_')) {
    const what = code === 'Z_BUF_ERROR' ? 'it ends too early' : message;
    return new ContentError('damaged', `its stored content is damaged: ${what}`, options);
  }
  if (/^E[A-Z]+$/.test(code ?? '')) {
    return new ContentError('unreadable', `its stored content cannot be read (${code})`, options);
  }
  return error;
}
