import { type Command, Option } from 'commander';
import type { RestoreOptions, RestoreResult } from '../../archive/types.js';
import { fromDisplay } from '../../bytes.js';
import type { Config } from '../../config/types.js';
import { ExitCode, UserError } from '../../errors.js';
import { counted, humanBytes } from '../../report/human.js';
import { archivePath } from '../arguments.js';
import { archivePaths, collect, dryRunOption, examples, snapshotOption, sourceOption, yesOption } from '../options.js';
import type { Output } from '../output.js';
import type { Run } from '../registry.js';
import type { ProblemLines } from '../session.js';

interface Flags {
  snapshot: string;
  source?: string;
  target?: string;
  map?: string[];
  overwrite: RestoreOptions['overwrite'];
  versionId?: string;
  deleted?: boolean;
  delete?: boolean;
  include?: string[];
  exclude?: string[];
  dryRun?: boolean;
  verify?: boolean;
  numericOwner?: boolean;
  yes?: boolean;
}

export function define(command: Command, run: Run): void {
  command.argument('[path...]', 'what to restore (default: everything)');
  sourceOption(snapshotOption(command))
    .option('-t, --target <dir>', 'where to: files land at DIR + their path (default: restore_dir of the config)')
    .option('--map <from=to>', 'what lay at FROM lands at TO instead (repeatable)', collect)
    .addOption(
      new Option('--overwrite <when>', 'what to do with files that are there')
        .choices(['always', 'if-changed', 'never'])
        .default('if-changed'),
    )
    .option('--version-id <id>', 'one version of one path, as `history` names it')
    .option('--deleted', 'add what is no longer active: the last version of each path')
    .option('--delete', 'remove what the snapshot does not have (asks)')
    .option('--include <pattern>', 'only what matches (repeatable)', collect)
    .option('--exclude <pattern>', 'not what matches (repeatable)', collect)
    .option('--verify', 'read every restored file again and compare')
    .option('--numeric-owner', 'owners by number, not by name: for a system that is not the running one');
  yesOption(dryRunOption(command)).action((paths: string[], flags: Flags) =>
    run(async (session) => {
      if (flags.versionId !== undefined && paths.length !== 1)
        throw new UserError(ExitCode.usage, '--version-id takes one version of one path; give exactly one path');
      const consent = { destructive: flags.delete, yes: flags.yes, dryRun: flags.dryRun };
      const map = (flags.map ?? []).map(mapping);
      const context = await session.context(consent);
      const restore = await session.verb('restore');
      const result = await restore(context, {
        paths: archivePaths(paths),
        snapshot: flags.snapshot,
        source: flags.source,
        target: targetOf(flags.target, context.config, context.configFile),
        map,
        overwrite: flags.overwrite,
        versionId: flags.versionId,
        deleted: flags.deleted ?? false,
        delete: flags.delete ?? false,
        include: flags.include ?? [],
        exclude: flags.exclude ?? [],
        dryRun: flags.dryRun ?? false,
        verify: flags.verify ?? false,
        numericOwner: flags.numericOwner ?? false,
      });
      session.mark(ExitCode.attention, result.errors.length > 0);
      await session.printSummary(result, (r, out) => print(r, out, flags.dryRun ?? false), problems);
    }),
  );
  examples(
    command,
    ['restore', 'everything of the latest snapshot, into restore_dir'],
    ['restore ~/Documents --target / --snapshot yesterday', 'a directory to where it was, as it was yesterday'],
    ['restore --target /tmp/t --dry-run', 'what would be done'],
    ['restore / --target /mnt/new --numeric-owner', 'a whole system onto a new disk'],
    ['restore notes.txt --version-id 3f9a2b7c', 'one older version of one file'],
  );
}

function targetOf(target: string | undefined, config: Config, configFile: string) {
  if (target !== undefined) return archivePath(target);
  if (config.restoreDir !== undefined) return fromDisplay(config.restoreDir.replaceAll('\\', '/'));
  throw new UserError(ExitCode.usage, `no target: ${configFile} has no \`restore_dir\`; give --target DIR`);
}

function mapping(text: string): RestoreOptions['map'][number] {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1)
    throw new UserError(ExitCode.usage, `--map: cannot read \`${text}\`; expected FROM=TO, two paths`);
  return { from: archivePath(text.slice(0, at)), to: archivePath(text.slice(at + 1)) };
}

const problems: ProblemLines<RestoreResult> = (result, path) =>
  result.errors.map((problem) => `not restored: ${path(problem)}: ${problem.message}`);

function print(result: RestoreResult, out: Output, dryRun: boolean): void {
  for (const line of problems(result, (item) => out.path(item))) out.line(line);
  for (const path of result.deleted ?? []) out.line(`${dryRun ? 'would remove' : 'removed'}: ${out.path(path)}`);
  const verb = dryRun ? 'would be restored' : 'restored';
  out.line(
    `${counted(result.restored, 'entry', 'entries')} ${verb} (${humanBytes(result.bytes)}), ${result.skipped} skipped, ${counted(result.errors.length, 'error')}`,
  );
}
