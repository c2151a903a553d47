import { hostname } from 'node:os';
import { type ByteString, toDisplay } from '../bytes.js';
import { applyListing, type Catalog, type SnapshotInput } from '../catalog/index.js';
import type { Entry } from '../format/entry.js';
import { ListingCutter, type ListingRoot } from '../format/listing.js';
import type { SnapshotBody, SnapshotHeader } from '../format/snapshot.js';
import { ContentError, type LegacyArchive, type LegacyVersion, openLegacy } from '../legacy/index.js';
import { ownUserName } from '../platform/index.js';
import { jsonPath } from '../report/json-path.js';
import { rfc3339 } from '../report/time.js';
import { Ingest } from './backup/ingest.js';
import { ReadQueue } from './backup/read-queue.js';
import type { Context } from './context.js';
import { putSnapshot, settlePut } from './forgetting/put-snapshot.js';
import { type Workshop, workshopOf } from './forgetting/workshop.js';
import { storeContents, type WantedContent } from './import/contents.js';
import { EntryMaker } from './import/entries.js';
import { GrowingListing } from './import/growing-listing.js';
import { IMPORTER, type ImportPlan, planImport } from './import/plan.js';
import { importedRoots } from './import/roots.js';
import { ArchiveState, layersOf } from './import/states.js';
import { type Lineage, lineageToContinue } from './lineage.js';
import { keyOf } from './past.js';
import { openRepository, type Repository } from './repository.js';
import { OWN_SOURCE, ownSource } from './select.js';
import { dropPending, isShared, leftPending } from './settle-shared.js';
import { renewTotals } from './store-totals.js';
import type { ImportOptions, ImportResult } from './types.js';

/**
 * Takes over an archive of the Python tool: its files and their history, as far as the archive has their contents.
 *
 * Every backup that the old tool's log tells of becomes a snapshot, dated by it, so all that works on snapshots works on
 * the past too; each version bears the times at which it came and went. See `planImport` for sources that have snapshots.
 * Nothing but contents is stored before every content was read; then listings, then the snapshots, oldest first.
 */
export async function importLegacy(context: Context, options: ImportOptions): Promise<ImportResult> {
  const archive = await openLegacy({
    path: toDisplay(options.path),
    files: options.files === undefined ? undefined : toDisplay(options.files),
    key: options.legacyKey === undefined ? undefined : toDisplay(options.legacyKey),
  });
  const repository = await openRepository(context, { command: 'import', lock: 'shared', catalog: 'write' });
  try {
    // What claims to be older than 30 days counts from a full key only.
    repository.keyring.requireFull('import');
    const result = await new Import(repository, archive, options).run();
    await renewTotals(repository.catalog, repository.store);
    return result;
  } finally {
    await repository.close();
    context.report.done();
  }
}

/** A snapshot whose listing is stored, waiting to be put. */
interface Prepared {
  time: bigint;
  root: ListingRoot;
  segments: { firstKey: ByteString; id: Uint8Array }[];
  counts: SnapshotBody['counts'];
  /** What a kept one holds. */
  kept?: Entry[];
}

class Import {
  private readonly repository: Repository;
  private readonly shop: Workshop;
  private readonly context: Context;
  private readonly catalog: Catalog;
  private readonly archive: LegacyArchive;
  private readonly source: string;
  private readonly isOwn: boolean;
  private readonly lineage: Lineage;
  private readonly plan: ImportPlan;
  private readonly started = BigInt(Date.now()) * 1_000_000n;
  private readonly maker = new EntryMaker();
  private readonly roots: SnapshotBody['roots'];
  private readonly damaged: ImportResult['damaged'] = [];

  constructor(repository: Repository, archive: LegacyArchive, options: ImportOptions) {
    this.repository = repository;
    this.shop = workshopOf(repository);
    this.context = repository.context;
    this.catalog = repository.catalog;
    this.archive = archive;
    const own = ownSource(this.catalog, this.context);
    this.source = options.source ?? own;
    this.isOwn = this.source === own;
    this.lineage = lineageToContinue(this.catalog, this.source);
    this.plan = planImport(this.catalog, this.lineage.id, archive);
    this.roots = importedRoots(archive, repository.config.backupRoots);
  }

