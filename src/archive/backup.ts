import { hostname } from 'node:os';
import { toDisplay } from '../bytes.js';
import type { Catalog, SnapshotInput, SnapshotRow, Stage } from '../catalog/index.js';
import { ExitCode, UserError } from '../errors.js';
import { EntryType } from '../format/entry.js';
import { ListingCutter, type ListingRoot } from '../format/listing.js';
import { type SnapshotBody, type SnapshotHeader, sealSnapshot } from '../format/snapshot.js';
import { lowerPriority, ownUserName, platformNotes, splitNs } from '../platform/index.js';
import { jsonPath, pathItem } from '../report/json-path.js';
import { rfc3339 } from '../report/time.js';
import { pathOf, planRoots, type RootPlan, type ScanItem, scan } from '../scan/index.js';
import { objectPath } from '../store/index.js';
import { programName } from '../version.js';
import { ActiveCursor } from './backup/active-cursor.js';
import { ExpectedScan, planOptions } from './backup/expected-scan.js';
import { Ingest } from './backup/ingest.js';
import { ListingBuilder } from './backup/listing-builder.js';
import { type StillThere, stillThere } from './backup/missing-blobs.js';
import { MovedFiles } from './backup/moved-files.js';
import { type Expectation, Progress, progressOf, type RunFigures } from './backup/progress.js';
import { ReadQueue } from './backup/read-queue.js';
import { BackupRun, type RunCounts } from './backup/run.js';
import { ListedItems, type ScanItems, ScanRows } from './backup/scan-rows.js';
import { ScanThread } from './backup/scan-thread.js';
import type { UnreadKeys } from './backup/unread.js';
import type { Context } from './context.js';
import { keepCopy } from './copies.js';
import { hardRemove, requireHardRemove } from './forgetting/hard-remove.js';
import { workshopOf } from './forgetting/workshop.js';
import { hadFullRun, noteFullRun } from './full-runs.js';
import { type Lineage, lineageToContinue, takenIn } from './lineage.js';
import { clearOwnPending, noteOwnPending, ownPending } from './own-pending.js';
import { noteReceipts, reconcile, snapshotBody, snapshotInput } from './reconcile.js';
import { openRepository, type Repository } from './repository.js';
import { OWN_SOURCE, ownSource } from './select.js';
import { dropPending, leftPending, settleShared } from './settle-shared.js';
import { requireMayWrite } from './standing.js';
import { noteAdded, renewTotals, storeTotals } from './store-totals.js';
import type { BackupOptions, BackupResult } from './types.js';

/** From how many entries of the snapshot before on the scan has a thread of its own. */
const SCANNED_APART = 10_000;
/** How many entries a scan without one looks at before they are compared. */
const SCANNED_AT_ONCE = 64;

/** The event loop gets a turn this often while the scan goes on, milliseconds. */
const TURN_EVERY = 25;

/**
 * Makes a snapshot of the roots: open → scan → compare → ingest → commit.
 *
 * The order of writes is what makes a kill at any time harmless: packs, then the index that names them, then the
 * snapshot that needs them; the catalog knows the snapshot's name before it is put, and takes it over after. In a shared
 * store the snapshot counts only when it has been settled, since others may have pruned while this ran.
 */
export async function backup(context: Context, options: BackupOptions): Promise<BackupResult> {
  if (context.config.nice !== 0) lowerPriority(context.config.nice);
  for (const note of platformNotes()) context.report.warn(note);
  const expected = await ExpectedScan.begin(context, options);
  try {
    return await backUp(context, options, expected);
  } finally {
    await expected?.dismiss();
  }
}

/** @param expected a scan that may be the one to be made */
async function backUp(
  context: Context,
  options: BackupOptions,
  expected: ExpectedScan | undefined,
): Promise<BackupResult> {
  const repository = await openRepository(context, {
    command: 'backup',
    lock: options.hardRemove && !options.dryRun ? 'exclusive' : 'shared',
    catalog: 'write',
    acceptRollback: options.acceptRollback,
  });
  try {
    repository.keyring.requireWrite('backup');
    if (options.hardRemove) requireHardRemove(repository);
    return await new Backup(repository, options, expected).run();
  } finally {
    await repository.close();
  }
}

