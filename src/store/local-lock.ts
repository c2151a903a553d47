import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromDisplay } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { lockFd, openLock } from '../platform/index.js';
import { type Holder, holders } from './local-session.js';
import type { LockMode } from './object-store.js';

const LOCK_FILE = 'lock';
const POLL_MS = 100;

/**
 * Takes the lock of the store at `root`: a kernel lock on its file `lock`, which goes with its holder. The file itself
 * says nothing and stays for ever; who holds it is told by the sessions.
 * @returns what gives the lock back.
 * @throws UserError 11 when others have it after `waitMs`.
 */
export async function lockRoot(
  root: string,
  url: string,
  mode: LockMode,
  waitMs: number,
  own: string | undefined,
): Promise<() => void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const release = tryLock(join(root, LOCK_FILE), mode);
    if (release !== null) return release;
    const left = deadline - performance.now();
    if (left <= 0) throw busy(url, mode, holders(root, own));
    await sleep(Math.min(POLL_MS, left));
  }
}

function tryLock(path: string, mode: LockMode): (() => void) | null {
  try {
    const lock = openLock(fromDisplay(path), mode);
    return lock && (() => lock.release());
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (mode === 'exclusive' || (code !== 'EROFS' && code !== 'EACCES')) throw error;
    return tryReadLock(path, code);
  }
}

/** For those who may only read the store. */
function tryReadLock(path: string, why: string): (() => void) | null {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (error) {
    // A read-only file system without lock file: nobody can write here, so there is nothing to exclude.
    if (why === 'EROFS' && (error as NodeJS.ErrnoException).code === 'ENOENT') return () => undefined;
    throw error;
  }
  try {
    if (lockFd(fd, 'shared')) return () => fs.closeSync(fd);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  fs.closeSync(fd);
  return null;
}

function busy(url: string, mode: LockMode, who: Holder[]): UserError {
  const names = who.map(
    (holder) =>
      `${holder.command ?? 'a program'} (process ${holder.pid} on ${holder.host}, since ${holder.since}, ${holder.lock})`,
  );
  const by = names.length > 0 ? names.join(' and ') : 'another program';
  const why = mode === 'shared' ? '' : ' (this command needs the store for itself)';
  return new UserError(
    ExitCode.locked,
    `store is locked, ${url}: in use by ${by}${why}; wait until it is done, or give --wait-lock`,
  );
}
