/**
 * Options and results of every verb. `src/archive/<file>.ts` exports `async function <verb>(context, options)` for each
 * row of this table; results are exactly the JSON documents of the command line.
 *
 * | verb | file | options → result |
 * | --- | --- | --- |
 * | init | init.ts | InitOptions → InitResult |
 * | backup | backup.ts | BackupOptions → BackupResult |
 * | snapshots | snapshots.ts | SnapshotsOptions → SnapshotRow[] |
 * | ls | ls.ts | LsOptions → Rows<LsEntry> |
 * | find | find.ts | FindOptions → Rows<FindMatch> |
 * | history | history.ts | HistoryOptions → HistoryResult |
 * | explain | explain.ts | ExplainOptions → ExplainResult |
 * | diff | diff.ts | DiffOptions → DiffResult |
 * | cat | cat.ts | CatOptions → StreamResult |
 * | dump | dump.ts | DumpOptions → StreamResult |
 * | restore | restore.ts | RestoreOptions → RestoreResult |
 * | cleanupSoft | cleanup.ts | CleanupSoftOptions → ForgetResult |
 * | cleanupHard | cleanup.ts | CleanupHardOptions → ForgetResult |
 * | forget | forget.ts | ForgetOptions → ForgetResult |
 * | purge | purge.ts | PurgeOptions → PurgeResult |
 * | tag | tag.ts | TagOptions → TagResult |
 * | prune | prune.ts | PruneOptions → ForgetResult |
 * | check | check.ts | CheckOptions → CheckResult |
 * | info | info.ts | InfoOptions → InfoResult |
 * | catalogRebuild | catalog.ts | CatalogRebuildOptions → CatalogRebuildResult |
 * | keyList, keyAdd, keyRemove, keyChangePassphrase, keyRecovery | key.ts | Key…Options → Key…Result |
 * | importLegacy | import.ts | ImportOptions → ImportResult |
 * | status | status.ts | StatusOptions → StatusResult |
 * | sync | sync.ts | SyncOptions → SyncRow[] |
 *
 * Conventions. Paths in options are absolute byte strings, lexically normalised, with `/` between components (`/home/x`,
 * `C:/Users/x`). Paths in results are made by `jsonPath` / `pathItem` of src/report/json-path.ts. Sizes are bytes, times
 * RFC 3339 strings made by `rfc3339`. A `SNAPSHOT` (options `snapshot`, `a`, `b`) is text as the user gave it: `latest`,
 * an id, its unique beginning, or a date (`parseMoment` of src/report/dates.ts). Ids are lower-case hex.
 */
import type { Readable, Writable } from 'node:stream';
import type { ByteString } from '../bytes.js';
import type { Age } from '../config/duration.js';
import type { KeepPolicy } from '../config/policy.js';
import type { JsonPath, PathItem } from '../report/json-path.js';

export type { JsonPath, PathItem };

/** The kinds of secrets, and of the slots that they open. */
export type SecretKind = 'key-file' | 'passphrase' | 'recovery';

/** Rows made at once or one by one; the caller iterates once. Errors may surface while iterating. */
export type Rows<T> = Iterable<T> | AsyncIterable<T>;

/** An RFC 3339 time with nanoseconds, `2026-05-01T10:00:00.123456789Z`. */
export type TimeText = string;

/** Something that went wrong with one path. */
export interface PathProblem extends JsonPath {
  message: string;
}

/** Which source a reading command means. */
export interface SourceOption {
  /** `--source`; undefined: this machine's (else the store's only one). */
  source?: string;
}

/** Which sources a forgetting command acts on. */
export interface SourcesOption extends SourceOption {
  /** `--all-sources` */
  allSources: boolean;
}

/** Common to commands that may take something away. */
export interface ForgettingOptions extends SourcesOption {
  dryRun: boolean;
  /** Run `prune` afterwards (false with `--no-prune`). */
  prune: boolean;
}

// ---- init ----

export interface InitOptions {
  /**
   * How to unlock: `key-file` makes the file when missing (or joins with it); `recovery` joins an existing store with
   * `context.recoveryKey()`; `passphrase` uses `context.unlock(new Set(['passphrase']))` to join, `newPassphrase` to make.
   * On an existing store a missing or wrong key is exit 12, and nothing is made.
   */
  unlockWith: SecretKind;
  /** Make a recovery key for a new store. */
  recovery: boolean;
  /** State in a new store that it is shared (remote stores always are). */
  shared: boolean;
}