class Backup {
  private readonly repository: Repository;
  private readonly context: Context;
  private readonly options: BackupOptions;
  private readonly catalog: Catalog;
  private readonly source: string;
  private started = now();
  private readsAll = false;
  private isScanned = false;
  private ingest: Ingest | undefined;
  private queue: ReadQueue | undefined;
  private snapshotBytes = 0;
  private streamed = { read: 0, new: 0 };
  private there: StillThere | undefined;
  /** Not used yet. */
  private expected: ExpectedScan | undefined;

  constructor(repository: Repository, options: BackupOptions, expected: ExpectedScan | undefined) {
    this.expected = expected;
    this.repository = repository;
    this.context = repository.context;
    this.options = options;
    this.catalog = repository.catalog;
    this.source = ownSource(this.catalog, this.context);
  }

  async run(): Promise<BackupResult> {
    const { options, repository } = this;
    requireMayWrite(repository, repository.reconciled, this.source);
    const isShared = repository.storeConfig.mode === 'shared';
    if (isShared && !options.dryRun) await this.finishLeft();
    const isFirst = this.catalog.runsCompleted === 0;
    let done = await this.attempt(false);
    // What it relied on was pruned while it ran: what is lacking is read from the disk.
    if (done === undefined && options.stdin === undefined) done = await this.attempt(true);
    if (done === undefined)
      throw new UserError(
        ExitCode.failed,
        `another machine pruned what this backup needs while it ran, ${repository.store.url}; nothing was lost: run it again`,
      );
    const { result, previous, plan, unread } = done;
    if (!options.hardRemove || result.snapshot === null) return result;
    const completed = { snapshot: result.snapshot, previous, plan: plan.scan, unread, isFirst };
    const removed = await hardRemove(repository, completed);
    if (removed === undefined) return result;
    await renewTotals(this.catalog, repository.store);
    return { ...result, store_size: storeTotals(this.catalog).bytes, hard_remove: removed };
  }

  /** Completes what killed runs of this catalog left pending, or drops it where that cannot be. */
  private async finishLeft(): Promise<void> {
    const { repository, catalog } = this;
    const shop = workshopOf(repository);
    for (const snapshot of await leftPending(shop, this.source)) {
      if (!(await settleShared(shop, [snapshot], 'found'))) await dropPending(shop, [snapshot.name]);
      else {
        clearOwnPending(catalog, [snapshot.name]);
        repository.reconciled = await reconcile(repository, { rollback: 'stop' });
      }
      repository.packsChanged();
    }
    for (const row of catalog.snapshots.all(this.source))
      if (row.state === 'pending' && !ownPending(catalog).includes(row.name))
        this.context.report.note(
          `snapshot ${row.name.slice(0, 8)} was never completed: unless another machine is just making it, 'backup-ninja forget ${row.name.slice(0, 8)}' drops it`,
        );
  }

  /**
   * One run, from the scan to the snapshot.
   * @param strict nothing is relied on that lies in doomed packs
   * @returns undefined when what it relied on has gone meanwhile: nothing of it counts
   */
  private async attempt(
    strict: boolean,
  ): Promise<
    { result: BackupResult; previous: SnapshotRow | undefined; plan: RootPlan; unread: UnreadKeys } | undefined
  > {
    const lineage = lineageToContinue(this.catalog, this.source);
    const mode = this.options.mode ?? this.dueMode(lineage);
    this.isScanned = false;
    this.readsAll = mode === 'full' && this.options.stdin === undefined;
    const plan = await this.plan(lineage);
    const stage = this.options.dryRun ? undefined : this.catalog.runs.begin(lineage.id);
    try {
      const { run, listing } = await this.build(lineage, mode, plan, stage, strict);
      const snapshot = stage === undefined ? null : await this.commit(lineage, mode, plan, stage, run.counts, listing);
      if (snapshot === undefined) return undefined;
      return { result: this.result(snapshot, mode, run.counts), previous: lineage.head, plan, unread: run.unread };
    } catch (error) {
      stage?.discard();
      throw error;
    } finally {
      this.there?.close();
      await this.ingest?.close();
      this.there = undefined;
      this.ingest = undefined;
      this.queue = undefined;
      this.context.report.done();
    }
  }

  /** Soft while the last full run over all roots is young enough, and there is something to compare with. */
  private dueMode(lineage: Lineage): 'soft' | 'full' {
    if (lineage.head === undefined) return 'full';
    const { catalog, source, started, context } = this;
    return hadFullRun(catalog, source, lineage, context.config.fullEvery, started) ? 'soft' : 'full';
  }

