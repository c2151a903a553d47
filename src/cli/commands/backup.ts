import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { BackupOptions, BackupResult } from '../../archive/types.js';
import type { ByteString } from '../../bytes.js';
import { parseLimit } from '../../config/size.js';
import type { Config } from '../../config/types.js';
import { ExitCode, UserError } from '../../errors.js';
import { counted, humanBytes, humanDuration } from '../../report/human.js';
import { parseRfc3339 } from '../../report/time.js';
import { archivePath, decodeArgument } from '../arguments.js';
import { archivePaths, collect, dryRunOption, examples, requireTag, yesOption } from '../options.js';
import type { Output } from '../output.js';
import { shortId } from '../print.js';
import { printForget } from '../print-forget.js';
import type { Run } from '../registry.js';
import type { ProblemLines, Session } from '../session.js';

interface Flags {
  soft?: boolean;
  full?: boolean;
  hardRemove?: boolean;
  dryRun?: boolean;
  tag?: string[];
  exclude?: string[];
  yes?: boolean;
  acceptRollback?: boolean;
  acceptEmpty?: string[];
  filesFrom?: string;
  stdin?: boolean;
  name?: string;
  limitRead?: string;
  limitUpload?: string;
}

export function define(command: Command, run: Run): void {
  command
    .argument('[root...]', 'what to save (default: the roots of the config)')
    .option('--soft', 'read only files whose size, times or inode changed')
    .option('--full', 'read every file')
    .option('-r, --hard-remove', 'drop the history of the roots just saved');
  dryRunOption(command)
    .option('--tag <tag>', 'tag the snapshot (repeatable)', collect)
    .option('--exclude <pattern>', 'leave out what matches this gitignore pattern (repeatable)', collect);
  yesOption(command, 'confirm that roots gone from the config are retired')
    .option('--accept-rollback', 'go on though the store lacks snapshots that it had')
    .option('--accept-empty <root>', 'retire this root, present or not (repeatable)', collect)
    .option('--files-from <file>', 'save the paths in this file, one a line (- for stdin)')
    .option('--stdin', 'save standard input as the file --name')
    .option('--name <path>', 'the path that --stdin is saved as')
    .option('--limit-read <size>', 'read at most so many bytes per second, such as 20MiB')
    .option('--limit-upload <size>', 'write at most so many bytes per second to the store')
    .action((roots: string[], flags: Flags) =>
      run(async (session) => {
        const options = await optionsOf(roots, flags, session);
        const context = await session.context({ yes: flags.yes, dryRun: flags.dryRun });
        const config = withLimits(context.config, flags);
        const backup = await session.verb('backup');
        const result = await backup(
          { ...context, config },
          { ...options, hardRemove: options.hardRemove || config.hardRemove },
        );
        const { unreadable, changed_while_read } = result.files;
        const flawed = result.errors.length + result.silent_changes.length + unreadable + changed_while_read;
        session.mark(ExitCode.attention, flawed > 0);
        await session.printSummary(result, (r, out) => print(r, out, options.dryRun), silentChanges);
      }),
    );
  examples(
    command,
    ['backup', 'the roots of the config'],
    ['backup --full --tag before-upgrade', 'read everything, and tag the snapshot'],
    ['backup ~/Documents/thesis', 'only what lies there'],
    ['backup --stdin --name /db/dump.sql < dump.sql', 'what a program prints'],
  );
}

function withLimits(config: Config, { limitRead, limitUpload }: Flags): Config {
  return {
    ...config,
    ...(limitRead !== undefined && { limitRead: parseLimit(limitRead, '--limit-read') }),
    ...(limitUpload !== undefined && { limitUpload: parseLimit(limitUpload, '--limit-upload') }),
  };
}

async function optionsOf(roots: string[], flags: Flags, session: Session): Promise<BackupOptions> {
  if (flags.soft && flags.full)
    throw new UserError(ExitCode.usage, '--soft and --full were both given; give one of them');
  if (flags.stdin !== (flags.name === undefined ? undefined : true))
    throw new UserError(ExitCode.usage, '--stdin and --name PATH go together; give both or neither');
  if (flags.stdin && flags.filesFrom === '-')
    throw new UserError(ExitCode.usage, '--stdin and --files-from - both want standard input; name a file');
  return {
    mode: flags.soft ? 'soft' : flags.full ? 'full' : undefined,
    hardRemove: flags.hardRemove ?? false,
    dryRun: flags.dryRun ?? false,
    tags: tagsOf(flags),
    exclude: flags.exclude ?? [],
    acceptRollback: flags.acceptRollback ?? false,
    acceptEmpty: archivePaths(flags.acceptEmpty),
    roots: archivePaths(roots),
    filesFrom: flags.filesFrom === undefined ? undefined : await readPaths(flags.filesFrom, session),
    stdin: flags.name === undefined ? undefined : { stream: session.io.stdin, path: archivePath(flags.name) },
  };
}

function tagsOf({ tag: tags = [] }: Flags): string[] {
  for (const tag of tags) requireTag(tag, '--tag');
  return tags;
}

/** The paths in a file, one a line, as bytes; empty lines do not count. */
async function readPaths(file: string, session: Session): Promise<ByteString[]> {
  let content: Buffer;
  try {
    content =
      file === '-' ? await (await import('node:stream/consumers')).buffer(session.io.stdin) : readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(ExitCode.usage, `cannot read ${file} (${code}), which --files-from names; correct it`, {
      cause: error,
    });
  }
  const lines = decodeArgument(content).split(/\r?\n/);
  return archivePaths(lines.filter((line) => line !== ''));
}

/** Those of its problems that the verb does not warn of itself. */
const silentChanges: ProblemLines<BackupResult> = (result, path) =>
  result.silent_changes.map((item) => `changed silently: ${path(item)}`);

function print(result: BackupResult, out: Output, dryRun: boolean): void {
  const { files, bytes } = result;
  const all = files.new + files.changed + files.unchanged;
  const took = Number(((parseRfc3339(result.finished) ?? 0n) - (parseRfc3339(result.started) ?? 0n)) / 1_000_000n);
  const name = result.snapshot === null ? 'nothing saved (dry run)' : `snapshot ${shortId(result.snapshot)}`;
  out.line(`${name} of ${result.source}, ${result.mode}, in ${humanDuration(took)}`);
  out.line(
    `${counted(all, 'file')} in ${counted(result.dirs, 'directory', 'directories')}: ${files.new} new, ${files.changed} changed, ${files.unchanged} unchanged; ${files.removed} removed`,
  );
  out.line(
    `${humanBytes(bytes.scanned)} scanned, ${humanBytes(bytes.read)} read, ${humanBytes(bytes.new)} new, ${humanBytes(bytes.stored)} stored; the store has ${humanBytes(result.store_size)}`,
  );
  for (const problem of result.errors) out.line(`not saved: ${out.path(problem)}: ${problem.message}`);
  for (const line of silentChanges(result, (item) => out.path(item))) out.line(line);
  if (result.hard_remove) printForget(result.hard_remove, out, dryRun);
}