export interface InitResult {
  /** Config file. Written by the caller after the verb returned. */
  config: string;
  /** Key file; null when the store is opened by a passphrase. */
  key: string | null;
  /** URL of the store without secrets. */
  store: string;
  store_id: string;
  /** What was made by this run (`config` is filled in by the caller). */
  created: { config: boolean; key: boolean; store: boolean };
  /** Printed once, never kept. Present only for a new store. */
  recovery_key?: string;
  /** SHA-256 of the reader that was put into the store, in hex: for the recovery sheet. Absent where none was built. */
  restore_html_sha256?: string;
}

// ---- backup ----

export interface BackupOptions {
  /** undefined: the program chooses by `config.fullEvery`. */
  mode?: 'soft' | 'full';
  /** `--hard-remove` or the config's `hard_remove`. */
  hardRemove: boolean;
  dryRun: boolean;
  tags: string[];
  /** `--exclude` patterns, in addition to the config's. */
  exclude: string[];
  acceptRollback: boolean;
  /** `--accept-empty`: roots to retire, present or not. */
  acceptEmpty: ByteString[];
  /** Roots of the command line (literal or glob); empty: those of the config, unless `filesFrom` or `stdin` is there. */
  roots: ByteString[];
  /** Paths read from `--files-from`; undefined without it. */
  filesFrom?: ByteString[];
  /** `--stdin --name PATH` */
  stdin?: { stream: Readable; path: ByteString };
}

export interface BackupResult {
  /** null in a dry run */
  snapshot: string | null;
  source: string;
  mode: 'soft' | 'full';
  started: TimeText;
  finished: TimeText;
  files: {
    new: number;
    changed: number;
    unchanged: number;
    removed: number;
    unreadable: number;
    changed_while_read: number;
  };
  dirs: number;
  bytes: { scanned: number; read: number; new: number; stored: number };
  store_size: number;
  errors: PathProblem[];
  silent_changes: PathItem[];
  /** What `--hard-remove` did, when it ran. */
  hard_remove?: ForgetResult;
}

export interface ExplainOptions {
  path: ByteString;
  /** `--exclude` patterns, in addition to the config's. */
  exclude: string[];
}

export interface ExplainResult extends JsonPath {
  saved: boolean;
  /** For people, in one line. */
  reason: string;
  /** The path that decides: the one asked for, or a directory above it. */
  decided_at: PathItem;
  /** The rule that decides, if one does: its file (`exclude`, `--exclude`, or a path), its line, and as written. */
  rule?: { file: string; line: number; pattern: string };
}

// ---- reading the past ----

export interface SnapshotsOptions extends SourceOption {}

export interface SnapshotRow {
  id: string;
  time: TimeText;
  source: string;
  host: string;
  roots: PathItem[];
  tags: string[];
  mode: 'soft' | 'full';
  files: number;
  bytes: number;
  /** Signed by a key that may not write this source: counts for nothing. */
  foreign?: true;
  /** Put, but not yet complete (shared stores). */
  pending?: true;
  /** Made by per-path retention, not taken. */
  kept?: true;
  /** Not whole: something it needs is lost. */
  damaged?: boolean;
}

export type EntryTypeName = 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'chardev' | 'blockdev';

export interface LsOptions extends SourceOption {
  snapshot: string;
  /** undefined: the roots of the snapshot. */
  path?: ByteString;
  recursive: boolean;
}

/** A directory's entries in path-key order, without the directory itself; a path that is not a directory gives itself. */
export interface LsEntry extends JsonPath {
  type: EntryTypeName;
  size: number;
  /** Permission bits, `mode & 0o7777`. */
  mode: number;
  uid: number;
  gid: number;
  mtime: TimeText;
  /** Symlinks only; `target_base64` beside it when it is not UTF-8. */
  target?: string;
  target_base64?: string;
  hardlink_group?: string;
  /** Owner names, where known. */
  user?: string;
  group?: string;
}

