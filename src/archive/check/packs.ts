import type { FormatError } from '../../errors.js';
import { decodeDirectory } from '../../format/pack.js';
import { objectPath } from '../../store/index.js';
import { packsOfIndex } from '../index-notes.js';
import { readPackDirectory } from '../pack-directory.js';
import type { Repository } from '../repository.js';
import { isDamage } from '../small-objects.js';
import type { CheckProblem } from '../types.js';
import type { VerifySetup } from '../verify/start.js';
import { startVerifyThreads } from '../verify/threads.js';
import { type PackToVerify, type PackVerdict, PackVerifier } from '../verify/verify-pack.js';
import type { ThreadPool } from '../worker-pool.js';
import { blobKey, eachId, type Findings, problem } from './findings.js';

/** Said of a pack that is needed and that no index names. */
export const UNNAMED = 'no index names it, so without a catalog nothing in it is found: an index was lost';

/** Up to so many bytes of packs are read by the main thread alone, in less time than another takes to start. */
const ALONE = 16 * 1024 * 1024;

/** A pack as far as choosing what to read next goes. */
interface Verifiable {
  number: number;
  verified?: bigint;
}

/** The share of some packs that was not verified for longest; never verified ones come first. */
export function longestUnverified<P extends Verifiable>(packs: readonly P[], share: number): P[] {
  return packs
    .toSorted((a, b) => Number((a.verified ?? 0n) - (b.verified ?? 0n)) || a.number - b.number)
    .slice(0, Math.ceil(packs.length * share));
}

/** What is known to be wrong with the packs of a store, and so which blobs cannot be read where. */
export class PackState {
  /** Packs that are in the store whole, and that no index names. */
  readonly unindexed = new Set<string>();
  private readonly repository: Repository;
  private readonly findings: Findings;
  /** Blobs of packs that are gone or set aside, by `blobKey`. */
  private readonly gone = new Map<string, CheckProblem>();
  /** Names of the packs in which a blob is damaged, by `blobKey`. */
  private readonly bad = new Map<string, Set<string>>();
  /** Packs that no index names and the catalog does not know, with their ids. */
  private readonly strange: { name: string; ids: Uint8Array }[] = [];

  constructor(repository: Repository, findings: Findings) {
    this.repository = repository;
    this.findings = findings;
  }

  /** Whether some blob is known to be damaged in some pack. */
  get hasBad(): boolean {
    return this.bad.size > 0;
  }

  /** The packs in which a blob is known to be damaged. */
  badIn(ids: Uint8Array, at: number): ReadonlySet<string> | undefined {
    return this.bad.get(blobKey(ids, at));
  }

  /** What became of the pack that held a blob which is in none now. */
  causeOf(id: Uint8Array): CheckProblem | undefined {
    // Only now, as they may be many and mostly nobody asks.
    for (const { name, ids } of this.strange.splice(0)) {
      const told = problem('index', objectPath('packs', name), UNNAMED);
      for (const each of eachId(ids)) this.gone.set(blobKey(each), told);
    }
    return this.gone.get(blobKey(id));
  }

  /** Notes a pack that is damaged; `ids` are blobs that cannot be read in it. */
  damaged(name: string, told: CheckProblem, ids: Uint8Array): void {
    if (!this.findings.packs.has(name)) this.findings.packs.set(name, { name, problem: told });
    for (const id of eachId(ids)) {
      const key = blobKey(id);
      const packs = this.bad.get(key);
      if (packs === undefined) this.bad.set(key, new Set([name]));
      else packs.add(name);
    }
  }

