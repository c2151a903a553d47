import type { BlobKind } from '../../crypto/keyring.js';
import { sealCert } from '../../format/cert.js';
import { sealRecord } from '../../format/record.js';
import { objectPath } from '../../store/index.js';
import { currentTime } from '../forgetting/drop.js';
import { indexPacks } from '../forgetting/indexes.js';
import { adoptStrangePacks } from '../forgetting/strange-packs.js';
import { workshopOf } from '../forgetting/workshop.js';
import { applyAgain } from '../reconcile.js';
import { timeOfNewRecord } from '../record-time.js';
import type { Repository } from '../repository.js';
import type { CheckProblem, CheckResult } from '../types.js';
import { PackVerifier } from '../verify/verify-pack.js';
import type { ThreadPool } from '../worker-pool.js';
import { examine } from './examine.js';
import { type Findings, problem } from './findings.js';
import { mendPlain, mendSmall } from './mend-small.js';
import { rewriteListings } from './rewrite-listings.js';
import { Salvage } from './salvage.js';
import { certificateOf } from './small.js';

/** Said of an object that is beyond help. */
const SET_ASIDE = 'it is set aside, so that the store goes on without it';

/**
 * Finds what is wrong with a store and mends what can be mended; tells what was and what is left.
 *
 * Nothing readable is given up, and whatever takes the place of something is durable before: a damaged pack is set aside,
 * by a record, once all of it that can be read lies in new packs. Objects set aside are deleted by the next prune. Doing it
 * again finds nothing new.
 */
export async function repair(repository: Repository, readData: number, threads?: ThreadPool): Promise<CheckResult> {
  return new Repair(repository).run(readData, threads);
}

class Repair {
  private readonly repository: Repository;
  /** What was done about an object, by its path. */
  private readonly done = new Map<string, string>();
  /** What was mended before anything was looked for. */
  private readonly mended: CheckProblem[] = [];
  /** Objects that nothing could bring back. */
  private readonly hopeless = new Set<string>();

  constructor(repository: Repository) {
    this.repository = repository;
  }

  async run(readData: number, threads: ThreadPool | undefined): Promise<CheckResult> {
    const { repository } = this;
    await this.certify();
    const healed = await this.returnedPacks();
    await this.record([], [], healed);
    if (healed.length > 0) await repository.refresh();
    const adopted = await adoptStrangePacks(workshopOf(repository));
    const found = await examine(repository, readData, threads);
    await this.mendObjects(found);
    await this.nameInIndex(found);
    await this.replacePacks(found);
    const written = await rewriteListings(repository, found.cutListings);
    if (found.packs.size > 0 || written > 0) await repository.refresh();
    let left = await examine(repository, 0);
    const applied = await applyAgain(repository, left.cutListings);
    if (written > 0 || applied > 0) {
      await repository.refresh();
      left = await examine(repository, 0);
    }
    await this.mark(left);
    this.forgetUnneeded(adopted, found);
    return this.result(found, left);
  }

  /** Certifies the own key anew, if its certificate is lost: whoever has a full key may. First, for without it nothing counts. */
  private async certify(): Promise<void> {
    const { keyring, reconciled, store } = this.repository;
    const signer = keyring.signer();
    if (!reconciled.uncertified.has(signer)) return;
    const cert = sealCert(keyring, { signer, role: 'full', sources: '*', created: currentTime() });
    await store.put(objectPath('certs', cert.name), cert.bytes);
    await this.repository.refresh();
    const lost = 'the certificate of this key was not in the store, and what it signed counted for nothing';
    this.mended.push(problem('missing', certificateOf(signer), `${lost}; the key is certified anew`));
  }

  /** Paths of packs that were set aside and are whole now: somebody has put them back from a copy. */
  private async returnedPacks(): Promise<string[]> {
    const { catalog, keyring, reconciled, store } = this.repository;
    const verifier = new PackVerifier(store, keyring);
    const whole: string[] = [];
    for (const { name } of reconciled.packs) {
      const path = objectPath('packs', name);
      const row = reconciled.marks.objects.has(path) ? catalog.packs.byName(name) : undefined;
      const directory = row && catalog.packs.directory(row.number);
      if (row === undefined || directory === undefined) continue;
      const { problems, lostIds } = await verifier.verify({ name, kind: row.kind, directory });
      if (problems.length === 0 && lostIds.length === 0) whole.push(path);
    }
    return whole;
  }

  /** Puts small objects back, and sets those aside that cannot be. */
  private async mendObjects(found: Findings): Promise<void> {
    const { repository } = this;
    for (const file of await mendPlain(repository, found)) {
      this.done.set(file, 'put back');
      if (file === 'config.json') repository.configDamage = undefined;
    }
    if (found.objects.length === 0) return;
    const { restored, hopeless } = await mendSmall(repository, found);
    for (const path of restored) this.done.set(path, 'put back as it was');
    const { lostSlot } = repository;
    if (lostSlot !== undefined && restored.has(objectPath('keys', lostSlot))) repository.lostSlot = undefined;
    for (const path of hopeless) {
      this.done.set(path, SET_ASIDE);
      // Of an index and a tombstone nothing is lost: packs tell what they hold, and prune whom it dooms.
      const isNoLoss = path.startsWith('index/') || path.startsWith('tombstones/');
      if (!isNoLoss && found.problems.some(({ kind, object }) => object === path && kind !== 'foreign'))
        this.hopeless.add(path);
    }
    const indexes = found.objects.filter(({ folder, name }) => hopeless.has(objectPath(folder, name)));
    repository.catalog.objects.remove(
      'index',
      indexes.filter(({ folder }) => folder === 'index').map(({ name }) => name),
    );
    await this.record([...hopeless], [], []);
    if (restored.size > 0 || hopeless.size > 0) await repository.refresh();
  }

