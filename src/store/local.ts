import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { hashFile, makeFolders, renameNew, syncFile, syncFolder, writeNew } from './durable.js';
import { configMissing, type Doing, fromSystem, noStore, StoreError } from './errors.js';
import { FdCache } from './fd-cache.js';
import { foreignFiles, listFolder } from './local-list.js';
import { lockRoot } from './local-lock.js';
import { cleanSessions, Session, TMP } from './local-session.js';
import {
  FOLDERS,
  type Folder,
  type ListedObject,
  type Lock,
  type LockMode,
  nameOf,
  type ObjectStore,
  type OpenOptions,
  type PutOptions,
  parsePath,
} from './object-store.js';

/** Numbers within a session's folder, which the threads of a process may share. */
let serial = 0;

/** A store in a directory. Safe to open any number of times, in threads and processes alike. */
export class LocalStore implements ObjectStore {
  readonly kind = 'local';
  readonly url: string;
  readonly #root: string;
  /** Device and inode of the root: what tells an unmounted disk from an empty store. */
  readonly #identity: string;
  readonly #command: string | undefined;
  /** Another instance's folder for temporaries. */
  readonly #spool: string | undefined;
  readonly #files = new FdCache();
  readonly #locks = new Set<() => void>();
  /** Folders whose own entries are known to be durable. */
  readonly #synced = new Set<string>();
  #session: Session | undefined;

  private constructor(url: string, root: string, identity: string, options: OpenOptions) {
    this.url = url;
    this.#root = root;
    this.#identity = identity;
    this.#command = options.command;
    this.#spool = options.spool;
  }

  /** Opens the store at a path. UserError 10 when there is none; with `create` its folders are made instead. */
  static async open(path: string, options: OpenOptions): Promise<LocalStore> {
    const root = resolve(path);
    try {
      if (options.create === true) await makeStore(root);
      const config = fs.statSync(join(root, 'config.json'), { throwIfNoEntry: false });
      if (options.create !== true && config?.isFile() !== true) {
        if (!holdsObjects(root)) throw noStore(path);
        if (options.withoutConfig !== true) throw configMissing(path);
      }
      return new LocalStore(path, root, identityOf(root), options);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      throw code === 'ENOTDIR' && options.create !== true
        ? noStore(path)
        : fromSystem(error, options.create === true ? 'make' : 'list', path);
    }
  }

