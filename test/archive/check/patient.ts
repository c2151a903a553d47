import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect } from 'vitest';
import { backup } from '../../../src/archive/backup.js';
import { catalogRebuild } from '../../../src/archive/catalog.js';
import { check } from '../../../src/archive/check.js';
import { cleanupSoft } from '../../../src/archive/cleanup.js';
import { find } from '../../../src/archive/find.js';
import { forget } from '../../../src/archive/forget.js';
import { init } from '../../../src/archive/init.js';
import { keyAdd, keyList, keyRemove } from '../../../src/archive/key.js';
import { ls } from '../../../src/archive/ls.js';
import { prune } from '../../../src/archive/prune.js';
import { restore } from '../../../src/archive/restore.js';
import { snapshots } from '../../../src/archive/snapshots.js';
import { tag } from '../../../src/archive/tag.js';
import type { CheckProblem, CheckResult, RestoreResult, SnapshotRow } from '../../../src/archive/types.js';
import type { Folder } from '../../../src/store/index.js';
import { type Outcome, run } from '../../cli/harness.js';
import { type Files, filesBelow, noise } from '../../support/files.js';

const verbs = {
  backup,
  catalogRebuild,
  check,
  cleanupSoft,
  find,
  forget,
  init,
  keyAdd,
  keyList,
  keyRemove,
  ls,
  prune,
  restore,
  snapshots,
  tag,
};

const made: string[] = [];
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A store with two snapshots, to be harmed and mended. */
export class Patient {
  readonly folder: string;
  /** What was on disk at the first and at the second backup. */
  readonly first: Files;
  readonly second: Files;
  recoveryKey = '';

  private constructor(folder: string, first: Files, second: Files) {
    this.folder = folder;
    this.first = first;
    this.second = second;
  }