  /** Names in a new index the packs that are needed and in none. */
  private async nameInIndex(found: Findings): Promise<void> {
    const { repository } = this;
    if (found.unindexed.size === 0) return;
    // Those that have been read and found right may be relied on from now on.
    const rows = [...found.unindexed].map((name) => repository.catalog.packs.byName(name)!);
    repository.catalog.packs.markOpened(rows.filter((row) => row.verified !== undefined).map(({ number }) => number));
    await indexPacks(
      workshopOf(repository),
      rows.filter(({ name }) => !found.packs.has(name)).map(({ name }) => name),
    );
    for (const { name } of rows) this.done.set(objectPath('packs', name), 'named in a new index');
  }

  /** Puts what can be read of damaged packs into new ones, and then sets them aside. */
  private async replacePacks(found: Findings): Promise<void> {
    const { repository } = this;
    const listed = new Set(repository.reconciled.packs.map(({ name }) => name));
    const damaged = [...found.packs.keys()].filter((name) => listed.has(name));
    if (damaged.length === 0) return;
    const salvage = new Salvage(workshopOf(repository));
    repository.context.report.start('copying what can be read', { files: damaged.length });
    try {
      for (const [i, name] of damaged.entries()) {
        const blobs = await salvage.take(name);
        this.done.set(objectPath('packs', name), `${blobs} blob(s) copied to new packs, then ${SET_ASIDE}`);
        repository.context.report.progress({ files: i + 1 });
      }
      await salvage.finish();
    } catch (error) {
      await salvage.abandon();
      throw error;
    }
    await this.record(
      damaged.map((name) => objectPath('packs', name)),
      [],
      [],
    );
    await repository.refresh();
  }

  /** Marks the snapshots that are not whole, and takes the mark from those that are again. */
  private async mark(left: Findings): Promise<void> {
    const { catalog, reconciled } = this.repository;
    const { marks } = reconciled;
    const bad = new Set(left.objects.map(({ folder, name }) => objectPath(folder, name)));
    const hurt = new Set([...left.hurt].map((name) => objectPath('snapshots', name)));
    const healed = catalog.snapshots
      .all()
      .map(({ name }) => objectPath('snapshots', name))
      .filter((path) => marks.objects.has(path) && !hurt.has(path) && !bad.has(path));
    const blobs = [...left.lost].filter(([key]) => !marks.blobs.has(key)).map(([, { id, kind }]) => ({ id, kind }));
    const objects = [...hurt].filter((path) => !marks.objects.has(path));
    await this.record(objects, blobs, healed);
    if (objects.length > 0 || healed.length > 0) await this.repository.refresh();
  }

  /** Puts records of what is damaged and what is so no longer, where that is news. */
  private async record(
    objects: readonly string[],
    blobs: { kind: BlobKind; id: Uint8Array }[],
    healed: readonly string[],
  ): Promise<void> {
    const { keyring, reconciled, store } = this.repository;
    const fresh = objects.filter((path) => !reconciled.marks.objects.has(path));
    const time = timeOfNewRecord(reconciled, ({ type }) => type === 'damaged' || type === 'healed');
    const records = [
      ...(fresh.length > 0 || blobs.length > 0
        ? [sealRecord(keyring, { type: 'damaged', time, objects: fresh, blobs })]
        : []),
      ...(healed.length > 0 ? [sealRecord(keyring, { type: 'healed', time, objects: [...healed] })] : []),
    ];
    for (const { name, bytes } of records) await store.put(objectPath('records', name), bytes);
  }

  /** Where others write, nothing is to be known of packs that a run is just writing. */
  private forgetUnneeded(adopted: readonly string[], found: Findings): void {
    if (this.repository.storeConfig.mode === 'exclusive') return;
    this.repository.catalog.packs.remove(adopted.filter((name) => !found.unindexed.has(name)));
  }

  private result(found: Findings, left: Findings): CheckResult {
    const problems = [...left.problems];
    for (const problem of found.problems)
      if (this.hopeless.has(problem.object) && !problems.some(({ object }) => object === problem.object))
        problems.push({ ...problem, message: `${problem.message}; ${SET_ASIDE}` });
    for (const problem of problems) if (problem.paths.length > 0) problem.message += HEALS;
    const open = new Set(problems.map(({ object }) => object));
    const repaired = found.problems
      .filter(({ object }) => !open.has(object))
      .map((problem) => ({ ...problem, message: `${problem.message}; ${this.actionFor(problem)}` }));
    const { packs, blobs } = this.repository.catalog.packs.totals();
    return {
      ok: problems.length === 0,
      packs,
      blobs,
      read: found.read,
      problems,
      repaired: [...this.mended, ...repaired],
    };
  }

  private actionFor({ object }: CheckProblem): string {
    return this.done.get(object) ?? 'what it held and is needed was written anew';
  }
}

/** Said of content that is lost here, but perhaps not on the disk. */
const HEALS = "; the next 'backup-ninja backup' stores anew what the disk still has of it";
