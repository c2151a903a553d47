import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect } from 'vitest';
import { backup } from '../../../src/archive/backup.js';
import { check } from '../../../src/archive/check.js';
import { cleanupSoft } from '../../../src/archive/cleanup.js';
import { forget } from '../../../src/archive/forget.js';
import { history } from '../../../src/archive/history.js';
import { init } from '../../../src/archive/init.js';
import { keyAdd } from '../../../src/archive/key.js';
import { prune } from '../../../src/archive/prune.js';
import { purge } from '../../../src/archive/purge.js';
import { restore } from '../../../src/archive/restore.js';
import { snapshots } from '../../../src/archive/snapshots.js';
import type { BackupResult, SnapshotRow } from '../../../src/archive/types.js';
import { type Outcome, run } from '../../cli/harness.js';
import { type Files, filesBelow, noise } from '../../support/files.js';

const verbs = { backup, check, cleanupSoft, forget, history, init, keyAdd, prune, purge, restore, snapshots };

const made: string[] = [];
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A machine with a key and a catalog of its own. */
export class Machine {
  readonly name: string;
  private readonly folder: string;

  constructor(folder: string, name: string) {
    this.folder = folder;
    this.name = name;
  }

  run(verb: string, ...args: string[]): Promise<Outcome> {
    const [name, ...more] = verb.split(' ');
    return run([name!, ...more, '--config', join(this.folder, `${this.name}.json`), ...args], { verbs });
  }

  async json<T>(code: number, verb: string, ...args: string[]): Promise<T> {
    const outcome = await this.run(verb, '--json', ...args);
    expect(outcome.code, `${verb} ${args.join(' ')}: ${outcome.stderr.slice(-2000)}${outcome.stdout}`).toBe(code);
    return JSON.parse(outcome.stdout) as T;
  }

  backup(code = 0): Promise<BackupResult> {
    return this.json(code, 'backup', '--soft');
  }

  /** The snapshots of a source, as the store has them now. */
  async snapshots(source: string): Promise<SnapshotRow[]> {
    await this.json(0, 'check');
    return this.json(0, 'snapshots', '--source', source);
  }

  /** What is doomed goes, and what is not needed is doomed. */
  prune(): Promise<{ packs_deleted: number; packs_rewritten: number }> {
    return this.json(0, 'prune', '--grace', '0s', '--max-unused', '0');
  }

  async forget(...args: string[]): Promise<void> {
    await this.json(0, 'forget', ...args, '--no-prune', '--yes');
  }

  /** A snapshot as it comes back; all of it must. */
  async restore(snapshot: string, source: string): Promise<Files> {
    const target = mkdtempSync(join(this.folder, 'restored-'));
    await this.json(0, 'restore', '--snapshot', snapshot, '--source', source, '--target', target);
    return filesBelow(target);
  }
}

/**
 * A shared store with two machines. `a` has made two snapshots: `x` (most of its pack's bytes) lies in the first alone,
 * `y` and small files in both. `b` has a full key of its own; `a` one of the role asked for.
 */
export class Site {
  readonly folder: string;
  readonly a: Machine;
  readonly b: Machine;
  private readonly tree: string;

  private constructor(folder: string, tree: string) {
    this.folder = folder;
    this.tree = tree;
    this.a = new Machine(folder, 'a');
    this.b = new Machine(folder, 'b');
  }

  static async make(role: 'full' | 'backup'): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), 'bn-site-'));
    made.push(folder);
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'a'), { recursive: true });
    mkdirSync(join(tree, 'b'));
    for (const name of ['a', 'b']) {
      const paths = { table_dir: `./tables-${name}`, file_dir: './store', key_path: `./key-${name}` };
      const config = { ...paths, restore_dir: './restored', source: name, backup_roots: [join(tree, name)] };
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(config));
    }
    const site = new Site(folder, tree);
    site.write('x', X);
    site.write('y', noise(60_000, 2).toString('latin1'));
    for (let i = 0; i < 30; i++) site.write(`small ${i}`, `small ${i}\n`);
    writeFileSync(join(tree, 'b', 'z'), noise(50_000, 3).toString('latin1'));
    // Files that changed a moment ago would be read again each time; a catalog made anew knows whole seconds only.
    await new Promise((resolve) => setTimeout(resolve, 3100));
    await site.b.json(0, 'init', '--shared', '--no-recovery');
    const sources = role === 'backup' ? ['--source', 'a'] : [];
    await site.b.json(0, 'key add', '--role', role, '--key-file', join(folder, 'key-a'), ...sources);
    await site.a.backup();
    rmSync(join(tree, 'a', 'x'));
    await site.a.backup();
    await site.b.backup();
    return site;
  }

  /** The same store and machines anew; the tree is the very one. */
  copy(): Site {
    const folder = mkdtempSync(join(tmpdir(), 'bn-site-'));
    made.push(folder);
    for (const name of readdirSync(this.folder))
      if (name !== 'tree' && !name.startsWith('restored-'))
        cpSync(join(this.folder, name), join(folder, name), { recursive: true, preserveTimestamps: true });
    return new Site(folder, this.tree);
  }

  /** Writes a file of `a`, as if long ago. */
  write(name: string, content: string): void {
    const path = join(this.tree, 'a', name);
    writeFileSync(path, content, 'latin1');
    utimesSync(path, 1_600_000_000, 1_600_000_000);
  }

  remove(name: string): void {
    rmSync(join(this.tree, 'a', name), { force: true });
  }

  /** Where a file of `a` lies. */
  path(name: string): string {
    return join(this.tree, 'a', name);
  }

  /** What `a` has on disk. */
  get disk(): Files {
    return filesBelow(join(this.tree, 'a'));
  }

  objects(folder: string): string[] {
    const path = join(this.folder, 'store', folder);
    if (!existsSync(path)) return [];
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort();
  }

  /** `b` forgets the first snapshot of `a`, and says by a tombstone that most packs of `a` are to go. */
  async doom(): Promise<void> {
    await this.forgetFirst();
    await this.b.prune();
    expect(this.objects('tombstones')).toHaveLength(1);
  }

  /** Forgets the first snapshot of `a`, which alone holds `x`; nothing is pruned yet. */
  async forgetFirst(): Promise<void> {
    const [first] = await this.b.snapshots('a');
    await this.b.forget(first!.id, '--source', 'a');
  }

  /**
   * When all that is not needed has gone, every snapshot that counts is whole, the newest as the disk is, and nothing is
   * pending.
   */
  async expectWhole(): Promise<void> {
    await this.b.prune();
    await this.b.prune();
    await this.b.json(0, 'check', '--read-data');
    const rows = await this.b.json<SnapshotRow[]>(0, 'snapshots', '--source', 'a');
    expect(rows.some(({ pending }) => pending)).toBe(false);
    for (const { id } of rows.slice(0, -1)) await this.b.restore(id, 'a');
    const newest = await this.b.restore('latest', 'a');
    expect(new Set([...newest].map(([path, content]) => `${relative(this.tree.slice(1), path)} ${content}`))).toEqual(
      new Set([...this.disk].map(([path, content]) => `a/${path} ${content}`)),
    );
  }
}

/** The content of `x`. */
export const X = noise(400_000, 1).toString('latin1');