export interface FindOptions extends SourceOption {
  /** A glob; undefined only with `like`. */
  pattern?: ByteString;
  /** Every snapshot; else `snapshot` alone. */
  all: boolean;
  snapshot: string;
  /** `--like FILE`: versions with this file's content. */
  like?: ByteString;
}

/** `to` is null while the version is active. `content` is null for what has none (directories, links). */
export interface VersionRow {
  from: TimeText;
  to: TimeText | null;
  size: number;
  mtime: TimeText;
  content: string | null;
}

export interface FindMatch extends JsonPath {
  versions: VersionRow[];
}

export interface HistoryOptions extends SourceOption {
  path: ByteString;
}

export interface HistoryVersion extends VersionRow {
  /** What `restore --version-id` takes. */
  id: string;
  kept_by: 'snapshot' | 'history';
}

/** Versions oldest first. */
export interface HistoryResult extends JsonPath {
  versions: HistoryVersion[];
}

export interface DiffOptions extends SourceOption {
  a: string;
  b: string;
  path?: ByteString;
}

export interface DiffResult {
  added: PathItem[];
  removed: PathItem[];
  changed: (JsonPath & { what: ('content' | 'metadata' | 'type')[] })[];
}

export interface CatOptions extends SourceOption {
  path: ByteString;
  snapshot: string;
  out: Writable;
}

export interface DumpOptions extends SourceOption {
  /** undefined: the whole snapshot. */
  path?: ByteString;
  snapshot: string;
  format: 'tar';
  out: Writable;
}

/** Plain bytes written to `out`. Await drain; do not end `out`. */
export interface StreamResult {
  bytes: number;
}

// ---- restore ----

export interface RestoreOptions extends SourceOption {
  /** Empty: everything. */
  paths: ByteString[];
  snapshot: string;
  /** Absolute. */
  target: ByteString;
  /** Longest FROM wins; TO is absolute, and under `target` nothing is added for a mapped path. */
  map: { from: ByteString; to: ByteString }[];
  overwrite: 'always' | 'if-changed' | 'never';
  /** One version of `paths[0]`, as `history` names it. */
  versionId?: string;
  deleted: boolean;
  delete: boolean;
  include: string[];
  exclude: string[];
  dryRun: boolean;
  verify: boolean;
  /** Owners are the stored numbers, also where their names have others here. */
  numericOwner?: boolean;
}

export interface RestoreResult {
  restored: number;
  skipped: number;
  bytes: number;
  errors: PathProblem[];
  /** With `--delete`: what was (would be) removed. */
  deleted?: PathItem[];
}

// ---- forgetting ----

/** A version that is gone for ever. */
export interface LostVersion extends JsonPath {
  from: TimeText;
  to: TimeText;
  size: number;
}

export interface ForgetResult {
  versions_removed: number;
  snapshots_removed: number;
  bytes_freed: number;
  packs_deleted: number;
  packs_rewritten: number;
  /** Snapshots that stay. */
  kept: number;
  /** Dry runs and previews only. */
  lost?: LostVersion[];
}

export interface CleanupSoftOptions extends ForgettingOptions {
  /** undefined: at most one version of each path per year (`yearly` of src/config/policy.ts). */
  keep?: KeepPolicy;
}

export interface CleanupHardOptions extends ForgettingOptions {}

/** restic's keep rules; undefined or empty: the rule is not given. `Infinity` is `unlimited`. */
export interface ForgetRules {
  last?: number;
  hourly?: number;
  daily?: number;
  weekly?: number;
  monthly?: number;
  yearly?: number;
  within?: Age;
  /** Keep snapshots that have all tags of any of these lists. */
  tags: string[][];
}

export interface ForgetOptions extends ForgettingOptions {
  /** undefined when no rule was given; then `snapshots` is not empty. */
  rules?: ForgetRules;
  groupBy: ('source' | 'roots' | 'tags')[];
  snapshots: string[];
}

export interface PurgeOptions extends ForgettingOptions {
  paths: ByteString[];
}

export interface PurgeResult extends ForgetResult {
  /** Purged paths that are still on disk and not excluded. */
  on_disk: PathItem[];
}

