import { FormatError } from '../../errors.js';
import { decodeChunkListNode, holeLength } from '../../format/chunk-list.js';
import { type Content, ID_LENGTH } from '../../format/entry.js';
import type { BlobReader } from '../blob-reader.js';

/** Some chunks of a content, in order. */
export interface ChunkRun {
  ids: Uint8Array;
  /** Bytes of each; undefined where the ids are in the entry, which does not tell. */
  sizes: number[] | undefined;
}

/** Reads the nodes of chunk lists. */
export type NodeReader = Pick<BlobReader, 'read'>;

/** The chunks of a content, in order, some at a time. Throws FormatError or StoreError for what cannot be read. */
export async function* chunkRuns(content: Content, reader: NodeReader): AsyncGenerator<ChunkRun> {
  if (content.depth === 0) {
    yield { ids: content.ids, sizes: undefined };
    return;
  }
  const node = decodeChunkListNode(await reader.read('chunk-list', content.ids));
  if (node.level !== content.depth) throw new FormatError('a chunk list has a node of the wrong level');
  if (node.level === 1) {
    yield { ids: node.ids, sizes: node.sizes };
    return;
  }
  for (let i = 0; i < node.sizes.length; i++) {
    const ids = node.ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH);
    yield* chunkRuns({ chunkClass: content.chunkClass, depth: content.depth - 1, ids }, reader);
  }
}

/** One after the other the chunks of a content: their ids' places, and the length where one is a hole. */
export async function* chunks(
  content: Content,
  reader: NodeReader,
): AsyncGenerator<{ ids: Uint8Array; at: number; hole: number | undefined }> {
  for await (const { ids } of chunkRuns(content, reader))
    for (let at = 0; at < ids.length; at += ID_LENGTH) yield { ids, at, hole: holeLength(ids, at) };
}
