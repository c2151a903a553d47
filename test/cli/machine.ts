import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type * as t from '../../src/archive/types.js';
import { type Circumstances, type Outcome, run, temporaryFolder } from './harness.js';

/** The JSON documents of the commands, by verb. */
interface Documents {
  init: t.InitResult;
  backup: t.BackupResult;
  snapshots: t.SnapshotRow[];
  find: t.FindMatch[];
  check: t.CheckResult;
  info: t.InfoResult;
  restore: t.RestoreResult;
}

/** A machine with a config, a store and a tree, whose command line runs in this process on a real archive. */
export class Machine {
  readonly folder = temporaryFolder();
  readonly config = join(this.folder, 'config.json');
  readonly store = join(this.folder, 'store');
  readonly tables = join(this.folder, 'tables');
  readonly key = join(this.folder, 'key');
  readonly tree = join(this.folder, 'tree');

  /** One that has a store, and a file in its tree. @param init more options for making the store */
  static async make(keys: object = {}, init: string[] = []): Promise<Machine> {
    const machine = new Machine();
    mkdirSync(machine.tree);
    machine.write('f', 'a file');
    machine.configure(keys);
    await machine.json('init', ['--no-recovery', ...init]);
    return machine;
  }

  /** Writes the config: the usual paths, and `keys`. */
  configure(keys: object = {}): void {
    const usual = {
      table_dir: this.tables,
      file_dir: this.store,
      key_path: this.key,
      backup_roots: [this.tree],
      restore_dir: join(this.folder, 'restored'),
      source: 'test',
    };
    writeFileSync(this.config, JSON.stringify({ ...usual, ...keys }));
  }

  /** Writes a file of the tree; its path. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.tree, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Runs a command, its verb real. */
  run(args: string[], circumstances: Circumstances = {}): Promise<Outcome> {
    return run([...args, '--config', this.config], { real: true, ...circumstances });
  }

  /** Runs a command that must end with `code`; its JSON document. */
  async json<V extends keyof Documents>(
    verb: V,
    args: string[] = [],
    code = 0,
    circumstances: Circumstances = {},
  ): Promise<Documents[V]> {
    const outcome = await this.run([verb, '--json', ...args], circumstances);
    expect(outcome.code, `${verb} ${args.join(' ')}\n${outcome.stderr}${outcome.stdout}`).toBe(code);
    return JSON.parse(outcome.stdout);
  }

  /** Every object of the store with its size. */
  objects(): Map<string, number> {
    const files = readdirSync(this.store, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    return new Map(
      files.map(({ parentPath, name }) => [join(parentPath, name), statSync(join(parentPath, name)).size]),
    );
  }
}