  /** Compares the store's packs with what the catalog and the indexes say of them. */
  async look(): Promise<void> {
    const { catalog, reconciled, store } = this.repository;
    for (const { name, what } of reconciled.lostPacks) {
      const row = catalog.packs.byName(name);
      const directory = row && catalog.packs.directory(row.number);
      if (directory === undefined) continue;
      const messages = {
        missing: 'is not in the store',
        size: 'has another size than it should',
        'set aside': 'was damaged, and set aside: some of what it held is lost',
      };
      const told = problem(what === 'set aside' ? 'damaged' : what, objectPath('packs', name), messages[what]);
      for (const id of eachId(decodeDirectory(directory).ids)) this.gone.set(blobKey(id), told);
      if (what === 'size') this.findings.packs.set(name, { name, problem: told });
    }
    const damagedIndexes = new Set(
      this.findings.objects.filter(({ folder }) => folder === 'index').map(({ name }) => name),
    );
    const indexed = new Set<string>();
    for (const { name, body } of catalog.objects.all('index'))
      if (!damagedIndexes.has(name)) for (const pack of packsOfIndex(body)) indexed.add(pack);
    for (const row of catalog.packs.all()) if (row.present && !indexed.has(row.name)) this.unindexed.add(row.name);
    const shop = { store, keyring: this.repository.keyring };
    for (const { name, size } of reconciled.packs) {
      const path = objectPath('packs', name);
      if (reconciled.marks.objects.has(path) || catalog.packs.byName(name) !== undefined) continue;
      try {
        const { directory } = await readPackDirectory(shop, name, size);
        this.strange.push({ name, ids: decodeDirectory(directory).ids });
      } catch (error) {
        if (!isDamage(error)) throw error;
        const told = problem('damaged', path, `a pack that no index names: ${(error as FormatError).message}`);
        this.findings.packs.set(name, { name, problem: this.findings.add(told) });
      }
    }
  }

  /**
   * Reads packs whole, those not verified for longest, in threads and beside them in this one, and remembers which were
   * right.
   * @param looked when that is done which comes first: until then threads read, but nothing is told
   * @param threads if they were started early; they are ended
   */
  async read(share: number, looked: Promise<unknown>, threads?: ThreadPool): Promise<void> {
    const { catalog, context, config, keyring, store } = this.repository;
    const present = catalog.packs.all().filter((pack) => pack.present);
    // The largest come first, so that no thread is left alone with one in the end.
    const chosen = longestUnverified(present, share).sort((a, b) => b.size - a.size);
    const totalBytes = chosen.reduce((sum, pack) => sum + pack.size, 0);
    const isMuch = totalBytes > ALONE && chosen.length > 1;
    const pool = threads ?? (isMuch ? startVerifyThreads(config, chosen.length - 1) : undefined);
    const setup: VerifySetup = { storeUrl: store.url, tableDir: config.tableDir, keyring: keyring.toData() };
    pool?.setUp(setup);
    const waiting = chosen.values();
    let verified = 0;
    const over = new AbortController();
    const verifyOneByOne = async (verify: (pack: PackToVerify) => Promise<unknown>): Promise<void> => {
      for (const row of waiting) {
        context.signal.throwIfAborted();
        const verdict = (await verify(this.toVerify(row))) as PackVerdict;
        await looked;
        if (over.signal.aborted) return;
        this.judge(verdict);
        const { read } = this.findings;
        context.report.progress({ files: ++verified, bytes: read, totalFiles: chosen.length, totalBytes });
      }
    };
    const inThreads = Array.from({ length: pool?.threads ?? 0 }, () => verifyOneByOne((pack) => pool!.run(pack)));
    const inThisOne = looked.then(() => {
      context.report.start('reading packs');
      const own = new PackVerifier(store, keyring);
      return verifyOneByOne((pack) => own.verify(pack, over.signal));
    });
    try {
      await Promise.all([...inThreads, inThisOne]);
    } finally {
      over.abort();
      // A pack that comes from a server comes whole, and is not waited for.
      if (store.kind === 'local') await inThisOne.catch(() => undefined);
      await pool?.close();
    }
  }

  private toVerify(row: { number: number; name: string; kind: 'data' | 'meta' }): PackToVerify {
    const directory = this.repository.catalog.packs.directory(row.number);
    if (directory === undefined) throw new Error(`pack ${row.name} has no directory in the catalog`);
    return { name: row.name, kind: row.kind, directory };
  }

  private judge(verdict: PackVerdict): void {
    const { catalog, keyring } = this.repository;
    const row = catalog.packs.byName(verdict.name)!;
    this.findings.read += verdict.bytes;
    const { problems, lostIds } = verdict;
    if (problems.length === 0 && lostIds.length === 0) {
      catalog.packs.markVerified([row.number], BigInt(Date.now()) * 1_000_000n);
      // Every blob has been compared with its id: from now on this machine may refer to what others have stored there.
      if (keyring.isFull) catalog.packs.markOpened([row.number]);
      return;
    }
    catalog.packs.markDamaged([row.number]);
    const messages = problems.map(({ message }) => message);
    if (messages.length === 0) messages.push('some blobs are not what their ids say');
    const path = objectPath('packs', verdict.name);
    this.damaged(
      verdict.name,
      this.findings.add(problem(problems[0]?.kind ?? 'damaged', path, messages.join('; '))),
      lostIds,
    );
  }
}
