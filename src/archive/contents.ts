import { decodeChunkListNode } from '../format/chunk-list.js';
import { ID_LENGTH } from '../format/entry.js';
import type { BlobReader } from './blob-reader.js';

/**
 * The chunks of a content, with the tree above them if it has one.
 * @throws FormatError when a node of the tree is missing or damaged
 */
export async function chunkIds(
  reader: BlobReader,
  content: { depth: number; ids: Uint8Array },
): Promise<{ chunks: Uint8Array; nodes: Uint8Array }> {
  if (content.depth === 0) return { chunks: content.ids, nodes: new Uint8Array(0) };
  const nodes: Uint8Array[] = [];
  let level = content.ids;
  for (let depth = content.depth; depth > 0; depth--) {
    nodes.push(level);
    const below: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += ID_LENGTH)
      below.push(decodeChunkListNode(await reader.read('chunk-list', level.subarray(at, at + ID_LENGTH))).ids);
    level = Buffer.concat(below);
  }
  return { chunks: level, nodes: Buffer.concat(nodes) };
}
