import type { ByteString } from '../../bytes.js';
import { blobHasher } from '../../crypto/blob-id.js';
import type { Keyring } from '../../crypto/keyring.js';
import { ExitCode, UserError } from '../../errors.js';
import type { Entry } from '../../format/entry.js';
import { closeFd, openDirectoryAt, openFileAt, StatBuffer, statFd } from '../../platform/index.js';
import { type PathItem, pathItem } from '../../report/json-path.js';
import { isWithin, keyOf } from '../../scan/keys.js';
import type { LeftOut } from '../../scan/left-out.js';
import { Mounts } from '../../scan/mounts.js';
import type { Context } from '../context.js';
import type { PathProblem, RestoreOptions, RestoreResult } from '../types.js';
import type { NodeReader } from './content.js';
import { Directories, descriptorLimit } from './directories.js';
import type { EntryStream } from './entries.js';
import type { Mapping } from './mapping.js';
import type { Fallback, Locator } from './places.js';
import type { ExtractPool } from './pool.js';
import { RemovalNotes } from './removal-notes.js';
import { Selection } from './selection.js';
import { RestoreSession } from './session.js';
import { type Removal, TreeWalk } from './walk.js';

/** So many entries are planned before others get a turn: results of the workers, signals. */
const TURN = 256;

/** What a pass over the entries works with. */
export interface PassParts {
  context: Pick<Context, 'report' | 'signal'>;
  index: Locator;
  fallback?: Fallback;
  reader: NodeReader;
  keyring: Keyring;
  /** Closed at the end, whatever it is. */
  pool: ExtractPool;
  mapping: Mapping;
  entries: EntryStream;
  /** The entry of a directory above what is restored, where there is one. */
  ancestor(key: ByteString): Entry | undefined;
  /** Keys of the snapshot's roots: what --delete may look into. */
  roots: readonly ByteString[];
  /** Keys of the paths that the user has named. */
  named: readonly ByteString[];
  /** What backups leave out; undefined without --delete. */
  leftOut: LeftOut | undefined;
  isProtected(stat: StatBuffer): boolean;
  /** Files and bytes to come, where known. */
  totals: { files: number; bytes: number } | undefined;
  /** What is wrong already. */
  problems: readonly PathProblem[];
}

export type PassOptions = Pick<
  RestoreOptions,
  'overwrite' | 'versionId' | 'dryRun' | 'verify' | 'delete' | 'include' | 'exclude' | 'numericOwner'
>;

/** Restores entries, or tells what that would do. */
export async function runPass(parts: PassParts, options: PassOptions): Promise<RestoreResult> {
  const { context, pool, isProtected, mapping } = parts;
  const { dryRun, verify, overwrite } = options;
  const directories = new Directories({ dryRun, limit: Math.max(16, Math.min(512, descriptorLimit() >> 4)) });
  const deleted: PathItem[] = [];
  const notes = new RemovalNotes();
  context.report.start(dryRun ? 'looking' : 'restoring');
  const session = new RestoreSession({
    context,
    index: parts.index,
    fallback: parts.fallback,
    reader: parts.reader,
    hash: blobHasher(parts.keyring, 'data'),
    pool,
    directories,
    overwrite,
    dryRun,
    verify,
    isOneVersion: options.versionId !== undefined,
    numericOwner: options.numericOwner,
    isProtected,
    totals: parts.totals,
  });
  session.errors.push(...parts.problems);
  const walk = new TreeWalk(session, {
    directories,
    mapping,
    selection: new Selection(options.include, options.exclude),
    overwrite,
    ancestor: parts.ancestor,
    removal: parts.leftOut
      ? {
          dryRun,
          isProtected,
          ...scopeOf(parts, parts.leftOut),
          otherFileSystem: (path) => notes.otherFileSystems.add(path),
          leftOut: parts.leftOut,
          canRead,
          unread: (path) => notes.unread.add(path),
          unruled: (path) => notes.unruled.add(path),
          removed: (path) => deleted.push(pathItem(path)),
        }
      : undefined,
  });
  const changes = (): number => session.restored + deleted.length;
  const disks = dryRun ? undefined : new SyncBehind(directories, changes);
  try {
    await walkAll(parts.entries, walk);
    await session.finish();
    await pool.close();
    await disks?.finish(changes() > 0);
  } catch (error) {
    await disks?.finish(false).catch(() => undefined);
    await session.abort();
    throw error;
  } finally {
    directories.close();
  }
  context.report.done();
  for (const line of [...session.attributes.notes.warnings(), ...notes.warnings()]) context.report.warn(line);
  const { restored, skipped, bytes, errors } = session;
  return { restored, skipped, bytes, errors, ...(options.delete && { deleted }) };
}

