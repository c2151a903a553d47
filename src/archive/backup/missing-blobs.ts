import type { SourceId } from '../../catalog/index.js';
import { FormatError, UserError } from '../../errors.js';
import { holeLength } from '../../format/chunk-list.js';
import { EntryType, ID_LENGTH } from '../../format/entry.js';
import { decodeSegment, type Segment } from '../../format/segment.js';
import { BlobIndex, indexFile } from '../blob-index.js';
import { chunkIds } from '../contents.js';
import type { Repository } from '../repository.js';

/** Tells what of a source's last listing is still in the store. */
export interface StillThere {
  /** Whether all that the version needs is there. What is not whole counts as changed: it is read again and so healed. */
  isWhole(segment: Segment, position: number): boolean;
  /** Whether a segment or node is there. */
  has(id: Uint8Array): boolean;
  close(): void;
}

/**
 * What of a source's last listing is still there, or undefined when no pack is missing or doomed, and all was there when
 * a run last looked, so that nothing needs testing.
 * @param strict what lies in doomed packs is taken for gone; else only for keys that could not copy it out of them
 */
export async function stillThere(
  repository: Repository,
  source: SourceId | undefined,
  strict: boolean,
): Promise<StillThere | undefined> {
  const { catalog, config, keyring } = repository;
  const isComplete = catalog.packs.all().every((pack) => pack.present && !pack.tombstoned);
  if (source === undefined || (isComplete && catalog.active.isTested(source))) return undefined;
  const spared = !strict && keyring.isFull;
  const blobs = BlobIndex.load(
    catalog,
    indexFile(config.tableDir),
    (pack) => pack.present && (spared || !pack.tombstoned),
  );
  // Chunk lists are metadata blobs of their own: those that cannot be read are as good as missing.
  const lists = await readTrees(repository, source);
  return {
    isWhole(segment, position) {
      if (segment.types[position] !== EntryType.file) return true;
      const ids = segment.idsOf(position);
      const isTree = segment.cuts[position] >= 2;
      const needed = isTree ? lists.get(Buffer.from(ids).toString('hex')) : ids;
      if (needed === undefined) return false;
      for (let at = 0; at < needed.length; at += ID_LENGTH)
        if (holeLength(needed, at) === undefined && !blobs.has(needed, at)) return false;
      return true;
    },
    has: (id) => blobs.has(id),
    close: () => blobs.close(),
  };
}

/** The ids of chunks and nodes of every active file that has a tree of them, by root id. A tree that cannot be read is left out. */
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

/** The chunks and nodes of a tree, or undefined when some of it is missing or damaged. */
async function readTree(repository: Repository, ids: Uint8Array, depth: number): Promise<Uint8Array | undefined> {
  try {
    const { chunks, nodes } = await chunkIds(repository.reader(), { depth, ids });
    return Buffer.concat([nodes, chunks]);
  } catch (error) {
    if (error instanceof FormatError || error instanceof UserError) return undefined;
    throw error;
  }
}
