import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import type * as t from '../../src/archive/types.js';
import { type Outcome, type RunOptions, runProgram, temporaryFolder } from './cli.js';

/** The JSON documents of the commands, by verb. */
export interface Documents {
  init: t.InitResult;
  backup: t.BackupResult;
  snapshots: t.SnapshotRow[];
  ls: t.LsEntry[];
  find: t.FindMatch[];
  history: t.HistoryResult;
  diff: t.DiffResult;
  restore: t.RestoreResult;
  check: t.CheckResult;
  info: t.InfoResult;
  catalog: t.CatalogRebuildResult;
}

export interface Settings {
  /** Folder for everything but the roots; a fresh one when not given. */
  folder?: string;
  /** Backup roots; default: `tree` in the folder, which is made. */
  roots?: string[];
  /** More keys of the config. */
  config?: object;
  /** More options for `init`. */
  init?: string[];
  /** The archive of another machine: its store is shared, the rest is its own. */
  store?: string;
  /** Environment of every run. */
  env?: Record<string, string>;
  /** A command line in front of every run's. */
  under?: string[];
}

/** One machine's view of a store: its config, catalog and key, in a folder of their own. */
export class Archive {
  readonly folder: string;
  readonly config: string;
  readonly store: string;
  readonly tables: string;
  readonly key: string;
  readonly tree: string;
  readonly home: string;
  recoveryKey = '';
  /** Put before every run's options. */
  env: Record<string, string>;
  under: string[];

  constructor(settings: Settings = {}) {
    this.folder = settings.folder ?? temporaryFolder();
    mkdirSync(this.folder, { recursive: true });
    this.config = join(this.folder, 'config.json');
    this.store = settings.store ?? join(this.folder, 'store');
    this.tables = join(this.folder, 'tables');
    this.key = join(this.folder, 'key');
    this.tree = settings.roots?.[0] ?? join(this.folder, 'tree');
    this.home = join(this.folder, 'home');
    this.env = settings.env ?? {};
    this.under = settings.under ?? [];
    if (settings.roots === undefined) mkdirSync(this.tree, { recursive: true });
    this.configure({ backup_roots: settings.roots ?? [this.tree], ...settings.config });
  }

  /** Makes a store, too. */
  static async make(settings: Settings = {}): Promise<Archive> {
    const archive = new Archive(settings);
    const result = await archive.json('init', settings.init ?? []);
    archive.recoveryKey = result.recovery_key ?? '';
    return archive;
  }

  /** Writes the config anew: the usual paths, and `keys`. */
  configure(keys: object): void {
    const usual = {
      table_dir: this.tables,
      file_dir: this.store,
      key_path: this.key,
      hard_remove: false,
      restore_dir: join(this.folder, 'restored'),
      source: 'test',
    };
    writeFileSync(this.config, JSON.stringify({ ...usual, ...keys }));
  }

  /** Runs the command line with this archive's config. */
  run(args: string[], options: RunOptions = {}): Promise<Outcome> {
    const [verb, ...rest] = args;
    return runProgram(this.home, [verb!, '--config', this.config, ...rest], {
      under: this.under,
      ...options,
      env: { ...this.env, ...options.env },
    });
  }

  /** Runs a command that must end with `code`; its JSON document. */
  async json<V extends keyof Documents>(
    verb: V,
    args: string[] = [],
    code = 0,
    options: RunOptions = {},
  ): Promise<Documents[V]> {
    const outcome = await this.run([verb, '--json', ...args], options);
    expect(
      outcome.code,
      `${verb} ${args.join(' ')}\n${outcome.stderr.slice(-3000)}${outcome.stdout.slice(-3000)}`,
    ).toBe(code);
    return JSON.parse(outcome.stdout);
  }

  /** A backup that must go well, or end with `code`. */
  backup(args: string[] = [], code = 0, options: RunOptions = {}): Promise<t.BackupResult> {
    return this.json('backup', args, code, options);
  }

  /** Restores everything to `target`; where the tree is then. */
  async restore(target: string, args: string[] = [], code = 0): Promise<string> {
    await this.json('restore', ['--target', target, ...args], code);
    return join(target, this.tree);
  }

  /** Every byte of the store is opened and compared: nothing may be found. */
  async checkAll(): Promise<t.CheckResult> {
    const result = await this.json('check', ['--read-data']);
    expect(result.problems).toEqual([]);
    expect(result.ok).toBe(true);
    return result;
  }

  /** The store's files with their sizes, by path within it; all of them. */
  files(folder = ''): Map<string, number> {
    const found = new Map<string, number>();
    for (const file of filesBelow(join(this.store, folder))) found.set(relative(this.store, file), statSync(file).size);
    return found;
  }

  /** The store's objects (and plain files) with their sizes, without what running and killed programs left. */
  objects(): Map<string, number> {
    return new Map([...this.files()].filter(([path]) => path !== 'lock' && !path.startsWith('tmp/')));
  }

  /** Paths of the store's packs. */
  packs(): string[] {
    return [...this.files('packs').keys()].map((path) => join(this.store, path));
  }

  /** Bytes of all files in the store. */
  size(): number {
    return [...this.files().values()].reduce((sum, size) => sum + size, 0);
  }

  /** No run left anything half made: neither temporaries nor a lock that somebody holds. */
  expectTidy(): void {
    const names = (folder: string) => filesBelow(folder).map((file) => relative(folder, file));
    expect(names(join(this.store, 'tmp'))).toEqual([]);
    const plain =
      /^(lock|config\.json|README\.txt|restore\.html|(keys|certs|packs|index|snapshots|records|tombstones)\/)/;
    expect(names(this.store).filter((name) => !plain.test(name))).toEqual([]);
    expect(names(this.tables).filter((name) => /tmp|temp|\.new|stage|spool/i.test(name))).toEqual([]);
  }
}

/** Paths of all files below a folder, sorted; none when it is missing. */
export function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
