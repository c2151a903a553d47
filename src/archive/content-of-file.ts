import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteString } from '../bytes.js';
import { toBytes, toDisplay } from '../bytes.js';
import { type ChunkerParams, createChunker, cutStream } from '../chunk/index.js';
import { blobHasher, blobId } from '../crypto/blob-id.js';
import type { Keyring } from '../crypto/keyring.js';
import { ExitCode, UserError } from '../errors.js';
import { buildChunkList } from '../format/chunk-list.js';
import { type ChunkClass, type Content, type Entry, EntryType, ID_LENGTH, sameContent } from '../format/entry.js';
import type { Context } from './context.js';
import { unlockCopies } from './unlock.js';

const BUFFER = 8 * 1024 * 1024;

/**
 * A test whether an entry has the content of a local file. The file is cut as the store cuts, in either class, so no
 * content is read from the store; it may be away.
 */
export async function contentTest(context: Context, path: ByteString): Promise<(entry: Entry) => boolean> {
  const { keyring, storeConfig } = await unlockCopies(context);
  const contents = storeConfig.chunkers.map((params, i) => cutFile(keyring, params, i as ChunkClass, path));
  return (entry) => entry.type === EntryType.file && contents.some((content) => sameContent(content, entry));
}

function cutFile(keyring: Keyring, params: ChunkerParams, chunkClass: ChunkClass, path: ByteString): Content {
  const hash = blobHasher(keyring, 'data');
  const ids: Uint8Array[] = [];
  const sizes: number[] = [];
  const fd = openLocal(path);
  try {
    if (!fstatSync(fd).isFile())
      throw new UserError(ExitCode.usage, `${toDisplay(path)} is no file; --like takes one, to look for its content`);
    cutStream(
      createChunker(keyring.gearBytes(), BUFFER),
      params,
      (into) => readSync(fd, into),
      (chunk) => {
        const id = new Uint8Array(ID_LENGTH);
        hash(chunk, 0, chunk.length, id, 0);
        ids.push(id);
        sizes.push(chunk.length);
      },
    );
  } finally {
    closeSync(fd);
  }
  const list = buildChunkList(Buffer.concat(ids), sizes, (bytes) => blobId(keyring, 'chunk-list', bytes));
  return { chunkClass, ...list };
}

function openLocal(path: ByteString): number {
  try {
    return openSync(toBytes(path), 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(
      ExitCode.usage,
      `cannot read ${toDisplay(path)} (${code}); --like takes a file that is there and may be read`,
    );
  }
}