/** Where --delete may remove something: in what was saved, on the file systems that the user means. */
function scopeOf({ roots, named }: PassParts, leftOut: LeftOut): Pick<Removal, 'isWhole' | 'isNamed' | 'mayCross'> {
  const [rootKeys, namedKeys] = [new Set(roots), new Set(named)];
  const mounts = new Mounts();
  const stat = new StatBuffer();
  return {
    isWhole: (key) => roots.some((root) => isWithin(key, root)),
    isNamed: (key) => namedKeys.has(key),
    mayCross: (key, { path, fd }) => {
      if (!rootKeys.has(key) && (!namedKeys.has(key) || leftOut.oneFileSystem)) return false;
      statFd(fd, stat);
      return mounts.pseudoType(keyOf(path), stat) === undefined;
    },
  };
}

/** Whether this user may read what is found: only then can a backup have saved it. */
function canRead(dir: number, name: ByteString, stat: StatBuffer): boolean {
  const user = process.geteuid?.() ?? 0;
  if (user === 0 || !(stat.isFile || stat.isDirectory)) return true;
  if (stat.isDirectory && stat.uid === user && (stat.perm & 0o500) !== 0o500) return false;
  try {
    closeFd(stat.isDirectory ? openDirectoryAt(dir, name) : openFileAt(dir, name));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** The disks rest between two syncs as long as the one before took, and no shorter than this, milliseconds. */
const SYNC_PAUSE = 100;

/**
 * Has the disks take what was written while more is being written, so that little is left to wait for in the end: as
 * often as they are quick. What is told to be restored is on the disk, and a disk that fails is told of.
 */
class SyncBehind {
  private readonly directories: Directories;
  private readonly changes: () => number;
  private synced = 0;
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;
  private failure: Error | undefined;

  /** @param changes how much has been changed so far: without any there is nothing to sync */
  constructor(directories: Directories, changes: () => number) {
    this.directories = directories;
    this.changes = changes;
    this.rest(0);
  }

  /** Ends it. @param last whether all that was written has to be on the disk then */
  async finish(last: boolean): Promise<void> {
    await this.underWay;
    clearTimeout(this.timer);
    if (last) await this.sync();
    if (this.failure === undefined) return;
    throw new UserError(
      ExitCode.failed,
      `the disk did not take all that was restored: ${this.failure.message}; check the disk, then run the same restore with --verify`,
      { cause: this.failure },
    );
  }

  private rest(took: number): void {
    const turn = (): void => {
      this.underWay = this.turn();
    };
    this.timer = setTimeout(turn, Math.max(SYNC_PAUSE, took)).unref();
  }

  private async turn(): Promise<void> {
    const start = performance.now();
    if (this.changes() !== this.synced) await this.sync();
    this.rest(performance.now() - start);
  }

  private async sync(): Promise<void> {
    this.synced = this.changes();
    try {
      await this.directories.sync();
    } catch (error) {
      // A disk tells of a failure once.
      this.failure ??= error as Error;
    }
  }
}

async function walkAll(entries: EntryStream, walk: TreeWalk): Promise<void> {
  let count = 0;
  if (Symbol.iterator in entries) {
    // Without promises where none is needed: a million entries would make a million of them.
    for (const entry of entries) {
      const waiting = walk.step(entry);
      if (waiting !== undefined) await waiting;
      if (++count % TURN === 0) await turn();
    }
  } else {
    for await (const entry of entries) {
      await walk.step(entry);
      if (++count % TURN === 0) await turn();
    }
  }
  await walk.finish();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
