import { FormatError } from '../errors.js';
import { decode, encode } from './cbor.js';
import { ID_LENGTH, MAX_DEPTH } from './entry.js';
import { ByteReader, ByteWriter, expectEnd } from './varint.js';

/** Up to this many chunks are named in the entry itself; more make a tree. */
export const INLINE_CHUNKS = 16;

const FEWEST = 16;
const MOST = 512;
const CUT_MASK = 63;
const HOLE_PREFIX = 16;

/** The pseudo id that stands for a hole of so many bytes: 16 zero bytes, then the length, 64-bit little-endian. */
export function holeId(length: number): Uint8Array {
  const id = new Uint8Array(ID_LENGTH);
  new DataView(id.buffer).setBigUint64(HOLE_PREFIX, BigInt(length), true);
  return id;
}

/**
 * Length of the hole that the id at this place stands for, or undefined when it is a real blob's id.
 * FormatError for a length of 2^53 or more.
 */
export function holeLength(ids: Uint8Array, at = 0): number | undefined {
  for (let i = 0; i < HOLE_PREFIX; i++) if (ids[at + i] !== 0) return undefined;
  let length = 0;
  for (let i = ID_LENGTH - 1; i >= HOLE_PREFIX; i--) length = length * 256 + ids[at + i];
  if (!Number.isSafeInteger(length)) throw new FormatError('a hole of an impossible length');
  return length;
}

/** A node of a chunk-list tree: level 1 names chunks, level n nodes of level n - 1; `sizes` are bytes of the file. */
export interface ChunkListNode {
  level: number;
  ids: Uint8Array;
  sizes: number[];
}

/** The bytes of a chunk-list node. */
export function encodeChunkListNode(node: ChunkListNode): Uint8Array {
  const sizes = new ByteWriter(node.sizes.length * 4);
  for (const size of node.sizes) sizes.varint(size);
  return encode({ level: node.level, ids: node.ids, sizes: sizes.take() });
}

/** Reads a chunk-list node; bytes that are not one are a FormatError. */
export function decodeChunkListNode(bytes: Uint8Array): ChunkListNode {
  const node = decode(bytes) as { level: number; ids: Uint8Array; sizes: Uint8Array };
  const wellFormed =
    typeof node === 'object' &&
    node !== null &&
    Number.isSafeInteger(node.level) &&
    node.level > 0 &&
    node.level <= MAX_DEPTH &&
    node.ids instanceof Uint8Array &&
    node.sizes instanceof Uint8Array &&
    node.ids.length > 0 &&
    node.ids.length % ID_LENGTH === 0;
  if (!wellFormed) throw new FormatError('not a chunk list');
  const reader = new ByteReader(node.sizes);
  const sizes: number[] = [];
  for (let i = 0; i < node.ids.length / ID_LENGTH; i++) sizes.push(reader.varint());
  expectEnd(reader);
  return { level: node.level, ids: node.ids, sizes };
}

/**
 * Names a file's chunks: inline when there are few, else as a tree whose nodes are cut after a blob's id whose byte 22
 * is a multiple of 64, with 16 to 512 ids each. An edit in a big file so changes few nodes. Nothing is cut behind a
 * hole: all holes look alike there, so that in a file full of them nodes would be cut by counting.
 * @param sizes bytes that each id covers
 * @param emit takes a node's bytes and returns its blob id
 */
export function buildChunkList(
  ids: Uint8Array,
  sizes: readonly number[],
  emit: (bytes: Uint8Array) => Uint8Array,
): { depth: number; ids: Uint8Array } {
  if (sizes.length <= INLINE_CHUNKS) return { depth: 0, ids };
  let depth = 0;
  let levelIds = ids;
  let levelSizes = sizes;
  while (levelSizes.length > 1 || depth === 0) {
    depth++;
    const nextIds: Uint8Array[] = [];
    const nextSizes: number[] = [];
    let begin = 0;
    for (let i = 0; i < levelSizes.length; i++) {
      const count = i + 1 - begin;
      const isLast = i === levelSizes.length - 1;
      if (!isLast && !(count >= MOST || (count >= FEWEST && cutsAfter(levelIds, i)))) continue;
      const part = levelSizes.slice(begin, i + 1);
      nextIds.push(
        emit(
          encodeChunkListNode({
            level: depth,
            ids: levelIds.subarray(begin * ID_LENGTH, (i + 1) * ID_LENGTH),
            sizes: part,
          }),
        ),
      );
      nextSizes.push(part.reduce((sum, size) => sum + size, 0));
      begin = i + 1;
    }
    levelIds = Buffer.concat(nextIds);
    levelSizes = nextSizes;
  }
  return { depth, ids: levelIds };
}

function cutsAfter(ids: Uint8Array, i: number): boolean {
  const at = i * ID_LENGTH;
  return (ids[at + ID_LENGTH - 2] & CUT_MASK) === 0 && holeLength(ids, at) === undefined;
}

/**
 * The chunks of a content in order, as (ids, sizes) runs; sizes are undefined where the ids are inline.
 * @param fetch gives a chunk-list node's bytes by its id
 */
export function* readChunkList(
  content: { depth: number; ids: Uint8Array },
  fetch: (id: Uint8Array) => Uint8Array,
): Generator<{ ids: Uint8Array; sizes: number[] | undefined }> {
  if (content.depth === 0) {
    yield { ids: content.ids, sizes: undefined };
    return;
  }
  if (content.ids.length !== ID_LENGTH) throw new FormatError('a chunk list does not have one root');
  const node = decodeChunkListNode(fetch(content.ids));
  if (node.level !== content.depth) throw new FormatError('a chunk list has a node of the wrong level');
  if (node.level === 1) {
    yield { ids: node.ids, sizes: node.sizes };
    return;
  }
  for (let i = 0; i < node.sizes.length; i++) {
    const id = node.ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH);
    yield* readChunkList({ depth: content.depth - 1, ids: id }, fetch);
  }
}
