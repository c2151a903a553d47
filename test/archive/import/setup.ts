import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect } from 'vitest';
import { backup } from '../../../src/archive/backup.js';
import { catalogRebuild } from '../../../src/archive/catalog.js';
import { check } from '../../../src/archive/check.js';
import { find } from '../../../src/archive/find.js';
import { history } from '../../../src/archive/history.js';
import { importLegacy } from '../../../src/archive/import.js';
import { init } from '../../../src/archive/init.js';
import { ls } from '../../../src/archive/ls.js';
import { restore } from '../../../src/archive/restore.js';
import { snapshots } from '../../../src/archive/snapshots.js';
import type { HistoryResult } from '../../../src/archive/types.js';
import { run } from '../../cli/harness.js';
import { sha256 } from '../../legacy/generate.js';

const verbs = { backup, catalogRebuild, check, find, history, importLegacy, init, ls, restore, snapshots };

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that goes when the test file is done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  folders.push(folder);
  return folder;
}

/** A store of its own with its config, and the commands on it. */
export class Setup {
  readonly dir = temporaryFolder();
  readonly env = { BACKUP_NINJA_CONFIG: join(this.dir, 'config.json') };

  static async make(...roots: string[]): Promise<Setup> {
    const setup = new Setup();
    const at = (name: string) => join(setup.dir, name);
    const paths = { table_dir: at('table'), file_dir: at('store'), key_path: at('key'), restore_dir: at('restored') };
    writeFileSync(setup.env.BACKUP_NINJA_CONFIG, JSON.stringify({ ...paths, backup_roots: roots }));
    await setup.json(0, 'init', '--no-recovery');
    return setup;
  }

  run(...args: string[]) {
    return run(args, { verbs, env: this.env });
  }

  /** The JSON document of a command that ends with this code. */
  async json<T>(code: number, ...args: string[]): Promise<T> {
    const outcome = await this.run(...args, '--json');
    expect(outcome.code, `${args.join(' ')}: ${outcome.stderr}${outcome.stdout}`).toBe(code);
    return JSON.parse(outcome.stdout) as T;
  }

  async versions(path: string, ...args: string[]): Promise<HistoryResult['versions']> {
    return (await this.json<HistoryResult>(0, 'history', path, ...args)).versions;
  }

  /** Years in which the versions of a path came and went, and what keeps them. */
  async years(path: string): Promise<(string | null)[][]> {
    const year = (time: string | null) => time?.slice(0, 4) ?? null;
    return (await this.versions(path)).map(({ from, to, kept_by }) => [year(from), year(to), kept_by]);
  }

  /** Restores into a new folder: path → SHA-256. */
  async restore(...args: string[]): Promise<Record<string, string>> {
    const target = mkdtempSync(join(this.dir, 'out-'));
    await this.json(0, 'restore', '--target', target, ...args);
    const files = readdirSync(target, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return sorted(files.map((file) => [`/${relative(target, file)}`, sha256(readFileSync(file))]));
  }

  /** Decrypted files that were not cleared away. */
  leftovers(): string[] {
    return readdirSync(join(this.dir, 'table')).filter((name) => name.startsWith('import-'));
  }

  async rebuild(): Promise<void> {
    rmSync(join(this.dir, 'table'), { recursive: true });
    expect((await this.run('catalog', 'rebuild')).code).toBe(0);
  }
}

/** An object with its keys in order. */
export function sorted(pairs: [string, string][]): Record<string, string> {
  return Object.fromEntries(pairs.sort());
}