  /** `small file n`, `noise` and `gone` in two folders; between the backups `changed` changes and `gone` goes. */
  static async make(...initOptions: string[]): Promise<Patient> {
    const folder = mkdtempSync(join(tmpdir(), 'bn-patient-'));
    made.push(folder);
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'deep/er'), { recursive: true });
    for (let i = 0; i < 150; i++) writeFileSync(join(tree, i % 2 ? 'deep' : '', `small file ${i}`), `small ${i}\n`);
    writeFileSync(join(tree, 'deep/er/noise'), noise(2_500_000, 1));
    writeFileSync(join(tree, 'gone'), noise(300_000, 2));
    writeFileSync(join(tree, 'changed'), noise(200_000, 3));
    settle(tree);
    const paths = { table_dir: './tables', file_dir: './store', key_path: './key', restore_dir: './restored' };
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...paths, source: 'test', backup_roots: [tree] }));
    const empty: Files = new Map();
    const patient = new Patient(folder, empty, empty);
    const { recovery_key } = await patient.json<{ recovery_key: string }>('init', initOptions, 0);
    await patient.json('backup', [], 0);
    const first = filesBelow(tree);
    rmSync(join(tree, 'gone'));
    writeFileSync(join(tree, 'changed'), noise(250_000, 4));
    writeFileSync(join(tree, 'new'), noise(280_000, 5));
    settle(tree);
    await patient.json('backup', [], 0);
    for (const name of ['one', 'two']) await patient.json('tag', ['latest', '--add', name], 0);
    const whole = new Patient(folder, first, filesBelow(tree));
    whole.recoveryKey = recovery_key;
    return whole;
  }

  get tree(): string {
    return join(this.folder, 'tree');
  }

  /** Brings store and tables (and the tree) to a copy's state. */
  copy(): Patient {
    const folder = mkdtempSync(join(tmpdir(), 'bn-patient-'));
    made.push(folder);
    for (const name of ['store', 'tables', 'key']) {
      const options = { recursive: true, preserveTimestamps: true };
      cpSync(join(this.folder, name), join(folder, name), options);
    }
    const config = JSON.parse(readFileSync(join(this.folder, 'config.json'), 'utf8'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    return new Patient(folder, this.first, this.second);
  }

  run(verb: string, args: string[] = [], env: Record<string, string> = {}): Promise<Outcome> {
    const [name, ...more] = verb.split(' ');
    return run([name!, ...more, '--config', join(this.folder, 'config.json'), ...args], { verbs, env });
  }

  async json<T>(verb: string, args: string[], code: number, env: Record<string, string> = {}): Promise<T> {
    const outcome = await this.run(verb, ['--json', ...args], env);
    const told = `${verb} ${args.join(' ')}: ${outcome.stderr.slice(-2000)}${outcome.stdout.slice(0, 3000)}`;
    expect(outcome.code, told).toBe(code);
    return JSON.parse(outcome.stdout) as T;
  }

  check(args: string[] = [], code = 0): Promise<CheckResult> {
    return this.json('check', args, code);
  }

  repair(code = 0, args: string[] = ['--read-data']): Promise<CheckResult> {
    return this.json('check', ['--repair', ...args], code);
  }

  snapshots(): Promise<SnapshotRow[]> {
    return this.json('snapshots', [], 0);
  }

  /**
   * Restores a snapshot; what came back, and what was said not to.
   * @param code the exit code; default: 3 when something did not come back, else 0
   */
  async restore(snapshot: string, code?: 0 | 3): Promise<{ files: Files; lost: string[] }> {
    const target = mkdtempSync(join(this.folder, 'restored-'));
    const outcome = await this.run('restore', ['--json', '--snapshot', snapshot, '--target', target]);
    const result = JSON.parse(outcome.stdout) as RestoreResult;
    expect(outcome.code, outcome.stderr.slice(-2000)).toBe(code ?? (result.errors.length > 0 ? 3 : 0));
    const folder = this.treeIn(target);
    const lost = result.errors.map(({ path }) => relative(this.root(), path));
    return { files: existsSync(folder) ? filesBelow(folder) : new Map(), lost: lost.sort() };
  }

  /** Restores a snapshot, which must bring back all files but those that are named, and those as they were. */
  async expectRest(snapshot: string, was: Files, lost: string[]): Promise<void> {
    const is = await this.restore(snapshot, lost.length === 0 ? 0 : 3);
    expect(is.lost).toEqual([...lost].sort());
    for (const [path, content] of was)
      if (!lost.includes(path)) expect(is.files.get(path) === content, `${path} is as it was`).toBe(true);
  }

  /** Restores a snapshot, of which at most the files that are named may be lost. */
  async expectMost(snapshot: string, was: Files, hurt: string[]): Promise<{ lost: string[] }> {
    const is = await this.restore(snapshot);
    expect(hurt).toEqual(expect.arrayContaining(is.lost));
    for (const [path, content] of was)
      if (!is.lost.includes(path)) expect(is.files.get(path) === content, `${path} is as it was`).toBe(true);
    return is;
  }

  /** Objects of a folder, oldest first; of packs those that hold data or metadata, by size. */
  objects(folder: Folder): string[] {
    const found: string[] = [];
    for (const entry of readdirSync(join(this.folder, 'store', folder), { recursive: true, withFileTypes: true }))
      if (entry.isFile()) found.push(join(entry.parentPath, entry.name));
    return found.sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
  }

  /** The pack of the first backup with the files' contents, or with metadata. */
  pack(kind: 'data' | 'meta', backup: 0 | 1 = 0): string {
    const ofKind = this.objects('packs').filter((path) => readFileSync(path)[4] === (kind === 'data' ? 3 : 4));
    return ofKind[backup === 0 ? 0 : ofKind.length - 1]!;
  }

  /** As `check` names an object. */
  name(path: string): string {
    return relative(join(this.folder, 'store'), path);
  }

  /** Paths that a problem hurts, within the tree. */
  paths(problems: readonly CheckProblem[]): string[] {
    const all = problems.flatMap(({ paths }) => paths.map((path) => relative(this.root(), String(path))));
    return [...new Set(all)].sort();
  }

  private root(): string {
    return JSON.parse(readFileSync(join(this.folder, 'config.json'), 'utf8')).backup_roots[0];
  }

  private treeIn(target: string): string {
    return join(target, this.root());
  }
}

/** Files from long ago, so that the next soft backup does not read them again. */
function settle(tree: string): void {
  for (const [path, content] of filesBelow(tree)) {
    const time = new Date(1_500_000_000_000 + content.length * 1000);
    utimesSync(join(tree, path), time, time);
  }
}

/** Turns one bit at a place, counted from the end when negative. */
export function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place]! ^= 4;
  writeFileSync(path, bytes);
}

/** Turns many bits at a place: more than trying could put right. */
export function scramble(path: string, at: number, length = 8): void {
  const bytes = readFileSync(path);
  const place = at < 0 ? bytes.length + at : at;
  for (let i = place; i < place + length && i < bytes.length; i++) bytes[i]! ^= 0xa5;
  writeFileSync(path, bytes);
}

export function cut(path: string, share = 0.6): void {
  truncateSync(path, Math.floor(statSync(path).size * share));
}

export function swap(a: string, b: string): void {
  renameSync(a, `${a}.x`);
  renameSync(b, a);
  renameSync(`${a}.x`, b);
}
