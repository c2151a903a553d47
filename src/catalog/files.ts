import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromDisplay } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { type FileLock, type LockMode, openLock } from '../platform/lock.js';
import { type CatalogFiles, catalogFiles } from './paths.js';

/** Deletes a database file with what SQLite keeps beside it. */
export function removeDatabase(path: string): void {
  // The database goes first: one without its log would be wrong, a log without a database means nothing.
  for (const suffix of ['', '-wal', '-shm', '-journal']) fs.rmSync(path + suffix, { force: true });
}

/** Makes an empty file that only its owner can read; SQLite gives its own files beside it the same mode. */
export function createPrivateFile(path: string): void {
  fs.closeSync(fs.openSync(path, 'wx', 0o600));
}

/** Makes what was written to a file, or the entries of a directory, durable. */
export function syncPath(path: string): void {
  const fd = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    // Some file systems cannot sync a directory.
    if (!fs.fstatSync(fd).isDirectory()) throw error;
  } finally {
    fs.closeSync(fd);
  }
}

const RETRY_MS = 50;

/** Takes the lock at `path`, waiting up to `waitMs`; undefined when another holds it all the time. */
async function waitForLock(path: string, mode: LockMode, waitMs: number): Promise<FileLock | undefined> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const lock = takeLock(path, mode);
    if (lock !== null) return lock;
    const left = deadline - Date.now();
    if (left <= 0) return undefined;
    await sleep(Math.min(RETRY_MS, left));
  }
}

function takeLock(path: string, mode: LockMode): FileLock | null {
  if (!fs.existsSync(path)) fs.closeSync(fs.openSync(path, 'a', 0o600));
  return openLock(fromDisplay(path), mode);
}

function takeAfterUncleanEnd(files: CatalogFiles): FileLock | null {
  const size = fs.statSync(files.lock, { throwIfNoEntry: false })?.size ?? 0;
  return size === 0 ? null : takeLock(files.lock, 'exclusive');
}

/** A use of the catalog that ended less than this long ago is not told from the next one, milliseconds. */
const USES_APART_MS = 100;

/**
 * When a writer last gave a catalog back, as something to compare with `Catalog.usedBefore`: while they are equal, nobody
 * has written in between. Undefined while one writes, or when that cannot be told: a writer has died, has only just gone,
 * or the file system's clock is too coarse.
 */
export function lastUse(dir: string): bigint | undefined {
  const stat = fs.statSync(catalogFiles(dir).lock, { throwIfNoEntry: false, bigint: true });
  if (stat === undefined || stat.size > 0n || stat.ctimeNs % 1_000_000n === 0n) return undefined;
  return Date.now() - Number(stat.ctimeMs) > USES_APART_MS ? stat.ctimeNs : undefined;
}

/** The lock that makes its holder the only writer of a catalog. The kernel frees it when the process dies. */
export class WriterLock {
  /** Whether the writer before did not end properly. */
  readonly afterUncleanEnd: boolean;
  /** As `lastUse` told it while nobody had the lock. */
  readonly usedBefore: bigint;
  private readonly lock: FileLock;

  private constructor(lock: FileLock) {
    const { size, ctimeNs } = fs.fstatSync(lock.fd, { bigint: true });
    this.lock = lock;
    this.afterUncleanEnd = size > 0n;
    this.usedBefore = ctimeNs;
  }

  /**
   * Takes the lock, waiting up to `waitMs`; makes the catalog's directory if it is missing.
   * @throws UserError (locked) while another holds it
   */
  static async take(files: CatalogFiles, waitMs: number): Promise<WriterLock> {
    fs.mkdirSync(files.dir, { recursive: true, mode: 0o700 });
    const lock = await waitForLock(files.lock, 'exclusive', waitMs);
    if (lock !== undefined) return new WriterLock(lock);
    throw new UserError(
      ExitCode.locked,
      `the catalog is in use by another run, ${files.dir}; wait for it, or give --wait-lock`,
    );
  }

  /**
   * The mark of a writer that did not end properly, if there is one and nobody writes now. The lock is held for a
   * moment only, so that a reader who goes on to check the database does not keep a writer away.
   */
  static markOfDeadWriter(files: CatalogFiles): string | undefined {
    const lock = takeAfterUncleanEnd(files);
    if (lock === null) return undefined;
    try {
      return fs.readFileSync(lock.fd, 'utf8');
    } finally {
      lock.release();
    }
  }

  /** Takes that mark away, the database having been found whole, unless another writer has come since. */
  static clearMark(files: CatalogFiles, mark: string): void {
    const lock = takeAfterUncleanEnd(files);
    if (lock === null) return;
    try {
      if (fs.readFileSync(lock.fd, 'utf8') === mark) fs.ftruncateSync(lock.fd, 0);
    } finally {
      lock.release();
    }
  }

  /** Notes, durably, that writing begins: until `release(true)` the catalog counts as not properly closed. */
  markBusy(): void {
    fs.ftruncateSync(this.lock.fd, 0);
    fs.writeSync(this.lock.fd, `${process.pid}\n`, 0);
    fs.fsyncSync(this.lock.fd);
  }

  /** Frees the lock. @param clean whether the database was closed properly, or found whole */
  release(clean: boolean): void {
    if (clean) fs.ftruncateSync(this.lock.fd, 0);
    this.lock.release();
  }
}

const SWAP_WAIT_MS = 10_000;

/**
 * Runs `work` while nobody replaces the database (`shared`), or while nobody is just opening it (`exclusive`): SQLite
 * would take the log of one file for that of the other. Who has it open already is not concerned.
 */
export async function withSwapLock<T>(files: CatalogFiles, mode: LockMode, work: () => T): Promise<T> {
  let lock: FileLock | undefined;
  try {
    lock = await waitForLock(files.swap, mode, SWAP_WAIT_MS);
  } catch (error) {
    // A directory that may only be read: nobody replaces anything in it either.
    if (mode === 'shared') return work();
    throw error;
  }
  if (lock === undefined) {
    throw new UserError(ExitCode.locked, `the catalog is being opened or replaced, ${files.dir}; try again`);
  }
  try {
    return work();
  } finally {
    lock.release();
  }
}

/**
 * Puts the finished database `ready` in the place of the old one. Ended anywhere by a crash, it is finished by the
 * next call: with the old database gone, the new one is whole.
 */
export function swapIn(files: CatalogFiles): void {
  removeDatabase(files.database);
  fs.renameSync(files.ready, files.database);
  syncPath(files.dir);
}
