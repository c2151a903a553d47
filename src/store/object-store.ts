/** The folders of a store that hold objects. */
export const FOLDERS = ['keys', 'certs', 'packs', 'index', 'snapshots', 'records', 'tombstones'] as const;
export type Folder = (typeof FOLDERS)[number];

/** Files of a store that are not objects: they are found by their place, not by the checksum of their bytes. */
export const PLAIN_FILES = ['config.json', 'README.txt', 'restore.html'] as const;

const EXTENSION: Record<Folder, string> = {
  keys: '.key',
  certs: '.cert',
  packs: '.pack',
  index: '.idx',
  snapshots: '.snap',
  records: '.rec',
  tombstones: '.rec',
};

const NAME = /^[0-9a-f]{64}$/;

/** One object as a listing of its folder shows it. */
export interface ListedObject {
  /** SHA-256 of the object's bytes, 64 lower-case hex digits. */
  name: string;
  /** Bytes. */
  size: number;
}

/** A lock on a whole store. It is also freed when its process ends in whatever way. */
export interface Lock {
  readonly mode: LockMode;
  /** Gives the lock back. Calling it again does nothing. */
  release(): Promise<void>;
}

export type LockMode = 'shared' | 'exclusive';

/** How `put` treats a plain file that is already there with other bytes: refuse (default), or put the new one in its place. */
export interface PutOptions {
  replace?: boolean;
}

/**
 * Where objects live. Every kind of store behaves the same: `test/store/conformance.ts` says how.
 *
 * Paths are those of `objectPath`, or one of `PLAIN_FILES`; anything else is a bug (TypeError). Errors are `StoreError`s,
 * whose `code` says what to make of them. An instance belongs to one thread; opening one is cheap.
 */
export interface ObjectStore {
  /** As in the config, without secrets. */
  readonly url: string;
  readonly kind: 'local' | 's3' | 'sftp' | 'webdav' | 'rclone';

  /** The objects of a folder, sorted by name. Foreign and temporary files are not among them (`listForeign`). A folder that is not there is empty. */
  list(folder: Folder): Promise<ListedObject[]>;
  /** Files in the store that it did not write, as paths within it, sorted; temporary files of running or killed programs not among them. */
  listForeign(): Promise<{ path: string; size: number }[]>;
  /** Size in bytes, or undefined when there is no such object. */
  size(path: string): Promise<number | undefined>;
  /**
   * All bytes. StoreError `missing` when there is no such object.
   * @param into memory to read to: the result is its beginning if there is room, else a new buffer
   */
  read(path: string, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Exactly `length` bytes at `offset`, likewise; StoreError `short` when the object ends before. */
  readRange(
    path: string,
    offset: number,
    length: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Stores bytes under a name: all of them or nothing, durable on return. An object that is there with the same size is
   * left as it is (and made durable); one of another size is damaged, and replaced if `bytes` have the checksum that the
   * name tells, else StoreError `conflict`. A plain file with other bytes is a `conflict` unless `replace`.
   */
  put(path: string, bytes: Uint8Array, options?: PutOptions): Promise<void>;
  /** The same with a finished file of `spoolDir()`, which is gone on return. It must be closed and no longer written to. */
  putFile(path: string, spoolFile: string): Promise<void>;
  /**
   * Folder for files to be given to `putFile`: on the store's own file system when it is a directory, else below the
   * table directory. It belongs to this instance alone (unless it was opened with another's `spool`); files left in it vanish with `close()`, or, after a crash, by
   * `cleanTemporaries()` of a later run.
   */
  spoolDir(): string;
  /** Removes an object; one that is not there is no error. Durable on return in all folders but packs (a pack that comes back after a power failure harms nobody). */
  delete(path: string): Promise<void>;
  /**
   * Locks the store (exclusive stores only: where several machines share one, nothing can be locked).
   * @param mode `exclusive` excludes everybody, `shared` only those who want it exclusively.
   * @param waitMs how long to wait for others, 0: not at all. UserError 11 names who has it, where known.
   */
  lock(mode: LockMode, waitMs: number): Promise<Lock>;
  /** Removes what killed runs left half-written, never anything of a running program. Returns the number of files removed. */
  cleanTemporaries(): Promise<number>;
  /** Frees descriptors, connections, locks and the spool directory. */
  close(): Promise<void>;
}

/** Options for opening a store. */
export interface OpenOptions {
  /** Make the store's folders where they are missing (`init`). */
  create?: boolean;
  /** Open it although config.json is missing, as long as there are objects: a store that is damaged, to be repaired. */
  withoutConfig?: boolean;
  /** Where remote stores put their spool. Not needed for a directory. */
  tableDir?: string;
  /** What is running, for others who find the store locked (`backup`). */
  command?: string;
  /**
   * `spoolDir()` of another instance, to be used instead of one of its own. A worker thread takes its main thread's: that
   * one clears the folder when it closes, in whatever state the worker was ended.
   */
  spool?: string;
}

/** Where an object lies within its store: `packs/ab/abcd….pack`, `index/….idx`. */
export function objectPath(folder: Folder, name: string): string {
  if (!NAME.test(name)) throw new TypeError(`not an object name: ${name}`);
  return folder === 'packs' ? `packs/${name.slice(0, 2)}/${name}.pack` : `${folder}/${name}${EXTENSION[folder]}`;
}

/** The name that a file's name in a folder tells, or undefined for a file that is no object of that folder. */
export function nameOf(folder: Folder, fileName: string): string | undefined {
  const end = fileName.length - EXTENSION[folder].length;
  if (end !== 64 || !fileName.endsWith(EXTENSION[folder])) return undefined;
  const name = fileName.slice(0, end);
  return NAME.test(name) ? name : undefined;
}

/** Takes a path apart: an object's folder and name, or a plain file. TypeError for anything else, so that no path leads out of the store. */
export function parsePath(path: string): { folder: Folder; name: string } | { plain: string } {
  if ((PLAIN_FILES as readonly string[]).includes(path)) return { plain: path };
  const folder = path.slice(0, path.indexOf('/')) as Folder;
  const name = FOLDERS.includes(folder) ? nameOf(folder, path.slice(path.lastIndexOf('/') + 1)) : undefined;
  if (name === undefined || objectPath(folder, name) !== path) throw new TypeError(`not a path of a store: ${path}`);
  return { folder, name };
}