  async list(folder: Folder): Promise<ListedObject[]> {
    return this.#guard('list', folder, async () => {
      const found = await listFolder(this.#root, folder);
      // A folder that is missing is empty only as long as the store itself is there.
      if (found.length === 0) this.#assertHere('list', folder);
      return found;
    });
  }

  async listForeign(): Promise<{ path: string; size: number }[]> {
    return this.#guard('list', undefined, () => foreignFiles(this.#root));
  }

  async size(path: string): Promise<number | undefined> {
    parsePath(path);
    return this.#guard('read', path, async () => {
      const size = await sizeOf(join(this.#root, path));
      if (size === undefined) this.#assertHere('read', path);
      return size;
    });
  }

  async read(path: string, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    parsePath(path);
    return this.#guard('read', path, () =>
      this.#files.use(join(this.#root, path), async (handle) => {
        const bytes = memoryFor((await handle.stat()).size, into);
        return bytes.subarray(0, await readAt(handle, bytes, 0));
      }),
    );
  }

  async readRange(
    path: string,
    offset: number,
    length: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    parsePath(path);
    return this.#guard('read', path, () =>
      this.#files.use(join(this.#root, path), async (handle) => {
        const bytes = memoryFor(length, into);
        const got = await readAt(handle, bytes, offset);
        if (got < length) {
          const end = offset + got;
          throw new StoreError(
            'short',
            `damaged: ${path} in ${this.url} ends at byte ${end}, ${length - got} too early; run 'backup-ninja check'`,
            path,
          );
        }
        return bytes;
      }),
    );
  }

  async put(path: string, bytes: Uint8Array, options: PutOptions = {}): Promise<void> {
    await this.#guard('write', path, async () => {
      if (
        await this.#isThere(path, bytes.length, options, async () => createHash('sha256').update(bytes).digest('hex'))
      )
        return;
      const temporary = this.#temporary();
      try {
        await writeNew(temporary, bytes);
        await this.#place(temporary, path, options);
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
    });
  }

  async putFile(path: string, spoolFile: string): Promise<void> {
    await this.#guard('write', path, async () => {
      const { size } = await stat(spoolFile);
      if (!(await this.#isThere(path, size, {}, () => hashFile(spoolFile)))) {
        await syncFile(spoolFile);
        try {
          await this.#place(spoolFile, path, {});
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
          await this.#placeCopy(spoolFile, path);
        }
      }
      await rm(spoolFile, { force: true });
    });
  }

  spoolDir(): string {
    try {
      this.#assertHere('write', TMP);
      return this.#temporaries();
    } catch (error) {
      throw fromSystem(error, 'write', this.url);
    }
  }

  async delete(path: string): Promise<void> {
    const parsed = parsePath(path);
    await this.#guard('delete', path, async () => {
      const file = join(this.#root, path);
      await this.#files.drop(file);
      try {
        await unlink(file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        this.#assertHere('delete', path);
        return;
      }
      if (!('folder' in parsed) || parsed.folder !== 'packs') await syncFolder(dirname(file));
    });
  }

  async lock(mode: LockMode, waitMs: number): Promise<Lock> {
    const free = await this.#guard('lock', undefined, () => {
      this.#assertHere('lock', 'lock');
      return lockRoot(this.#root, this.url, mode, waitMs, this.#session?.id);
    });
    this.#locks.add(free);
    this.#announce(mode);
    return {
      mode,
      release: async () => {
        if (!this.#locks.delete(free)) return;
        if (this.#locks.size === 0) this.#announce(undefined);
        free();
      },
    };
  }

  async cleanTemporaries(): Promise<number> {
    return this.#guard('delete', TMP, async () => cleanSessions(this.#root, this.#session?.id));
  }

  async close(): Promise<void> {
    await this.#files.close();
    this.#session?.close();
    this.#session = undefined;
    for (const free of this.#locks) free();
    this.#locks.clear();
  }

  /** Moves a finished, flushed file to its place, and makes that durable. */
  async #place(file: string, path: string, options: PutOptions): Promise<void> {
    const target = join(this.#root, path);
    const parsed = parsePath(path);
    const move = async () => {
      if ('folder' in parsed || options.replace === true) return rename(file, target);
      if (!(await renameNew(file, target))) throw conflict(path, this.url);
    };
    try {
      await move();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // packs/ab is made when its first pack comes. Never on what is left when the disk has been unmounted.
      this.#assertHere('write', path);
      await makeFolders(this.#root, dirname(target));
      await move();
    }
    if ('plain' in parsed) await this.#files.drop(target);
    await this.#sync(dirname(target));
  }

  /** Makes a new file's entry durable, and those of its folders, which this or another program may have made just now. */
  async #sync(folder: string): Promise<void> {
    await syncFolder(folder);
    if (this.#synced.has(folder) || folder === this.#root) return;
    await this.#sync(dirname(folder));
    this.#synced.add(folder);
  }

  /** For a spool that lies on another file system. */
  async #placeCopy(spoolFile: string, path: string): Promise<void> {
    const temporary = this.#temporary();
    try {
      await copyFile(spoolFile, temporary, fs.constants.COPYFILE_EXCL);
      await syncFile(temporary);
      await this.#place(temporary, path, {});
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Whether what should be put is there already. Then it is made durable: the run that put it may have been
   * killed before it came to that.
   */
  async #isThere(path: string, size: number, options: PutOptions, checksum: () => Promise<string>): Promise<boolean> {
    const parsed = parsePath(path);
    const file = join(this.#root, path);
    const found = await sizeOf(file);
    if (found === undefined) return false;
    if ('plain' in parsed) {
      if (options.replace === true) return false;
      if (found !== size || (await hashFile(file)) !== (await checksum())) throw conflict(path, this.url);
    } else if (found !== size) {
      if ((await checksum()) !== parsed.name) throw conflict(path, this.url);
      await this.#files.drop(file);
      return false;
    }
    await syncFile(file).catch((error: NodeJS.ErrnoException) => {
      // Somebody else's file that we may only read: its owner synced it.
      if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error;
    });
    await this.#sync(dirname(file));
    return true;
  }

  #temporaries(): string {
    return this.#spool ?? this.#startSession().folder;
  }

  /** A path for a new temporary file. */
  #temporary(): string {
    return join(this.#temporaries(), `${threadId}-${serial++}`);
  }

  #startSession(): Session {
    if (this.#session === undefined) {
      this.#assertHere('write', TMP);
      this.#session = Session.open(this.#root, this.#command);
    }
    return this.#session;
  }

  /** Lets those who wait know who has the store. It is only a courtesy: a reader may not be allowed to write. */
  #announce(mode: LockMode | undefined): void {
    try {
      if (mode === undefined) this.#session?.announce(undefined);
      else this.#startSession().announce(mode);
    } catch {
      // They read "another program".
    }
  }

  #assertHere(doing: Doing, path: string): void {
    if (identityOf(this.#root) === this.#identity) return;
    throw new StoreError(
      'gone',
      `cannot ${doing} ${path} in ${this.url}: the store is no longer there; is its disk mounted?`,
      path,
    );
  }

  async #guard<T>(doing: Doing, path: string | undefined, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (doing === 'read' && code === 'ENOENT' && path !== undefined) this.#assertHere(doing, path);
      throw fromSystem(error, doing, this.url, path);
    }
  }
}

