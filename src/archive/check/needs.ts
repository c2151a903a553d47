import { setImmediate } from 'node:timers/promises';
import type { SnapshotRow } from '../../catalog/index.js';
import type { BlobKind } from '../../crypto/keyring.js';
import { decodeChunkListNode, holeLength } from '../../format/chunk-list.js';
import { ID_LENGTH } from '../../format/entry.js';
import { decodeListingNode } from '../../format/listing.js';
import { decodeSegment } from '../../format/segment.js';
import { objectPath } from '../../store/index.js';
import type { Repository } from '../repository.js';
import { isDamage } from '../small-objects.js';
import { blobKey, eachId, type Findings, problem } from './findings.js';
import { type PackState, UNNAMED } from './packs.js';

/** Said of a snapshot that the catalog could not take in when it met it. */
const BEHIND = "the catalog lacks what it holds: 'backup-ninja check --repair' or 'catalog rebuild' takes it in";

interface Content {
  depth: number;
  ids: Uint8Array;
}

/** Goes over everything that the snapshots need, and notes what cannot be had. */
export class Needs {
  private readonly repository: Repository;
  private readonly findings: Findings;
  private readonly packs: PackState;
  /** Whether what lies below a node of a listing or chunk list is there, by `blobKey`. */
  private readonly known = new Map<string, boolean>();
  /** Names of snapshots that the catalog could not take in. */
  private readonly behind = new Set<string>();
  /** Names of packs that are needed and that no index names. */
  private readonly unindexed = new Set<string>();

  constructor(repository: Repository, findings: Findings, packs: PackState) {
    this.repository = repository;
    this.findings = findings;
    this.packs = packs;
  }

  /** Looks everything up. Others get a turn now and then: packs are read meanwhile. */
  async look(): Promise<void> {
    const { catalog, context } = this.repository;
    for (const row of catalog.snapshots.all()) {
      // What a pending one lacks, its writer has still to put; till then it counts for nothing.
      if (row.listing === undefined || row.state !== 'live') continue;
      context.signal.throwIfAborted();
      const { id, depth } = row.listing;
      if (!(await this.listing(id, depth, row))) this.findings.cutListings.add(row.name);
      else if (!row.applied) this.behind.add(row.name);
    }
    let count = 0;
    for (const { depth, ids } of catalog.query.contents()) {
      if ((++count & 0xfff) === 0) {
        await setImmediate();
        context.signal.throwIfAborted();
      }
      if (depth === 0) this.chunks(ids);
      else await this.content({ depth, ids });
    }
  }

  /** Notes what was found beside blobs that are lost. */
  tell(): void {
    const { findings, behind, unindexed } = this;
    for (const name of behind) findings.add(problem('catalog', objectPath('snapshots', name), BEHIND));
    for (const name of unindexed) {
      findings.unindexed.add(name);
      findings.add(problem('index', objectPath('packs', name), UNNAMED));
    }
  }

  /** Whether all of a listing is there. What the catalog has of a snapshot's entries is not read for that. */
  private async listing(id: Uint8Array, depth: number, row: SnapshotRow): Promise<boolean> {
    const key = blobKey(id);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    let isWhole = this.need(id, 0, 'listing');
    if (isWhole && (depth > 0 || !row.applied)) {
      const bytes = await this.read('listing', id);
      isWhole = bytes !== undefined;
      if (bytes !== undefined && depth > 0) {
        for (const child of decodeListingNode(bytes).children)
          if (!(await this.listing(child.id, depth - 1, row))) isWhole = false;
      } else if (bytes !== undefined) {
        const segment = decodeSegment(bytes);
        for (let i = 0; i < segment.length; i++) if (!(await this.content(segment.entry(i)))) this.hurt(row);
      }
    }
    this.known.set(key, isWhole);
    return isWhole;
  }

  private hurt(row: SnapshotRow): void {
    this.findings.hurt.add(row.name);
  }

  private async content({ depth, ids }: Content): Promise<boolean> {
    if (depth === 0) return this.chunks(ids);
    let isWhole = true;
    for (const id of eachId(ids)) if (!(await this.chunkList(id, depth))) isWhole = false;
    return isWhole;
  }

  private chunks(ids: Uint8Array): boolean {
    let isWhole = true;
    for (let at = 0; at < ids.length; at += ID_LENGTH)
      if (holeLength(ids, at) === undefined && !this.need(ids, at, 'data')) isWhole = false;
    return isWhole;
  }

  private async chunkList(id: Uint8Array, depth: number): Promise<boolean> {
    const key = blobKey(id);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    let isWhole = this.need(id, 0, 'chunk-list');
    const bytes = isWhole ? await this.read('chunk-list', id) : undefined;
    isWhole = bytes !== undefined && (await this.content({ depth: depth - 1, ids: decodeChunkListNode(bytes).ids }));
    this.known.set(key, isWhole);
    return isWhole;
  }

  /** Whether a blob is in some pack that is not known to hold it damaged. */
  private need(ids: Uint8Array, at: number, kind: BlobKind): boolean {
    const { packs, findings } = this;
    const blobs = this.repository.blobs();
    const bad = packs.hasBad ? packs.badIn(ids, at) : undefined;
    if (bad === undefined && packs.unindexed.size === 0) {
      if (blobs.has(ids, at)) return true;
    } else {
      const places = blobs.locations(ids, at).filter(({ name }) => bad?.has(name) !== true);
      if (places.length > 0 && places.every(({ name }) => packs.unindexed.has(name)))
        this.unindexed.add(places[0].name);
      if (places.length > 0) return true;
    }
    const id = ids.subarray(at, at + ID_LENGTH);
    const damaged = bad === undefined ? undefined : findings.packs.get([...bad][0])?.problem;
    findings.lose(id, kind, damaged ?? packs.causeOf(id));
    return false;
  }

  /** A blob of metadata; one that cannot be read is lost, and the pack that should have it damaged. */
  private async read(kind: 'listing' | 'chunk-list', id: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.repository.reader().read(kind, id);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const places = this.repository.blobs().locations(id);
      for (const { name } of places)
        this.packs.damaged(name, problem('damaged', objectPath('packs', name), (error as Error).message), id);
      const told = places.length === 0 ? undefined : this.findings.packs.get(places[0].name)?.problem;
      if (told !== undefined) this.findings.add(told);
      this.findings.lose(id, kind, told ?? this.packs.causeOf(id));
      return undefined;
    }
  }
}