  private async plan(lineage: Lineage): Promise<RootPlan> {
    const { context, options } = this;
    const previous = lineage.head === undefined ? undefined : snapshotBody(lineage.head)?.roots;
    this.requireRoots(previous?.some(({ adHoc }) => !adHoc) === true);
    return planRoots({
      ...planOptions(context, options),
      previousRoots: previous?.map(({ path, adHoc }) => ({ path, adHoc })) ?? [],
      hasEntries: (key) => this.hasEntries(lineage, key),
      isUnknown: (key) => this.isUnknown(lineage, key),
      confirm: (question) => context.confirm(question),
    });
  }

  /** @param retires whether there are roots that the config no longer names */
  private requireRoots(retires: boolean): void {
    const { roots, filesFrom = [], stdin } = this.options;
    if (roots.length + filesFrom.length > 0 || stdin !== undefined) return;
    const { config, configFile } = this.context;
    if (this.options.filesFrom !== undefined)
      throw new UserError(ExitCode.usage, 'nothing to save, --files-from names no path; give it some');
    if (config.backupRoots.length === 0 && !retires)
      throw new UserError(
        ExitCode.usage,
        `nothing to save, ${configFile} names no roots; add them to its backup_roots, or give some as arguments`,
      );
  }

  /** Whether the active state has anything below a directory. */
  private hasEntries(lineage: Lineage, key: string): boolean {
    if (lineage.head === undefined) return false;
    for (const _ of this.catalog.query.entriesAt(lineage.head, key, { recursive: false })) return true;
    return false;
  }

  /**
   * Whether earlier snapshots, which this catalog knows by their headers only, may have something of a root that the active
   * state lacks: so it is until a run has seen the root.
   */
  private isUnknown({ id, head, parent }: Lineage, key: string): boolean {
    if (head === undefined) return parent !== undefined;
    const wasRoot = snapshotBody(head)?.roots.some(({ path }) => path === pathOf(key)) === true;
    if (!wasRoot || this.catalog.query.entryAt(head, key) !== undefined) return false;
    return takenIn(this.catalog, this.source).some((row) => row.source === id && !row.applied);
  }

  /** Scans, compares, has files read, and builds the listing. */
  private async build(
    lineage: Lineage,
    mode: 'soft' | 'full',
    plan: RootPlan,
    stage: Stage | undefined,
    strict: boolean,
  ): Promise<{ run: BackupRun; listing: ListingRoot }> {
    const { repository, catalog, context } = this;
    const active = lineage.head === undefined ? undefined : lineage.id;
    this.there = await stillThere(repository, active, strict);
    const { there } = this;
    const builder = new ListingBuilder(new ListingCutter(repository.keyring.shared.listingCut), stage, {
      put: (kind, bytes) => (this.options.dryRun ? new Uint8Array(24) : this.ingestNow().put(kind, bytes)),
      has: there?.has,
    });
    const { dryRun } = this.options;
    const { ignoreCtime, ignoreInode } = context.config;
    const unsettled = new Set(active === undefined ? [] : catalog.active.unsettled(active));
    const isWhole = there?.isWhole;
    const trustsInodes = mode === 'soft' && !ignoreCtime && !ignoreInode;
    const run = new BackupRun({
      rules: {
        mode,
        dryRun,
        ignoreCtime,
        ignoreInode,
        unsettled,
        isCovered: (key) => plan.covers(key),
        isAbove: (key) => plan.isAbove(key),
        isWhole,
      },
      moved:
        active !== undefined && trustsInodes && !dryRun
          ? new MovedFiles(catalog.active, active, { unsettled, isWhole })
          : undefined,
      cursor: new ActiveCursor(catalog, active),
      builder,
      stage,
      keyring: repository.keyring,
      queue: () => this.queueNow(),
    });
    for (const { path, message } of plan.problems) run.counts.errors.push({ path, message });
    context.report.start('backup');
    const expected = this.expectation(lineage, plan);
    const progress = new Progress(context.report, () => progressOf(this.figures(run), expected));
    try {
      await this.scanInto(run, plan, lineage);
    } finally {
      progress.finish();
    }
    if (lineage.parent === undefined && plan.scan.rootsRead === 0 && plan.scan.roots.length > 0)
      throw new UserError(
        ExitCode.failed,
        `no root could be read, ${plan.scan.roots.map(({ key }) => toDisplay(pathOf(key))).join(', ')}; check backup_roots in ${context.configFile}`,
      );
    const before =
      lineage.head?.listing === undefined
        ? undefined
        : { root: lineage.head.listing, rows: catalog.active.list(lineage.id) };
    return { run, listing: builder.finish(before) };
  }

