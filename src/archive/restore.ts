import { type ByteString, fromDisplay, toDisplay } from '../bytes.js';
import type { SnapshotRow } from '../catalog/index.js';
import type { Config } from '../config/types.js';
import { ExitCode, UserError } from '../errors.js';
import { platformNotes } from '../platform/index.js';
import { jsonPath } from '../report/json-path.js';
import { LeftOut, planRoots } from '../scan/index.js';
import { OwnFiles } from '../scan/own-files.js';
import { storeKind } from '../store/index.js';
import { BlobIndex, indexFile } from './blob-index.js';
import { type Context, notConfirmed } from './context.js';
import { worthStartingEarly } from './early-threads.js';
import { neverSaved } from './never-saved.js';
import { keyOf } from './past.js';
import { snapshotBody } from './reconcile.js';
import { openRepository, type Repository } from './repository.js';
import { deletedEntries, type EntryStream, merged, SnapshotEntries } from './restore/entries.js';
import { Mapping } from './restore/mapping.js';
import { runPass } from './restore/pass.js';
import { type ExtractPool, WorkerPool } from './restore/pool.js';
import { RESTORED_AT_ONCE, workerCount } from './thread-options.js';
import type { PathProblem, RestoreOptions, RestoreResult } from './types.js';

/** What is to be restored, found out before anything is written. */
interface Plan {
  snapshot: SnapshotRow;
  /** Made anew for each pass. */
  entries(): EntryStream;
  ancestor: SnapshotEntries;
  /** With --delete: what backups leave out. */
  leftOut?: LeftOut;
  problems: PathProblem[];
}

/**
 * Brings back what a snapshot has. What matches is left, the time of a file is set last: so a restore that was killed
 * is finished by the next. Damaged data costs the files that need it, each named in the result, and no others.
 */
export async function restore(context: Context, options: RestoreOptions): Promise<RestoreResult> {
  const mapping = new Mapping(options.target, options.map);
  refuseOwnFolders(context, [options.target, ...options.map.map(({ to }) => to)]);
  for (const note of platformNotes()) context.report.warn(note);
  const early = !options.dryRun && worthStartingEarly(context.config);
  const pool = early ? newPool(context.config) : undefined;
  try {
    return await restoreWith(context, options, mapping, pool);
  } finally {
    context.report.done();
    await pool?.close();
  }
}

/** Refuses to restore into the store, or into the catalog's folder. */
function refuseOwnFolders({ config }: Context, places: readonly ByteString[]): void {
  const own = new OwnFiles(neverSaved(config));
  for (const place of places) {
    const holder = own.holderOf(place);
    if (holder === undefined) continue;
    throw new UserError(
      ExitCode.usage,
      `cannot restore to ${toDisplay(place)}: ${toDisplay(holder)} holds the archive itself; choose another target`,
    );
  }
}

/** @param pool if it was started early */
async function restoreWith(
  context: Context,
  options: RestoreOptions,
  mapping: Mapping,
  pool: WorkerPool | undefined,
): Promise<RestoreResult> {
  const repository = await openRepository(context, { command: 'restore', lock: 'shared', catalog: 'read' });
  try {
    repository.keyring.requireRead('restore');
    const plan = await makePlan(repository, options);
    if (options.delete) plan.leftOut = await leftOutOf(context.config, plan.snapshot);
    if (options.delete && !options.dryRun) await confirmRemoval(repository, plan, mapping, options);
    const result = await run(repository, plan, mapping, options, { pool });
    for (const from of mapping.unused())
      context.report.warn(`--map: nothing that is restored lies at ${toDisplay(from)}; check that path`);
    return result;
  } finally {
    await repository.close();
  }
}

async function makePlan(repository: Repository, options: RestoreOptions): Promise<Plan> {
  const { catalog } = repository;
  const source = repository.sourceFor(options);
  if (options.versionId !== undefined) return planVersion(repository, source, options, options.versionId);
  const snapshot = await repository.snapshot(source, options.snapshot);
  const ancestor = new SnapshotEntries(catalog, snapshot, repository.reader());
  const keys: string[] = [];
  const problems: PathProblem[] = [];
  for (const path of options.paths) {
    const key = keyOf(path);
    const isKnown =
      key === '' ||
      !ancestor.isInCatalog ||
      ancestor.at(key) !== undefined ||
      (options.deleted && catalog.query.history(snapshot.source, key).length > 0);
    if (isKnown) keys.push(key);
    else problems.push({ ...jsonPath(path), message: `not in snapshot ${snapshot.name.slice(0, 8)}` });
  }
  if (options.paths.length > 0 && keys.length === 0)
    throw new UserError(
      ExitCode.failed,
      `not in snapshot ${snapshot.name.slice(0, 8)}: ${options.paths.map(toDisplay).join(', ')}; 'backup-ninja history PATH' tells when a path was there`,
    );
  const under = keys.includes('') ? [] : keys;
  const entries = (): EntryStream => {
    const all = ancestor.all(under);
    return options.deleted ? merged(all, deletedEntries(catalog, snapshot, under)) : all;
  };
  return { snapshot, entries, ancestor, problems };
}

