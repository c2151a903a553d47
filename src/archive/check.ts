import { createHash } from 'node:crypto';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { holeLength } from '../format/chunk-list.js';
import { ID_LENGTH } from '../format/entry.js';
import { decodeDirectory } from '../format/pack.js';
import { type PathItem, pathItem } from '../report/json-path.js';
import { FOLDERS, objectPath, openStore } from '../store/index.js';
import { chunkIds } from './contents.js';
import type { Context } from './context.js';
import { workerCount } from './ingest/pool.js';
import { listingIds } from './listing-reader.js';
import { pathOf } from './past.js';
import { openRepository, type Repository } from './repository.js';
import type { CheckOptions, CheckProblem, CheckResult } from './types.js';
import type { PackVerifyTask, VerifySetup } from './verify/start.js';
import type { PackToVerify, PackVerdict } from './verify/verify-pack.js';
import { startThreads } from './worker-pool.js';

/** Packs are handed to a verify worker in tasks of so many. */
const PACKS_PER_TASK = 2;

/** At most so many paths are named. */
const MOST_PATHS = 10_000;

/** Whether store and catalog agree and everything needed is there; with `readData`, whether every byte is as promised. */
export async function check(context: Context, options: CheckOptions): Promise<CheckResult> {
  if (options.repair)
    throw new UserError(
      ExitCode.usage,
      `'check --repair' is not part of this version; run 'backup-ninja backup', which stores anew what is lost while the disk has it`,
    );
  if (options.objects) return checkObjects(context);
  const repository = await openRepository(context, { command: 'check', lock: 'shared', catalog: 'read' });
  try {
    return await new Check(repository, options).run();
  } finally {
    context.report.done();
    await repository.close();
  }
}

/** Without a key: every object must have the checksum that its name tells. */
async function checkObjects(context: Context): Promise<CheckResult> {
  const { config, report } = context;
  const store = await openStore(config.store.url, { tableDir: config.tableDir, command: 'check' });
  const result: CheckResult = { ok: true, packs: 0, blobs: 0, read: 0, problems: [] };
  try {
    report.start('check');
    for (const folder of FOLDERS) {
      for (const { name } of await store.list(folder)) {
        context.signal.throwIfAborted();
        const path = objectPath(folder, name);
        const bytes = await store.read(path);
        result.read += bytes.length;
        if (folder === 'packs') result.packs++;
        if (createHash('sha256').update(bytes).digest('hex') !== name)
          result.problems.push(problem('damaged', path, 'its bytes do not have the checksum that its name tells'));
        report.progress({ files: result.packs, bytes: result.read });
      }
    }
  } finally {
    report.done();
    await store.close();
  }
  result.ok = result.problems.length === 0;
  return result;
}

function problem(kind: string, object: string, message: string): CheckProblem {
  return { kind, object, paths: [], message };
}

class Check {
  private readonly repository: Repository;
  private readonly options: CheckOptions;
  private readonly problems: CheckProblem[] = [];
  /** Hex ids of blobs that are needed and cannot be had, with the problem that says so. */
  private readonly lost = new Map<string, CheckProblem>();
  /** Hex ids of blobs of packs that are gone, with the problem that says so. */
  private readonly gone = new Map<string, CheckProblem>();
  private read = 0;

  constructor(repository: Repository, options: CheckOptions) {
    this.repository = repository;
    this.options = options;
  }

  async run(): Promise<CheckResult> {
    const { catalog, reconciled, context } = this.repository;
    context.report.start('check');
    for (const { path, message } of reconciled.unreadable) this.problems.push(problem('damaged', path, message));
    this.noteLostPacks();
    await this.checkNeeds();
    if (this.options.readData > 0) await this.readPacks();
    if (this.lost.size > 0) await this.nameVictims();
    const totals = catalog.packs.totals();
    return {
      ok: this.problems.length === 0,
      packs: totals.packs,
      blobs: totals.blobs,
      read: this.read,
      problems: this.problems,
    };
  }

  /** A pack that is gone is a problem if something in it is needed and was not stored again since. */
  private noteLostPacks(): void {
    const { catalog, reconciled } = this.repository;
    for (const { name, what } of reconciled.lostPacks) {
      const row = catalog.packs.byName(name);
      const directory = row === undefined ? undefined : catalog.packs.directory(row.number);
      if (directory === undefined) continue;
      const message = what === 'missing' ? 'is not in the store' : 'has another size than it should';
      const culprit = problem(what, objectPath('packs', name), message);
      const { ids } = decodeDirectory(directory);
      for (let at = 0; at < ids.length; at += ID_LENGTH) this.gone.set(hex(ids.subarray(at, at + ID_LENGTH)), culprit);
    }
  }

  /** Whatever a snapshot needs must lie in a pack that is there. */
  private async checkNeeds(): Promise<void> {
    const { catalog, context } = this.repository;
    const reader = this.repository.reader();
    const seen = new Set<string>();
    for (const snapshot of catalog.snapshots.all()) {
      if (snapshot.listing === undefined || snapshot.state === 'foreign') continue;
      context.signal.throwIfAborted();
      try {
        for await (const id of listingIds(snapshot.listing, reader, seen)) this.need(id, 0);
      } catch (error) {
        if (!(error instanceof FormatError || error instanceof UserError)) throw error;
        this.problems.push(problem('damaged', objectPath('snapshots', snapshot.name), `its listing: ${error.message}`));
      }
    }
    for (const content of catalog.query.contents()) {
      if (content.depth === 0) this.needAll(content.ids);
      else await this.needTree(content);
    }
  }