  async run(): Promise<ImportResult> {
    for (const { path, message } of this.archive.problems) this.damaged.push({ ...jsonPath(path), message });
    // What a killed import left unsettled is put anew.
    if (isShared(this.shop))
      for (const { name } of await leftPending(this.shop, this.source)) await dropPending(this.shop, [name]);
    const nothing = { snapshot: null, files: 0, versions: 0, damaged: this.damaged };
    const chosen = this.chosen();
    if (chosen.length + this.plan.runs.length === 0) return nothing;
    const ingest = new Ingest(this.repository, { much: true });
    try {
      const entries = await this.takeContents(ingest, chosen);
      if (entries.size === 0 && this.lineage.head === undefined) return nothing;
      const listings = new GrowingListing(this.cutter(), (bytes) => ingest.put('listing', bytes));
      const state = new ArchiveState(this.maker, new Set(this.roots.map(({ path }) => keyOf(path))));
      const kept = this.prepareKept(ingest, entries);
      const taken = this.prepareTaken(listings, state, entries);
      await ingest.finish();
      const snapshot = await this.put(kept, taken);
      const active = [...entries.keys()].filter((i) => this.archive.versions[i].to === undefined).length;
      return { snapshot, files: active, versions: entries.size, damaged: this.damaged };
    } finally {
      await ingest.close();
    }
  }

  /** The versions to be taken over, by path. */
  private chosen(): number[] {
    const { runs, found, late } = this.plan;
    return [...late, ...(found?.began ?? []), ...runs.flatMap((run) => run.began)].sort((a, b) => a - b);
  }

  /** Stores the contents of the versions that are to be taken over; gives entries for those that the archive has. */
  private async takeContents(ingest: Ingest, chosen: readonly number[]): Promise<Map<number, Entry>> {
    const { context, archive, repository } = this;
    const wanted = new Map<string, WantedContent>();
    for (const i of chosen) {
      const { checksum, size } = archive.versions[i];
      const known = wanted.get(checksum);
      if (known === undefined) wanted.set(checksum, { checksum, size });
      else known.size ??= size;
    }
    context.report.start('reading the archive', { files: wanted.size });
    const contents = await storeContents(archive, [...wanted.values()], new ReadQueue(ingest), {
      tableDir: repository.config.tableDir,
      signal: context.signal,
      progress: (files, bytes) => context.report.progress({ files, bytes, totalFiles: wanted.size }),
    });
    const entries = new Map<number, Entry>();
    const lastRun = lastTime(archive.versions);
    for (const i of chosen) {
      const version = archive.versions[i];
      const content = contents.get(version.checksum);
      if (content instanceof ContentError) this.reportDamage(version, content);
      else if (content !== undefined) entries.set(i, this.maker.file(version, content, lastRun));
    }
    return entries;
  }

  private reportDamage({ path, from, to }: LegacyVersion, error: ContentError): void {
    const which = `version of ${seconds(from)}${to === undefined ? '' : `, gone by ${seconds(to)}`}`;
    this.damaged.push({ ...jsonPath(path), message: `${which}: ${error.message}` });
  }

  /** Listings of the states after the runs to come, oldest first. */
  private prepareTaken(listing: GrowingListing, state: ArchiveState, entries: ReadonlyMap<number, Entry>): Prepared[] {
    const { lineage, plan, archive, catalog } = this;
    const runs = plan.found?.began.some((i) => entries.has(i)) ? [plan.found, ...plan.runs] : plan.runs;
    if (runs.length > 0 && lineage.head !== undefined) listing.apply(state.resume(catalog.query.entries(lineage.head)));
    return runs.map((run) => {
      listing.apply(state.advance(run, archive.versions, entries));
      return { time: run.time, ...listing.finish(), counts: { ...state.counts } };
    });
  }