function holdsObjects(root: string): boolean {
  return FOLDERS.some((folder) => {
    try {
      const names = fs.readdirSync(join(root, folder), { recursive: folder === 'packs', encoding: 'utf8' });
      return names.some((name) => nameOf(folder, basename(name)) !== undefined);
    } catch {
      return false;
    }
  });
}

async function makeStore(root: string): Promise<void> {
  const made = await mkdir(root, { recursive: true, mode: 0o700 });
  // Each new directory's own entry lies in its parent.
  if (made !== undefined)
    for (let folder = root; folder.length >= made.length; folder = dirname(folder)) await syncFolder(dirname(folder));
  for (const folder of [...FOLDERS, TMP]) await mkdir(join(root, folder)).catch(ignoreExisting);
  fs.closeSync(fs.openSync(join(root, 'lock'), 'a'));
  await syncFolder(root);
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function identityOf(root: string): string {
  const found = fs.statSync(root, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}

async function sizeOf(file: string): Promise<number | undefined> {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  return found?.isFile() === true ? found.size : undefined;
}

async function readAt(handle: fs.promises.FileHandle, into: Uint8Array, offset: number): Promise<number> {
  let got = 0;
  while (got < into.length) {
    const { bytesRead } = await handle.read(into, got, Math.min(into.length - got, 1 << 30), offset + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return got;
}

function conflict(path: string, url: string): StoreError {
  return new StoreError(
    'conflict',
    `cannot write ${basename(path)} in ${url}: another file of this name is there; run 'backup-ninja check --objects'`,
    path,
  );
}

/** So many bytes of the memory that was given, if it is that large, else new ones. */
function memoryFor(length: number, into: Uint8Array<ArrayBuffer> | undefined): Uint8Array<ArrayBuffer> {
  return into !== undefined && length <= into.length ? into.subarray(0, length) : new Uint8Array(length);
}
