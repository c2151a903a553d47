import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import type { InitResult, SecretKind } from '../../archive/types.js';
import { type FoundConfig, findConfig } from '../../config/find.js';
import { expandPath, isUrl, type Surroundings } from '../../config/paths.js';
import type { Config } from '../../config/types.js';
import { ExitCode, UserError } from '../../errors.js';
import { requireNamed } from '../arguments.js';
import { collect, examples } from '../options.js';
import type { Output } from '../output.js';
import type { Run } from '../registry.js';

interface Flags {
  store?: string;
  root?: string[];
  keyFile?: string;
  passphrase?: boolean;
  /** `true` with --recovery, `false` with --no-recovery, undefined without either. */
  recovery?: boolean;
  shared?: boolean;
}

export function define(command: Command, run: Run): void {
  command
    .option('--store <store>', 'a folder or a URL: where the archive is to be kept')
    .option('--root <dir>', 'what is to be backed up (repeatable)', collect)
    .option('--key-file <file>', 'unlock by this key file; made when missing')
    .option('--passphrase', 'unlock by a passphrase')
    .option('--recovery', 'join an existing store with its recovery key')
    .option('--no-recovery', 'make no recovery key')
    .option('--shared', 'several machines will write to this folder at once')
    .action((flags: Flags) =>
      run(async (session) => {
        for (const path of [flags.store, flags.keyFile, ...(flags.root ?? [])])
          if (path !== undefined) requireNamed(path);
        const found = findConfig(session.globals.config, session.around);
        const { config, text } = await (found.exists ? present : fresh)(found, flags, session.around);
        const init = await session.verb('init');
        const result = await init(session.contextFor(config, found.file), {
          unlockWith: unlockWith(flags),
          recovery: flags.recovery !== false,
          shared: flags.shared ?? false,
        });
        if (text !== undefined) {
          const { writeDefaultConfig } = await import('../../config/write.js');
          writeDefaultConfig(found.file, text);
          result.created.config = true;
        }
        await session.print(result, (r, out) => print(r, out, session.quiet));
      }),
    );
  examples(
    command,
    [
      'init --store /mnt/backup/store --root ~/Documents',
      'a store in a folder, with a new key file and a recovery key',
    ],
    ['init --store s3://bucket/prefix --root ~ --passphrase', 'a store in a bucket, opened by a passphrase'],
    ['init -c new.json --store /mnt/backup/store --recovery', 'another machine joins the store with its recovery key'],
  );
}

function unlockWith(flags: Flags): SecretKind {
  const given = [
    flags.keyFile !== undefined && '--key-file',
    flags.passphrase && '--passphrase',
    flags.recovery && '--recovery',
  ];
  const [first, second] = given.filter((option) => typeof option === 'string');
  if (second !== undefined)
    throw new UserError(ExitCode.usage, `${first} and ${second} were both given; give one of them`);
  return flags.passphrase ? 'passphrase' : flags.recovery ? 'recovery' : 'key-file';
}

/** The config is there: it is left as it is, and options may only say what it says. */
async function present(
  { file }: FoundConfig,
  flags: Flags,
  around: Surroundings,
): Promise<{ config: Config; text?: string }> {
  const { loadConfig } = await import('../../config/load.js');
  const config = await loadConfig(file, around);
  const differs = (option: string, key: string) => {
    throw new UserError(
      ExitCode.usage,
      `${option} is not what key \`${key}\` of ${file} says, and an existing config is never changed; edit it, or name another with --config`,
    );
  };
  const path = (text: string) => expandPath(text, around.cwd, 'option', around, true);
  if (flags.store !== undefined && (isUrl(flags.store) ? flags.store : path(flags.store)) !== config.store.url)
    differs('--store', 'file_dir');
  if (flags.keyFile !== undefined && path(flags.keyFile) !== config.keyPath) differs('--key-file', 'key_path');
  if (flags.root?.some((root) => !config.backupRoots.includes(path(root)))) differs('--root', 'backup_roots');
  return { config };
}

/** The config is to be made: after the verb, so that a wrong key leaves nothing behind. */
async function fresh(
  { file }: FoundConfig,
  flags: Flags,
  around: Surroundings,
): Promise<{ config: Config; text?: string }> {
  if (flags.store === undefined)
    throw new UserError(
      ExitCode.usage,
      `no config at ${file} and no store named; give --store with a folder or URL to keep the archive in`,
    );
  requireWritable(file);
  const { defaultConfigText } = await import('../../config/write.js');
  const { configFromText } = await import('../../config/load.js');
  const wish = { store: flags.store, roots: flags.root ?? [], keyPath: flags.keyFile };
  const text = defaultConfigText(file, wish, around);
  return { config: await configFromText(text, file, around), text };
}

/** Finds out before the store is made that the config could not be written after it. */
function requireWritable(file: string): void {
  let folder = dirname(file);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    // With the dot a file in a folder's place is an error too.
    accessSync(`${folder}/.`, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(
      ExitCode.failed,
      `cannot write the config file ${file}: ${folder} takes no files (${code}); name another with --config`,
      { cause: error },
    );
  }
}

function print(result: InitResult, out: Output, quiet: boolean): void {
  const state = (made: boolean) => (made ? 'made' : 'was there');
  if (!quiet) {
    out.line(`config  ${result.config} (${state(result.created.config)})`);
    out.line(`key     ${result.key === null ? 'a passphrase' : `${result.key} (${state(result.created.key)})`}`);
    out.line(`store   ${result.store} (${state(result.created.store)})`);
  }
  if (result.recovery_key === undefined) return;
  out.line();
  out.line('Recovery key: it opens everything, and is shown this once. Print it, and keep it away from this machine.');
  out.line();
  for (const line of result.recovery_key.split('\n')) out.line(`    ${line}`);
  if (result.restore_html_sha256 === undefined) return;
  out.line();
  out.line(
    'Print this too: the SHA-256 of restore.html in the store. Compare it before you type a key into that page.',
  );
  out.line();
  out.line(`    ${result.restore_html_sha256}`);
}
