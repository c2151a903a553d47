import { BLOB_ID_LENGTH } from '../../crypto/blob-id.js';
import { ExitCode, FormatError, UserError } from '../../errors.js';
import { decodeChunkListNode, holeLength } from '../../format/chunk-list.js';
import { decodeListingNode, type ListingRoot } from '../../format/listing.js';
import { decodeSegment } from '../../format/segment.js';
import { objectPath } from '../../store/index.js';
import type { BlobIndex } from '../blob-index.js';
import { BlobReader } from '../blob-reader.js';
import type { DamageMarks } from '../damage-marks.js';
import { isDamage } from '../small-objects.js';
import type { Workshop } from './workshop.js';

/** The contents of a version, as far as blobs go. */
interface Needed {
  depth: number;
  ids: Uint8Array;
}

/**
 * Which blobs the snapshots in the store need. A blob is known by its number in the index; where it was stored more than
 * once, by the number that the index finds first.
 */
export class LiveBlobs {
  /** By number: 1 for what is needed. */
  readonly flags: Uint8Array;
  /** How many ids are needed that no pack has, and that nobody has given up. */
  missing = 0;
  private readonly shop: Workshop;
  private readonly index: BlobIndex;
  private readonly reader: BlobReader;
  /** Blobs that a full role has given up, by latin1 ids: where they cannot be read, that stops nothing. */
  private readonly givenUp: DamageMarks['blobs'];

  private constructor(shop: Workshop, index: BlobIndex) {
    this.shop = shop;
    this.index = index;
    this.reader = new BlobReader(shop.store, shop.keyring, index);
    this.flags = new Uint8Array(index.claims.shared.known);
    this.givenUp = shop.reconciled.marks.blobs;
  }

  /**
   * Goes over everything that the snapshots need.
   * @throws UserError naming the snapshot whose listing cannot be read: what it needs is then unknown
   */
  static async find(shop: Workshop, index: BlobIndex): Promise<LiveBlobs> {
    const live = new LiveBlobs(shop, index);
    await live.markSnapshots();
    await live.markContents();
    return live;
  }

  /**
   * The same for some listings alone.
   * @throws FormatError or UserError when one cannot be read
   */
  static async of(shop: Workshop, index: BlobIndex, listings: readonly ListingRoot[]): Promise<LiveBlobs> {
    const live = new LiveBlobs(shop, index);
    for (const { id, depth } of listings) await live.markListing(id, depth, 'once');
    return live;
  }

  private async markSnapshots(): Promise<void> {
    const { catalog, context } = this.shop;
    for (const row of catalog.snapshots.all()) {
      context.signal.throwIfAborted();
      const { listing } = row;
      if (listing === undefined) continue;
      try {
        // The catalog holds the entries of what is applied; of anything else the segments have to be read.
        const missing = this.missing;
        await this.markListing(listing.id, listing.depth, row.applied ? 'never' : 'always');
        // What a pending snapshot lacks, its writer has still to put; a foreign one may refer to anything.
        if (row.state === 'pending' || row.state === 'foreign') this.missing = missing;
      } catch (error) {
        if (!(error instanceof FormatError || error instanceof UserError)) throw error;
        // A foreign snapshot may refer to anything; it is kept as far as it goes.
        if (row.state === 'foreign') {
          context.report.warn(`the foreign snapshot ${row.name.slice(0, 8)} is not whole: ${error.message}`);
          continue;
        }
        throw new UserError(
          ExitCode.failed,
          `cannot tell what snapshot ${row.name.slice(0, 8)} of ${row.sourceName} needs, so nothing is pruned, ${objectPath('snapshots', row.name)} (${error.message}); ${row.state === 'pending' ? `its run was not completed: back up ${row.sourceName} where it was made, or forget the snapshot` : `run 'backup-ninja check --repair', or forget the snapshot`}`,
          { cause: error },
        );
      }
    }
  }

  /** @param contents whether those of the entries are marked: of nodes met before `once` does not do so again */
  private async markListing(id: Uint8Array, depth: number, contents: 'never' | 'once' | 'always'): Promise<void> {
    const isNew = this.mark(id, 0);
    if (!isNew && contents === 'once') return;
    if (depth > 0) {
      if (!isNew && contents === 'never') return;
      const bytes = await this.readUnlessGivenUp('listing', id);
      if (bytes === undefined) return;
      const node = decodeListingNode(bytes);
      for (const child of node.children) await this.markListing(child.id, depth - 1, contents);
      return;
    }
    if (contents === 'never') return;
    const bytes = await this.readUnlessGivenUp('listing', id);
    if (bytes === undefined) return;
    const segment = decodeSegment(bytes);
    for (let i = 0; i < segment.length; i++) {
      const entry = segment.entry(i);
      await this.markContent(entry);
      if (entry.replaced !== undefined) await this.markContent(entry.replaced);
    }
  }

  private async markContents(): Promise<void> {
    let turn = 0;
    for (const content of this.shop.catalog.query.contents()) {
      if ((++turn & 0xfff) === 0) this.shop.context.signal.throwIfAborted();
      if (content.depth === 0) this.markAll(content.ids);
      else await this.markOrStop(content);
    }
  }

  private async markOrStop(content: Needed): Promise<void> {
    try {
      await this.markContent(content);
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof UserError)) throw error;
      throw new UserError(
        ExitCode.failed,
        `a chunk list of the store cannot be read, so nothing is pruned (${error.message}); run 'backup-ninja check', which names the files that need it, then 'check --repair'`,
        { cause: error },
      );
    }
  }

  private async markContent({ depth, ids }: Needed): Promise<void> {
    if (depth === 0) {
      this.markAll(ids);
      return;
    }
    for (let at = 0; at < ids.length; at += BLOB_ID_LENGTH) {
      const id = ids.subarray(at, at + BLOB_ID_LENGTH);
      // What lies below a node that is marked has been marked with it.
      if (!this.mark(id, 0)) continue;
      const bytes = await this.readUnlessGivenUp('chunk-list', id);
      if (bytes === undefined) continue;
      const node = decodeChunkListNode(bytes);
      await this.markContent({ depth: depth - 1, ids: node.ids });
    }
  }

  private markAll(ids: Uint8Array): void {
    for (let at = 0; at < ids.length; at += BLOB_ID_LENGTH) if (holeLength(ids, at) === undefined) this.mark(ids, at);
  }

  /** Marks a blob as needed; false if it was marked before. */
  private mark(ids: Uint8Array, at: number): boolean {
    const number = this.index.claims.find(ids, at);
    if (number < 0) {
      if (!this.givenUp.has(latin1(ids.subarray(at, at + BLOB_ID_LENGTH)))) this.missing++;
      return true;
    }
    if (this.flags[number] === 1) return false;
    this.flags[number] = 1;
    return true;
  }

  private async readUnlessGivenUp(kind: 'listing' | 'chunk-list', id: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.reader.read(kind, id);
    } catch (error) {
      if (isDamage(error) && this.givenUp.has(latin1(id))) return undefined;
      throw error;
    }
  }
}

function latin1(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).latin1Slice();
}
