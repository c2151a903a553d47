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
  /**
   * Whether all that the version needs is there; undefined when that is so of each. What is not whole counts as changed:
   * it is read again and so healed.
   */
  isWhole: ((segment: Segment, position: number) => boolean) | undefined;
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
  const broken = await brokenContents(repository, source, blobs);
  return {
    // Nothing is asked of each version where nothing is broken: then many are compared at a time.
    isWhole:
      broken.size === 0
        ? undefined
        : (segment, position) =>
            segment.types[position] !== EntryType.file || !broken.has(contentKey(segment.idsOf(position))),
    has: (id) => blobs.has(id),
    close: () => blobs.close(),
  };
}

/** The active files' contents of which something is missing, as `contentKey` names them. */
async function brokenContents(repository: Repository, source: SourceId, blobs: BlobIndex): Promise<Set<string>> {
  const { catalog } = repository;
  const broken = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const page = catalog.active.page(source, after, 256);
    if (page.length === 0) return broken;
    for (const row of page) {
      const segment = decodeSegment(row.bytes);
      for (let i = 0; i < segment.length; i++) {
        if (segment.types[i] !== EntryType.file) continue;
        const ids = segment.idsOf(i);
        const cut = segment.cuts[i];
        // Chunk lists are metadata blobs of their own: those that cannot be read are as good as missing.
        const needed = cut < 2 ? ids : await readTree(repository, ids, cut >> 1);
        if (needed === undefined || !hasAll(blobs, needed)) broken.add(contentKey(ids));
      }
    }
    after = page[page.length - 1].firstKey;
  }
}

function hasAll(blobs: BlobIndex, ids: Uint8Array): boolean {
  for (let at = 0; at < ids.length; at += ID_LENGTH)
    if (holeLength(ids, at) === undefined && !blobs.has(ids, at)) return false;
  return true;
}

function contentKey(ids: Uint8Array): string {
  return Buffer.from(ids).toString('hex');
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
