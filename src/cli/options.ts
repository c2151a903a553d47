import type { Command } from 'commander';
import type { SourceOption, SourcesOption } from '../archive/types.js';
import type { ByteString } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { archivePath } from './arguments.js';

/** Collects a repeatable option. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** `--source NAME` of commands that read. */
export function sourceOption(command: Command): Command {
  return command.option('--source <name>', "the source meant (default: this machine's)");
}

/** `--source NAME` and `--all-sources` of commands that forget. */
export function sourcesOptions(command: Command): Command {
  return sourceOption(command).option('--all-sources', 'act on every source');
}

export interface SourcesFlags extends SourceOption {
  allSources?: boolean;
}

export function sourcesOf(flags: SourcesFlags): SourcesOption {
  if (flags.source !== undefined && flags.allSources)
    throw new UserError(ExitCode.usage, '--source and --all-sources were both given; give one of them');
  return { source: flags.source, allSources: flags.allSources ?? false };
}

export function dryRunOption(command: Command): Command {
  return command.option('-n, --dry-run', 'say what would be done, and do nothing');
}

export function yesOption(command: Command, what = 'do not ask'): Command {
  return command.option('-y, --yes', what);
}

/** What commands share that forget: sources, `--dry-run`, `--yes`, `--no-prune`. */
export function forgettingOptions(command: Command): Command {
  return yesOption(dryRunOption(sourcesOptions(command))).option(
    '--no-prune',
    'leave the space to a later `backup-ninja prune`',
  );
}

export interface ForgettingFlags extends SourcesFlags {
  dryRun?: boolean;
  yes?: boolean;
  prune: boolean;
}

export function forgettingOf(flags: ForgettingFlags) {
  return { ...sourcesOf(flags), dryRun: flags.dryRun ?? false, prune: flags.prune };
}

export function snapshotOption(command: Command): Command {
  return command.option('-s, --snapshot <snapshot>', 'latest, an id or its beginning, or a date', 'latest');
}

/** A whole number of at least `least`. @throws UserError (usage) */
export function wholeNumber(text: string, name: string, least = 0): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least))
    throw new UserError(ExitCode.usage, `${name}: cannot read \`${text}\`; expected a whole number from ${least}`);
  return value;
}

/** Refuses a tag that `--keep-tag`, which takes several with commas between them, could not name. @throws UserError (usage) */
export function requireTag(tag: string, option: string): void {
  if (tag.trim() === tag && tag !== '' && !tag.includes(',')) return;
  throw new UserError(
    ExitCode.usage,
    `${option}: \`${tag}\` is no tag; give one that is not empty, without commas and without white space around it`,
  );
}

/** Absolute archive paths of arguments. */
export function archivePaths(args: readonly string[] = []): ByteString[] {
  return args.map((arg) => archivePath(arg));
}

/** Examples at the end of a command's help: pairs of a command line and what it does. */
export function examples(command: Command, ...pairs: [line: string, does: string][]): Command {
  const lines = pairs.map(([line, does]) => `  $ backup-ninja ${line}\n      ${does}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
