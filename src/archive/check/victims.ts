import type { SnapshotRow, SourceId, Version } from '../../catalog/index.js';
import { decodeChunkListNode, holeLength } from '../../format/chunk-list.js';
import { ID_LENGTH } from '../../format/entry.js';
import { decodeListingNode } from '../../format/listing.js';
import { type PathItem, pathItem } from '../../report/json-path.js';
import { pathOf } from '../past.js';
import type { Repository } from '../repository.js';
import { isDamage } from '../small-objects.js';
import type { CheckProblem } from '../types.js';
import { blobKey, eachId, type Findings, problem } from './findings.js';

/** At most so many paths are named for each problem. */
const MOST_PATHS = 10_000;

interface Content {
  depth: number;
  ids: Uint8Array;
}

/** Whom a problem hurts. */
interface Victims {
  paths: Set<string>;
  snapshots: Set<string>;
}

/**
 * Names the paths and snapshots that lost blobs hurt: with the object in which the blobs lay where that is known, else
 * all together.
 */
export async function nameVictims(repository: Repository, findings: Findings): Promise<void> {
  await new VictimSearch(repository, findings).run();
}

class VictimSearch {
  private readonly repository: Repository;
  private readonly findings: Findings;
  private readonly victims = new Map<CheckProblem, Victims>();
  private readonly trees = new Map<string, CheckProblem | undefined>();
  private readonly untold: CheckProblem;
  private readonly taken = new Map<SourceId, SnapshotRow[]>();

  constructor(repository: Repository, findings: Findings) {
    this.repository = repository;
    this.findings = findings;
    let count = 0;
    let first: Uint8Array | undefined;
    for (const { id, cause } of findings.lost.values()) {
      if (cause !== undefined) continue;
      count++;
      first ??= id;
    }
    const object = first === undefined ? '' : Buffer.from(first).toString('hex');
    this.untold = problem('missing', object, `${count} blob(s) that are needed are in no pack of the store`);
  }

  async run(): Promise<void> {
    const { catalog } = this.repository;
    const { findings } = this;
    for (const { cause } of findings.lost.values()) this.of(cause ?? this.untold);
    const rows = catalog.snapshots.all();
    for (const row of rows) {
      if (row.kind === 'kept') for (const version of catalog.kept.in(row.name)) await this.judge(version, [row]);
      else if (row.applied) this.taken.set(row.source, [...(this.taken.get(row.source) ?? []), row]);
      if (findings.cutListings.has(row.name) && row.listing !== undefined) {
        findings.hurt.add(row.name);
        const told = await this.listingCulprit(row.listing.id, row.listing.depth);
        this.of(told ?? this.untold).snapshots.add(row.name);
      }
    }
    for (const source of new Set(rows.map((row) => row.sourceName)))
      for (const { versions } of catalog.query.find('*', { source, all: true }))
        for (const version of versions) if (version.keptBy === 'snapshot') await this.judge(version);
    for (const [told, { paths, snapshots }] of this.victims) {
      told.paths = [...paths].map((path): PathItem => pathItem(path));
      told.snapshots = rows.filter(({ name }) => snapshots.has(name)).map(({ name }) => name);
      findings.add(told);
    }
  }

  private of(told: CheckProblem): Victims {
    const known = this.victims.get(told);
    if (known !== undefined) return known;
    const victims = { paths: new Set<string>(), snapshots: new Set<string>() };
    this.victims.set(told, victims);
    return victims;
  }

  /** @param holders the snapshots that hold the version; default: the taken ones of its interval */
  private async judge(version: Version, holders?: SnapshotRow[]): Promise<void> {
    const { entry, key, source, from, to } = version;
    const culprit =
      (await this.culpritOf(entry)) ??
      (entry.replaced === undefined ? undefined : await this.culpritOf(entry.replaced));
    if (culprit === undefined) return;
    const victims = this.of(culprit);
    if (victims.paths.size < MOST_PATHS) victims.paths.add(pathOf(key));
    const held =
      holders ?? this.taken.get(source)?.filter((row) => row.seq >= from && (to === undefined || row.seq <= to)) ?? [];
    for (const { name } of held) {
      victims.snapshots.add(name);
      this.findings.hurt.add(name);
    }
  }

  private async culpritOf(content: Content): Promise<CheckProblem | undefined> {
    if (content.depth === 0) return this.amongChunks(content.ids);
    for (const id of eachId(content.ids)) {
      const told = await this.treeCulprit(id, content.depth);
      if (told !== undefined) return told;
    }
    return undefined;
  }

  private amongChunks(ids: Uint8Array): CheckProblem | undefined {
    for (let at = 0; at < ids.length; at += ID_LENGTH)
      if (holeLength(ids, at) === undefined) {
        const told = this.toldOf(ids, at);
        if (told !== undefined) return told;
      }
    return undefined;
  }

  private toldOf(ids: Uint8Array, at = 0): CheckProblem | undefined {
    const lost = this.findings.lost.get(blobKey(ids, at));
    return lost && (lost.cause ?? this.untold);
  }

  private async treeCulprit(id: Uint8Array, depth: number): Promise<CheckProblem | undefined> {
    const key = blobKey(id);
    if (this.trees.has(key)) return this.trees.get(key);
    let told = this.toldOf(id);
    if (told === undefined) {
      const bytes = await this.read('chunk-list', id);
      if (bytes !== undefined) told = await this.culpritOf({ depth: depth - 1, ids: decodeChunkListNode(bytes).ids });
    }
    this.trees.set(key, told);
    return told;
  }

  private async listingCulprit(id: Uint8Array, depth: number): Promise<CheckProblem | undefined> {
    const key = blobKey(id);
    if (this.trees.has(key)) return this.trees.get(key);
    let told = this.toldOf(id);
    if (told === undefined && depth > 0) {
      const bytes = await this.read('listing', id);
      for (const child of bytes === undefined ? [] : decodeListingNode(bytes).children) {
        told = await this.listingCulprit(child.id, depth - 1);
        if (told !== undefined) break;
      }
    }
    this.trees.set(key, told);
    return told;
  }

  private async read(kind: 'listing' | 'chunk-list', id: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.repository.reader().read(kind, id);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return undefined;
    }
  }
}
