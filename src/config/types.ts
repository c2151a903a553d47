import type { KeepPolicy } from './policy.js';

/** Options of S3 stores; credentials come from the usual chain of the SDK. */
export interface S3Options {
  endpoint?: string;
  region?: string;
  forcePathStyle?: boolean;
  storageClass?: string;
}

/** Options of SFTP stores: paths of the private key and of the known hosts file. */
export interface SftpOptions {
  key?: string;
  knownHosts?: string;
}

/** Where a store lies and how to reach it. */
export interface StoreLocation {
  /** An absolute path, or a URL: `s3:`, `sftp:`, `webdav:`, `webdavs:`, `rclone:`. It may hold a password: never print it as it is. */
  url: string;
  s3: S3Options;
  sftp: SftpOptions;
}

/** A further store that `sync` keeps equal to the first. */
export interface Target extends StoreLocation {
  name: string;
  /** Bytes per second; overrides `limitUpload`. */
  limitUpload?: number;
}

/** So many worker threads a config may ask for. */
export const MOST_WORKERS = 256;

/** `auto` samples and decides, `off` stores raw, a number is a zstd level (-7 to 22). */
export type Compression = 'auto' | 'off' | number;

/**
 * The config file with all defaults filled in. Paths are text as `node:fs` takes it (not byte strings: use
 * `fromDisplay` where a `ByteString` is needed), absolute, with `~` and variables expanded.
 */
export interface Config {
  /** Folder of the catalog. */
  tableDir: string;
  /** `file_dir`, `s3` and `sftp` of the file. */
  store: StoreLocation;
  /** The key file; it need not exist (a passphrase may be used instead). */
  keyPath: string;
  hardRemove: boolean;
  /** Default target of `restore`; undefined when the file names none. */
  restoreDir?: string;
  /** Absolute, as written otherwise: each may be a literal path or a glob pattern. */
  backupRoots: string[];
  /** Name of this machine's history: the file's, else the host name. */
  source: string;
  /** Whether the file names the source (then a renamed host does not go on under its old name). */
  sourceIsSet: boolean;
  /** gitignore patterns; anchored ones match the absolute path. */
  exclude: string[];
  /** Files of gitignore patterns, absolute paths. */
  excludeFiles: string[];
  /** Leave out what a `CACHEDIR.TAG` marks. */
  excludeCaches: boolean;
  /** Files over so many bytes are left out. */
  excludeLargerThan?: number;
  oneFileSystem: boolean;
  /** Number of worker threads; undefined lets the program choose. */
  workers?: number;
  compression: Compression;
  /** A full backup is due when the last one is this many milliseconds old. */
  fullEvery: number;
  /** Keep policy for scheduled runs. */
  retention?: KeepPolicy;
  targets: Target[];
  /** Lower the process's priority to this nice value (0 leaves it). */
  nice: number;
  /** Bytes per second read from the sources. */
  limitRead?: number;
  /** Bytes per second written to the store. */
  limitUpload?: number;
  ignoreCtime: boolean;
  ignoreInode: boolean;
}