async function planVersion(repository: Repository, source: string, options: RestoreOptions, id: string): Promise<Plan> {
  const { catalog } = repository;
  const [path] = options.paths;
  if (path === undefined) throw new UserError(ExitCode.usage, '--version-id needs the path of the version; give one');
  const version = catalog.query.versionById(source, id, keyOf(path));
  if (version === undefined)
    throw new UserError(
      ExitCode.usage,
      `no version ${id} of ${toDisplay(path)}; 'backup-ninja history ${toDisplay(path)}' lists them`,
    );
  const snapshot = await repository.snapshot(source, options.snapshot);
  const ancestor = new SnapshotEntries(catalog, snapshot, repository.reader());
  return { snapshot, entries: () => [version.entry], ancestor, problems: [] };
}

/** What backups by the config leave out of the snapshot's roots, and what the command line left out of it. */
async function leftOutOf(config: Config, snapshot: SnapshotRow): Promise<LeftOut> {
  const body = snapshotBody(snapshot);
  const { scan } = await planRoots({
    config,
    roots: [],
    exclude: body?.excludes ?? [],
    acceptEmpty: [],
    previousRoots: body?.roots ?? [],
    hasEntries: () => false,
    neverSaved: neverSaved(config),
    confirm: async () => false,
  });
  return new LeftOut(scan);
}

/** Finds out what --delete would remove, and asks. */
async function confirmRemoval(
  repository: Repository,
  plan: Plan,
  mapping: Mapping,
  options: RestoreOptions,
): Promise<void> {
  const { context } = repository;
  // What there is to warn of is told by the restore itself.
  const silent: Context = { ...context, report: { ...context.report, warn: () => undefined } };
  const { deleted = [] } = await run(repository, plan, mapping, { ...options, dryRun: true }, { context: silent });
  if (deleted.length === 0) return;
  const first = deleted.slice(0, 3).map((item) => (typeof item === 'string' ? item : item.path));
  const more = deleted.length > first.length ? ', …' : '';
  const question = `remove ${deleted.length} paths that the snapshot does not have (${first.join(', ')}${more})?`;
  if (!(await context.confirm(question))) throw notConfirmed();
}

async function run(
  repository: Repository,
  plan: Plan,
  mapping: Mapping,
  options: RestoreOptions,
  { pool: early, context = repository.context }: { pool?: WorkerPool; context?: Context },
): Promise<RestoreResult> {
  const { config, store, keyring } = repository;
  const isLocal = store.kind === 'local';
  const own = new OwnFiles(
    [...(isLocal ? [config.store.url] : []), repository.tablePlace, config.keyPath, context.configFile].map(
      fromDisplay,
    ),
  );
  // The threads start while the index is loaded.
  const pool = options.dryRun ? NO_POOL : readyPool(repository, options.verify, early);
  let index: BlobIndex;
  try {
    index = repository.blobs();
  } catch (error) {
    await pool.close();
    throw error;
  }
  let notSeen: BlobIndex | undefined;
  try {
    return await runPass(
      {
        context,
        index,
        fallback: () => {
          notSeen ??= BlobIndex.load(repository.catalog, indexFile(config.tableDir), (pack) => !pack.present);
          return notSeen;
        },
        reader: repository.reader(),
        keyring,
        pool,
        mapping,
        entries: plan.entries(),
        ancestor: (key) => plan.ancestor.at(key),
        roots: (snapshotBody(plan.snapshot)?.roots ?? []).map(({ path }) => keyOf(path)),
        named: options.paths.map(keyOf),
        leftOut: plan.leftOut,
        isProtected: (stat) => own.has(stat),
        totals: totalsOf(plan.snapshot, options),
        problems: plan.problems,
      },
      options,
    );
  } finally {
    notSeen?.close();
  }
}

function newPool(config: Config): WorkerPool {
  const { near, far } = RESTORED_AT_ONCE;
  return new WorkerPool(workerCount(config.workers), storeKind(config.store.url) === 'local' ? near : far);
}

function readyPool({ config, keyring }: Repository, verify: boolean, early: WorkerPool | undefined): ExtractPool {
  const pool = early ?? newPool(config);
  pool.setUp({
    storeUrl: config.store.url,
    storeOptions: { tableDir: config.tableDir, command: 'restore', withoutConfig: true },
    keyring: keyring.toData(),
    verify,
  });
  return pool;
}

/** How much is to come, where that is known beforehand. */
function totalsOf(snapshot: SnapshotRow, options: RestoreOptions): { files: number; bytes: number } | undefined {
  const isPart =
    options.paths.length + options.include.length + options.exclude.length > 0 ||
    options.deleted ||
    options.versionId !== undefined;
  const counts = isPart ? undefined : snapshotBody(snapshot)?.counts;
  return counts && { files: counts.files, bytes: counts.bytes };
}

const NO_POOL: ExtractPool = {
  atOnce: 0,
  run: () => Promise.reject(new Error('a dry run writes nothing')),
  close: () => Promise.resolve(),
};
