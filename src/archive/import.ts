import { hostname, userInfo } from 'node:os';
import { type ByteString, toDisplay } from '../bytes.js';
import { applyListing, type Catalog, type SnapshotInput } from '../catalog/index.js';
import { type Entry, EntryType } from '../format/entry.js';
import { ListingCutter, type ListingRoot } from '../format/listing.js';
import { type SnapshotBody, type SnapshotHeader, sealSnapshot } from '../format/snapshot.js';
import { ContentError, type LegacyArchive, type LegacyVersion, openLegacy } from '../legacy/index.js';
import { jsonPath } from '../report/json-path.js';
import { rfc3339 } from '../report/time.js';
import { objectPath } from '../store/index.js';
import { Ingest } from './backup/ingest.js';
import { ReadQueue } from './backup/read-queue.js';
import type { Context } from './context.js';
import { storeContents, type WantedContent } from './import/contents.js';
import { EntryMaker, type StoredContent } from './import/entries.js';
import { GrowingListing } from './import/growing-listing.js';
import { type ImportPlan, IMPORTER, planImport } from './import/plan.js';
import { importedRoots } from './import/roots.js';
import { ArchiveState, layersOf } from './import/states.js';
import { type Lineage, lineageToContinue } from './lineage.js';
import { snapshotInput } from './reconcile.js';
import { openRepository, type Repository } from './repository.js';
import { OWN_SOURCE, ownSource } from './select.js';
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
    return await new Import(repository, archive, options).run();
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
}

class Import {
  private readonly repository: Repository;
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
    const { runs, done, late } = this.plan;
    if (done === runs.length && late.length === 0) return this.result(null, 0, 0);
    const ingest = new Ingest(this.repository);
    try {
      const contents = await this.readContents(ingest);
      const versions = new Map<number, Entry>();
      this.archive.versions.forEach((version, i) => {
        const content = contents.get(version.checksum);
        if (content instanceof ContentError) this.reportDamage(version, content);
        else if (content !== undefined) versions.set(i, this.maker.file(version, content));
      });
      return await this.commit(ingest, versions);
    } finally {
      await ingest.close();
    }
  }

  /** Stores the contents of all versions that are to be taken over, in the order of their paths. */
  private async readContents(ingest: Ingest): Promise<Map<string, StoredContent | ContentError>> {
    const { context, archive, plan, catalog, repository } = this;
    const wanted = new Map<string, WantedContent>();
    for (const i of [...plan.late, ...plan.runs.slice(plan.done).flatMap((run) => run.began)].sort((a, b) => a - b)) {
      const { checksum, size } = archive.versions[i];
      const known = wanted.get(checksum);
      if (known === undefined) wanted.set(checksum, { checksum, size });
      else known.size ??= size;
    }
    context.report.start('reading the archive', { files: wanted.size });
    void catalog;
    return storeContents(archive, [...wanted.values()], new ReadQueue(ingest), {
      tableDir: repository.config.tableDir,
      signal: context.signal,
      progress: (files, bytes) => context.report.progress({ files, bytes, totalFiles: wanted.size }),
    });
  }
}