export interface PruneOptions {
  /** How much of the store may stay unused before packs are rewritten: a share of it, or bytes. */
  maxUnused: { share: number } | { bytes: number };
  /** Milliseconds before a tombstone is carried out (shared stores). */
  grace: number;
  dryRun: boolean;
}

export interface TagOptions extends SourceOption {
  snapshot: string;
  add: string[];
  remove: string[];
}

export interface TagResult {
  snapshot: string;
  tags: string[];
}

// ---- the store ----

export interface CheckOptions {
  /** Share of the packs to read, 0 (none) to 1 (all). */
  readData: number;
  repair: boolean;
  /** Without key: names of objects against their SHA-256. */
  objects: boolean;
}

export interface CheckProblem {
  /** A short word: `missing`, `damaged`, `size`, `foreign`, `catalog`, … */
  kind: string;
  /** The object's path in the store, or the id concerned. */
  object: string;
  /** Paths whose content, or part of it, cannot be had because of it. */
  paths: PathItem[];
  /** Ids of the snapshots that are not whole because of it. */
  snapshots: string[];
  message: string;
}

/** `ok: false` makes exit 4. */
export interface CheckResult {
  ok: boolean;
  packs: number;
  blobs: number;
  /** Bytes read. */
  read: number;
  /** With `repair`: what is left of them. */
  problems: CheckProblem[];
  /** With `repair`: what was wrong and is so no more; the messages say what was done. */
  repaired?: CheckProblem[];
}

export interface InfoOptions extends SourceOption {}

export interface InfoResult {
  active: { files: number; bytes: number };
  history: { versions: number; bytes: number };
  store: { objects: number; bytes: number };
  snapshots: number;
  ratio: { dedup: number; compression: number };
}

export type CatalogRebuildOptions = Record<string, never>;

export interface CatalogRebuildResult {
  snapshots: number;
  versions: number;
  /** Bytes read from the store. */
  read: number;
}

// ---- keys ----

export type Role = 'full' | 'backup' | 'restore';

export interface KeySlot {
  /** Name of the slot's object; commands take a unique beginning. */
  id: string;
  kind: SecretKind;
  role: Role;
  /** Sources it may write; absent: all. */
  sources?: string[];
  created?: TimeText;
  /** The slot that opened the store now. */
  current: boolean;
}

export type KeyListOptions = Record<string, never>;
export type KeyListResult = KeySlot[];

export interface KeyAddOptions {
  role: Role;
  /** A key file (made when missing), or a passphrase (`context.newPassphrase(false)`). */
  secret: { kind: 'key-file'; path: ByteString } | { kind: 'passphrase' };
  /** Sources that a backup key may write; empty: this machine's. */
  sources: string[];
}

/** `key` is the key file's path. */
export interface KeyAddResult extends KeySlot {
  key?: string;
}

export interface KeyRemoveOptions {
  id: string;
}

export interface KeyRemoveResult {
  removed: string;
}

export type KeyChangePassphraseOptions = Record<string, never>;

export interface KeyChangePassphraseResult {
  added: string;
  removed: string;
}

export type KeyRecoveryOptions = Record<string, never>;

export interface KeyRecoveryResult {
  id: string;
  recovery_key: string;
}

// ---- import, status, sync ----

export interface ImportOptions extends SourceOption {
  /** `backup_config.json`, or the folder of `archive.json`. Absolute. */
  path: ByteString;
  /** Folder of the `.enc` files. */
  files?: ByteString;
  /** The Python tool's key file. */
  legacyKey?: ByteString;
}

export interface ImportResult {
  snapshot: string | null;
  files: number;
  versions: number;
  damaged: PathProblem[];
}

export interface StatusOptions extends SourceOption {
  /** Milliseconds; older is exit 3 (`context.attention`). */
  maxAge?: number;
}

export interface StatusResult {
  source: string;
  last_backup: TimeText | null;
  targets: {
    name: string;
    reachable: boolean;
    last_success: TimeText | null;
    outstanding: number;
    newest_snapshot: TimeText | null;
  }[];
}

export interface SyncOptions {
  /** Names of targets; empty: all of the config. */
  targets: string[];
  dryRun: boolean;
}

export interface SyncRow {
  target: string;
  copied: number;
  bytes: number;
  outstanding: number;
  errors: { object: string; message: string }[];
}
