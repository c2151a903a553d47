import type { SourceId } from '../../catalog/index.js';
import { FormatError, UserError } from '../../errors.js';
import { holeLength } from '../../format/chunk-list.js';
import { EntryType, ID_LENGTH } from '../../format/entry.js';
import { decodeSegment, type Segment } from '../../format/segment.js';
import { chunkIds } from '../contents.js';
import type { Repository } from '../repository.js';

/**
 * A test whether all that a version needs is still in the store, or undefined when no pack is missing, so that nothing
 * needs testing. What is not whole counts as changed: it is read from the disk again and so healed.
 */
export async function missingBlobs(
  repository: Repository,
  source: SourceId | undefined,
): Promise<((segment: Segment, position: number) => boolean) | undefined> {
  const isComplete = repository.catalog.packs.all().every((pack) => pack.present && !pack.tombstoned);
  if (source === undefined || isComplete) return undefined;
  const blobs = repository.blobs();
  // Chunk lists are metadata blobs of their own: those that cannot be read are as good as missing.
  const lists = await readTrees(repository, source);
  return (segment, position) => {
    if (segment.types[position] !== EntryType.file) return true;
    const ids = segment.idsOf(position);
    const isTree = segment.cuts[position] >= 2;
    const chunks = isTree ? lists.get(Buffer.from(ids).toString('hex')) : ids;
    if (chunks === undefined) return false;
    for (let at = 0; at < chunks.length; at += ID_LENGTH)
      if (holeLength(chunks, at) === undefined && !blobs.has(chunks, at)) return false;
    return true;
  };
}

/** The chunk ids of every active file that has a tree of them, by root id. A tree that cannot be read is left out. */
async function readTrees(repository: Repository, source: SourceId): Promise<Map<string, Uint8Array>> {
  const { catalog } = repository;
  const lists = new Map<string, Uint8Array>();
  let after: string | undefined;
  for (;;) {
    const page = catalog.active.page(source, after, 256);
    if (page.length === 0) return lists;
    for (const row of page) {
      const segment = decodeSegment(row.bytes);
      for (let i = 0; i < segment.length; i++) {
        const cut = segment.cuts[i];
        if (cut < 2) continue;
        const ids = segment.idsOf(i);
        const list = await readTree(repository, ids, cut >> 1);
        if (list !== undefined) lists.set(Buffer.from(ids).toString('hex'), list);
      }
    }
    after = page[page.length - 1].firstKey;
  }
}

/** The chunks below the root of a tree, or undefined when some of it is missing or damaged. */
async function readTree(repository: Repository, ids: Uint8Array, depth: number): Promise<Uint8Array | undefined> {
  try {
    return (await chunkIds(repository.reader(), { depth, ids })).chunks;
  } catch (error) {
    if (error instanceof FormatError || error instanceof UserError) return undefined;
    throw error;
  }
}