  private async scanInto(run: BackupRun, plan: RootPlan, lineage: Lineage): Promise<void> {
    const { report, signal } = this.context;
    let turned = performance.now();
    let steps = 0;
    for await (const items of await this.scanned(plan, lineage)) {
      while (!items.done) {
        const unchanged = items instanceof ScanRows ? run.takeUnchanged(items) : 0;
        if (unchanged === 0) {
          const item = items.next();
          if (item.kind === 'stdin') await this.readStdin(run, item.key);
          else run.take(item);
        }
        if ((++steps & 63) !== 0) continue;
        while (this.queue !== undefined && (this.queue.full || run.congested)) {
          await this.queue.room();
          run.flush();
        }
        if (performance.now() - turned > TURN_EVERY) {
          run.flush();
          await new Promise((resolve) => setImmediate(resolve));
          signal.throwIfAborted();
          turned = performance.now();
        }
      }
    }
    this.isScanned = true;
    await run.finish(async () => this.queue?.drain());
    signal.throwIfAborted();
    for (const { path, reason } of run.counts.skipped) report.note(`${toDisplay(pathOf(path))}: ${reason}`);
  }

  /** What the run before lets this one expect. */
  private expectation(lineage: Lineage, plan: RootPlan): Expectation | undefined {
    const before = lineage.head && snapshotBody(lineage.head)?.counts;
    const readsAgain = this.readsAll && !plan.partial && !this.options.dryRun;
    return before && { files: before.files, bytes: readsAgain ? before.bytes : undefined };
  }

  private figures(run: BackupRun): RunFigures {
    const { queue, ingest, isScanned } = this;
    return {
      files: run.counts.activeFiles,
      filesToCome: queue?.outstanding ?? 0,
      bytesRead: ingest?.bytesRead ?? 0,
      bytesToRead: queue?.bytesAdded ?? 0,
      isScanned,
    };
  }

  /** What is on disk. A thread of its own pays where there is much to compare it with, or where it is there already. */
  private async scanned(plan: RootPlan, lineage: Lineage): Promise<AsyncIterable<ScanItems> | Iterable<ScanItems>> {
    const counts = lineage.head && snapshotBody(lineage.head)?.counts;
    const entries = counts === undefined ? 0 : counts.files + counts.dirs;
    const { expected } = this;
    this.expected = undefined;
    if (expected === undefined && entries < SCANNED_APART) return inBatches(scan(plan.scan));
    const thread = (await expected?.threadFor(plan.scan, this.catalog, lineage)) ?? new ScanThread();
    if (thread.begunAt !== undefined) this.started = now(thread.begunAt);
    return thread.scan(plan.scan);
  }

  /** Saves standard input as a file of this moment. */
  private async readStdin(run: BackupRun, key: string): Promise<void> {
    const { stdin, dryRun } = this.options;
    if (stdin === undefined) throw new Error('no standard input to read');
    if (dryRun) return;
    const { content, size, bytesNew } = await this.ingestNow().stream(stdin.stream);
    this.streamed = { read: this.streamed.read + size, new: this.streamed.new + bytesNew };
    const { sec, nsec } = splitNs(this.started);
    run.takeStream(key, {
      key,
      type: EntryType.file,
      mode: 0o600,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      size,
      mtimeSec: sec,
      mtimeNsec: nsec,
      ctimeSec: sec,
      ctimeNsec: nsec,
      ino: 0,
      ...content,
    });
  }

  private async commit(
    lineage: Lineage,
    mode: 'soft' | 'full',
    plan: RootPlan,
    stage: Stage,
    counts: RunCounts,
    listing: ListingRoot,
  ): Promise<string | undefined> {
    const { keyring, store } = this.repository;
    await this.ingest?.finish(() => stage.flush());
    const { header, body } = this.describe(lineage, mode, plan, counts, listing);
    const snapshot = sealSnapshot(keyring, header, body);
    const input = snapshotInput(snapshot.name, header, body, keyring.signer());
    if (header.pending) noteOwnPending(this.catalog, [snapshot.name]);
    stage.seal(input);
    await store.put(objectPath('snapshots', snapshot.name), snapshot.bytes);
    if (header.pending && !(await this.settle(input, stage))) return undefined;
    stage.complete();
    if (keyring.isFull) noteReceipts(this.catalog, this.repository.reconciled.trust, snapshot.name);
    this.catalog.active.noteTested(lineage.id);
    keepCopy(this.catalog, 'snapshots', snapshot.name, snapshot.bytes);
    if (header.pending) clearOwnPending(this.catalog, [snapshot.name]);
    this.catalog.setMeta(OWN_SOURCE, this.source);
    if (mode === 'full' && !plan.partial) noteFullRun(this.catalog, lineage, snapshot.name, header.time);
    this.snapshotBytes = snapshot.bytes.length;
    // Settling has put records, and may have copied packs.
    if (header.pending) await renewTotals(this.catalog, store);
    else noteAdded(this.catalog, { objects: 1, bytes: snapshot.bytes.length });
    return snapshot.name;
  }