  private async needTree(content: { depth: number; ids: Uint8Array }): Promise<void> {
    try {
      const { chunks } = await chunkIds(this.repository.reader(), content);
      this.needAll(chunks);
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof UserError)) throw error;
      this.lose(content.ids, problem('missing', hex(content.ids), `a chunk list: ${error.message}`));
    }
  }

  private needAll(ids: Uint8Array): void {
    for (let at = 0; at < ids.length; at += ID_LENGTH) if (holeLength(ids, at) === undefined) this.need(ids, at);
  }

  private need(ids: Uint8Array, at: number): void {
    if (this.repository.blobs().has(ids, at)) return;
    const id = ids.subarray(at, at + ID_LENGTH);
    this.lose(id, problem('missing', hex(id), 'a blob that is needed is in no pack of the store'));
  }

  private lose(id: Uint8Array, what: CheckProblem): void {
    const key = hex(id);
    if (this.lost.has(key)) return;
    const culprit = this.gone.get(key) ?? what;
    this.lost.set(key, culprit);
    if (!this.problems.includes(culprit)) this.problems.push(culprit);
  }

  /** Reads packs whole in worker threads, those not verified for longest first. */
  private async readPacks(): Promise<void> {
    const { catalog, context, config, keyring } = this.repository;
    keyring.requireRead("'check --read-data'");
    const packs = catalog.packs.all().filter((pack) => pack.present);
    packs.sort((a, b) => Number((a.verified ?? 0n) - (b.verified ?? 0n)) || a.number - b.number);
    const chosen = packs.slice(0, Math.ceil(packs.length * this.options.readData));
    const setup: VerifySetup = { storeUrl: config.store.url, tableDir: config.tableDir, keyring: keyring.toData() };
    const workers = workerCount(config.workers);
    const threads = Math.max(1, Math.min(workers, Math.ceil(chosen.length / PACKS_PER_TASK)));
    const pool = startThreads('verify', setup, { threads });
    try {
      const totalBytes = chosen.reduce((sum, pack) => sum + pack.size, 0);
      const underWay = new Set<Promise<void>>();
      let verified = 0;
      for (let i = 0; i < chosen.length; i += PACKS_PER_TASK) {
        context.signal.throwIfAborted();
        const rows = chosen.slice(i, i + PACKS_PER_TASK);
        const task: PackVerifyTask = { packs: rows.map((row) => this.toVerify(row)) };
        const done: Promise<void> = pool.run(task).then((result) => {
          const verdicts = result as PackVerdict[];
          underWay.delete(done);
          for (const verdict of verdicts) this.judge(verdict);
          catalog.packs.markVerified(
            rows.map((row) => row.number),
            BigInt(Date.now()) * 1_000_000n,
          );
          verified += verdicts.length;
          context.report.progress({ files: verified, bytes: this.read, totalFiles: chosen.length, totalBytes });
        });
        underWay.add(done);
        while (underWay.size >= workers * 2) await Promise.race(underWay);
      }
      await Promise.all(underWay);
    } finally {
      await pool.close();
    }
  }

  private toVerify(row: { number: number; name: string; kind: 'data' | 'meta' }): PackToVerify {
    const directory = this.repository.catalog.packs.directory(row.number);
    if (directory === undefined) throw new Error(`pack ${row.name} has no directory in the catalog`);
    return { name: row.name, kind: row.kind, directory };
  }

  private judge(verdict: PackVerdict): void {
    this.read += verdict.bytes;
    const path = objectPath('packs', verdict.name);
    const found = verdict.problems.map(({ kind, message }) => problem(kind, path, message));
    this.problems.push(...found);
    const main = found[0] ?? problem('damaged', path, 'some blobs are not what their ids say');
    if (verdict.lostIds.length > 0 && found.length === 0) this.problems.push(main);
    for (let at = 0; at < verdict.lostIds.length; at += ID_LENGTH)
      this.lose(verdict.lostIds.subarray(at, at + ID_LENGTH), main);
  }

  /** Names the paths that need what is lost, in whatever snapshot. */
  private async nameVictims(): Promise<void> {
    const { catalog } = this.repository;
    const named = new Map<CheckProblem, Set<string>>();
    const sources = new Set(catalog.snapshots.all().map((row) => row.sourceName));
    for (const source of sources)
      for (const { key, versions } of catalog.query.find('*', { source, all: true }))
        for (const { entry } of versions) {
          const culprit = await this.culpritOf(entry);
          if (culprit === undefined) continue;
          const paths = named.get(culprit) ?? new Set();
          named.set(culprit, paths);
          if (paths.size < MOST_PATHS) paths.add(pathOf(key));
        }
    for (const [culprit, paths] of named) culprit.paths = [...paths].map((path): PathItem => pathItem(path));
  }

  private async culpritOf(content: { depth: number; ids: Uint8Array }): Promise<CheckProblem | undefined> {
    if (content.depth === 0) return this.culpritAmong(content.ids);
    const root = this.lost.get(hex(content.ids));
    if (root !== undefined) return root;
    try {
      const { chunks, nodes } = await chunkIds(this.repository.reader(), content);
      return this.culpritAmong(chunks) ?? this.culpritAmong(nodes);
    } catch {
      return undefined;
    }
  }

  private culpritAmong(ids: Uint8Array): CheckProblem | undefined {
    for (let at = 0; at < ids.length; at += ID_LENGTH) {
      const culprit = this.lost.get(hex(ids.subarray(at, at + ID_LENGTH)));
      if (culprit !== undefined) return culprit;
    }
    return undefined;
  }
}

function hex(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex');
}