  /** Listings of the versions that get no snapshot of their time. */
  private prepareKept(ingest: Ingest, entries: ReadonlyMap<number, Entry>): Prepared[] {
    const late = this.plan.late.flatMap((i) => entries.get(i) ?? []);
    return layersOf(late).map((layer) => {
      const listing = new GrowingListing(this.cutter(), (bytes) => ingest.put('listing', bytes));
      listing.apply(layer);
      const kept = [...layer.values()];
      const bytes = kept.reduce((sum, entry) => sum + entry.size, 0);
      return { time: this.started, ...listing.finish(), counts: { files: kept.length, dirs: 0, bytes }, kept };
    });
  }

  /** Puts all snapshots and takes them into the catalog; returns the name of the one with the newest state. */
  private async put(kept: readonly Prepared[], taken: readonly Prepared[]): Promise<string | null> {
    const { catalog, lineage, context } = this;
    const puts: { prepared: Prepared; snapshot: SnapshotInput }[] = [];
    // As all kept ones they belong to a lineage by their parent, and have no place of their own in the order.
    for (const prepared of kept.toReversed())
      puts.push({
        prepared,
        snapshot: await this.store(prepared, 'kept', lineage.parent?.seq ?? 1, lineage.parent?.name ?? null),
      });
    let parent = lineage.parent?.name ?? null;
    let sequence = lineage.parent?.seq ?? 0;
    for (const prepared of taken) {
      context.signal.throwIfAborted();
      const snapshot = await this.store(prepared, 'taken', ++sequence, parent);
      puts.push({ prepared, snapshot });
      parent = snapshot.name;
    }
    await settlePut(
      this.shop,
      puts.map(({ snapshot }) => snapshot),
    );
    for (const { prepared, snapshot } of puts) await this.takeOver(prepared, snapshot);
    if (taken.length > 0) catalog.active.deriveUnsettled(lineage.id, this.started);
    if (this.isOwn) catalog.setMeta(OWN_SOURCE, this.source);
    return puts.at(-1)?.snapshot.name ?? null;
  }

  /** Takes a snapshot that counts into the catalog. */
  private async takeOver(prepared: Prepared, snapshot: SnapshotInput): Promise<void> {
    const { catalog, lineage } = this;
    if (snapshot.kind === 'kept') {
      catalog.transaction(() => {
        catalog.snapshots.add(lineage.id, snapshot, 'live');
        catalog.kept.put(snapshot.name, prepared.kept ?? []);
      });
      return;
    }
    const reader = this.repository.reader();
    await applyListing(catalog, {
      source: lineage.id,
      snapshot,
      segments: prepared.segments,
      fetch: (ids) => Promise.all(ids.map((id) => reader.read('listing', id))),
    });
  }

  private async store(
    prepared: Prepared,
    kind: SnapshotHeader['kind'],
    sequence: number,
    parent: string | null,
  ): Promise<SnapshotInput> {
    const header: Omit<SnapshotHeader, 'pending'> = {
      source: this.source,
      sequence,
      parent,
      replaces: [],
      catalogId: this.catalog.id,
      started: this.started,
      time: prepared.time,
      mode: 'soft',
      kind,
      listing: prepared.root,
    };
    const body: SnapshotBody = {
      host: hostname(),
      user: ownUserName(),
      roots: this.roots,
      tags: [],
      counts: prepared.counts,
      program: IMPORTER,
      ...(kind === 'kept' && { partial: true }),
    };
    return putSnapshot(this.shop, header, body);
  }

  private cutter(): ListingCutter {
    return new ListingCutter(this.repository.keyring.shared.listingCut);
  }
}

/** The newest time in the archive's log. */
function lastTime(versions: readonly LegacyVersion[]): bigint {
  return versions.reduce((last, { from, to = from }) => (to > last ? to : last), versions[0]?.from ?? 0n);
}

/** A time to the second, for messages. */
function seconds(time: bigint): string {
  return `${rfc3339(time).slice(0, 19)}Z`;
}