  /** Makes sure that a pending snapshot is whole, or takes it back. */
  private async settle(snapshot: SnapshotInput, stage: Stage): Promise<boolean> {
    const shop = workshopOf(this.repository);
    const isWhole = await settleShared(shop, [snapshot], 'put');
    this.repository.packsChanged();
    if (isWhole) return true;
    stage.discard();
    await dropPending(shop, [snapshot.name]);
    return false;
  }

  private describe(
    lineage: Lineage,
    mode: 'soft' | 'full',
    plan: RootPlan,
    counts: RunCounts,
    listing: ListingRoot,
  ): { header: SnapshotHeader; body: SnapshotBody } {
    const { parent, head } = lineage;
    // What a run does not look at is as the runs before have left it.
    const before = plan.partial && head !== undefined ? snapshotBody(head)?.excludes : undefined;
    const excludes = [...new Set([...(before ?? []), ...this.options.exclude])];
    return {
      header: {
        source: this.source,
        sequence: (parent?.seq ?? 0) + 1,
        parent: parent?.name ?? null,
        replaces: [],
        catalogId: this.catalog.id,
        started: this.started,
        time: this.started,
        mode,
        kind: 'taken',
        pending: this.repository.storeConfig.mode === 'shared',
        listing,
      },
      body: {
        host: hostname(),
        user: ownUserName(),
        roots: plan.roots,
        tags: this.options.tags,
        counts: { files: counts.activeFiles, dirs: counts.dirs, bytes: counts.activeBytes },
        program: programName,
        ...(excludes.length > 0 && { excludes }),
        ...(plan.partial && { partial: true }),
      },
    };
  }

  private result(snapshot: string | null, mode: 'soft' | 'full', counts: RunCounts): BackupResult {
    for (const { path, message } of counts.errors) this.context.report.warn(`${toDisplay(pathOf(path))}: ${message}`);
    if (counts.errors.length > 0) this.context.attention(`${counts.errors.length} path(s) need attention`);
    return {
      snapshot,
      source: this.source,
      mode,
      started: rfc3339(this.started),
      finished: rfc3339(now()),
      files: counts.files,
      dirs: counts.dirs,
      bytes: {
        scanned: counts.bytesScanned,
        read: (this.queue?.bytesRead ?? 0) + this.streamed.read,
        new: (this.queue?.bytesNew ?? 0) + this.streamed.new,
        stored: (this.ingest?.storedBytes ?? 0) + this.snapshotBytes,
      },
      store_size: storeTotals(this.catalog).bytes,
      errors: counts.errors.map(({ path, message }) => ({ ...jsonPath(pathOf(path)), message })),
      silent_changes: counts.silentChanges.map((path) => pathItem(pathOf(path))),
    };
  }

  private ingestNow(): Ingest {
    this.ingest ??= new Ingest(this.repository, { much: this.readsAll });
    return this.ingest;
  }

  private queueNow(): ReadQueue {
    this.queue ??= new ReadQueue(this.ingestNow());
    return this.queue;
  }
}

/** Items a few at a time: each step of an asynchronous loop has its price. */
function* inBatches(items: Iterable<ScanItem>): Generator<ScanItems, void, undefined> {
  let batch: ScanItem[] = [];
  for (const item of items) {
    if (batch.push(item) < SCANNED_AT_ONCE) continue;
    yield new ListedItems(batch);
    batch = [];
  }
  yield new ListedItems(batch);
}

/**
 * Nanoseconds since 1970. The clock gives milliseconds; the rest comes from the steady timer, so that times differ.
 * @param at what the steady timer shows, milliseconds
 */
function now(at = performance.now()): bigint {
  return BigInt(Math.round((performance.timeOrigin + at) * 1000)) * 1000n;
}
