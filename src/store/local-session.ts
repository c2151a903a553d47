import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fromDisplay } from '../bytes.js';
import { type FileLock, openLock } from '../platform/index.js';
import type { LockMode } from './object-store.js';

/**
 * Temporary files of a local store.
 *
 * Each open store that writes has a *session*: a folder `tmp/<id>/` for its half-written files, and beside it a file
 * `tmp/<id>.live` that it holds locked as long as it lives. The kernel drops that lock whatever way the process ends, so
 * "can I lock it?" tells a killed run's leftovers from a running one's files, without clocks and without asking whether
 * some process number has been used again.
 *
 * The order makes it safe: the live file is locked before its folder is made, and removed, still locked, after the
 * folder. A lock that is taken on a file which lost its name meanwhile, to a cleaner, does not count (`openLock` sees to
 * that).
 */
export const TMP = 'tmp';
const LIVE = '.live';
const ID = /^[a-z0-9_-]+-[0-9a-f]{16}$/;

/**
 * How long what cannot be proven dead is left alone: folders without live file, and those of other hosts, since a network
 * file system may be mounted so that locks are not seen across hosts.
 */
const UNPROVEN_MS = 24 * 3600_000;

/** Who holds a session, for messages to those who wait. */
export interface Holder {
  pid: number;
  host: string;
  /** RFC 3339. */
  since: string;
  command?: string;
  /** Set while the holder has the store locked. */
  lock?: LockMode;
}

/** One open store's folder for temporary files. */
export class Session {
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly id: string;
  readonly #liveFile: string;
  readonly #lock: FileLock;
  readonly #holder: Holder;

  private constructor(tmp: string, id: string, lock: FileLock, holder: Holder) {
    this.id = id;
    this.folder = join(tmp, id);
    this.#liveFile = join(tmp, id + LIVE);
    this.#lock = lock;
    this.#holder = holder;
  }

  /** Opens a session in the store at `root`. Errors are those of the file system. */
  static open(root: string, command: string | undefined): Session {
    const tmp = join(root, TMP);
    makeFolder(tmp);
    const host = hostname();
    const holder: Holder = { pid: process.pid, host, since: new Date().toISOString() };
    if (command !== undefined) holder.command = command;
    for (;;) {
      const id = `${hostPart(host)}-${process.pid}-${randomBytes(8).toString('hex')}`;
      const lock = openLock(fromDisplay(join(tmp, id + LIVE)), 'exclusive');
      if (lock === null) continue; // a cleaner looks at it this very moment
      try {
        const session = new Session(tmp, id, lock, holder);
        session.#tell();
        fs.mkdirSync(session.folder);
        return session;
      } catch (error) {
        lock.release();
        throw error;
      }
    }
  }

  /** Says in the live file which lock on the store this session's owner has. */
  announce(lock: LockMode | undefined): void {
    if (lock === undefined) delete this.#holder.lock;
    else this.#holder.lock = lock;
    this.#tell();
  }

  /** Removes the folder with what is in it, and lets go. */
  close(): void {
    try {
      fs.rmSync(this.folder, { recursive: true, force: true });
      removeLive(this.#liveFile, this.#lock);
    } catch {
      this.#lock.release(); // A later run's cleaning takes what could not be removed now.
    }
  }

  #tell(): void {
    const text = Buffer.from(`${JSON.stringify(this.#holder)}\n`);
    fs.ftruncateSync(this.#lock.fd, 0);
    fs.writeSync(this.#lock.fd, text, 0, text.length, 0);
  }
}

/** Removes the folders of sessions that have ended, except `own`. Returns how many files went. */
export function cleanSessions(root: string, own: string | undefined, now = Date.now()): number {
  const tmp = join(root, TMP);
  let removed = 0;
  for (const id of sessionIds(tmp)) {
    if (id === own) continue;
    const folder = join(tmp, id);
    const liveFile = folder + LIVE;
    if (!fs.existsSync(liveFile)) {
      if (newestChange(folder) < now - UNPROVEN_MS) removed += removeFolder(folder);
      continue;
    }
    const lock = tryLock(liveFile);
    if (lock === null) continue;
    try {
      const elsewhere = !isOfThisHost(id, readHolder(liveFile));
      if (elsewhere && Math.max(newestChange(folder), fs.fstatSync(lock.fd).mtimeMs) > now - UNPROVEN_MS) continue;
      removed += removeFolder(folder);
      removeLive(liveFile, lock);
    } finally {
      lock.release();
    }
  }
  return removed;
}

/** Those who have the store locked now. */
export function holders(root: string, own: string | undefined): Holder[] {
  const tmp = join(root, TMP);
  const found: Holder[] = [];
  for (const id of sessionIds(tmp)) {
    if (id === own) continue;
    const liveFile = join(tmp, id + LIVE);
    const holder = readHolder(liveFile);
    if (holder?.lock === undefined) continue;
    const lock = tryLock(liveFile);
    if (lock === null) found.push(holder);
    else lock.release();
  }
  return found;
}

/** Null when it is held, or another user's whom we may not look at: both mean hands off. */
function tryLock(liveFile: string): FileLock | null {
  try {
    return openLock(fromDisplay(liveFile), 'exclusive');
  } catch {
    return null;
  }
}

/** Removes a live file while it is still locked, so that nobody takes it in between; Windows removes no open file. */
function removeLive(liveFile: string, lock: FileLock): void {
  if (process.platform === 'win32') lock.release();
  fs.rmSync(liveFile, { force: true });
  lock.release();
}

/** Whether a file's path within the store is one of a session (running or not). */
export function isSessionFile(path: string): boolean {
  const [tmp, second] = path.split('/');
  return tmp === TMP && second !== undefined && ID.test(second.endsWith(LIVE) ? second.slice(0, -LIVE.length) : second);
}

function sessionIds(tmp: string): Set<string> {
  const ids = new Set<string>();
  for (const name of readFolder(tmp)) {
    const id = name.endsWith(LIVE) ? name.slice(0, -LIVE.length) : name;
    if (ID.test(id)) ids.add(id);
  }
  return ids;
}

function readHolder(liveFile: string): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(fs.readFileSync(liveFile, 'utf8'));
    return typeof holder === 'object' && holder !== null && 'host' in holder ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

function removeFolder(folder: string): number {
  const count = readFolder(folder).length;
  fs.rmSync(folder, { recursive: true, force: true });
  return count;
}

function newestChange(folder: string): number {
  let newest = 0;
  for (const path of [folder, ...readFolder(folder).map((name) => join(folder, name))]) {
    newest = Math.max(newest, fs.lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  }
  return newest;
}

function readFolder(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A host's name as it stands in ids. */
function hostPart(host: string): string {
  return host.toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

/** Whether a session was opened on this host: its holder says so, or its id if it was killed before it could say more. */
function isOfThisHost(id: string, holder: Holder | undefined): boolean {
  return holder === undefined ? id.startsWith(`${hostPart(hostname())}-`) : holder.host === hostname();
}
