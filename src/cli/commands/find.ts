import type { Command } from 'commander';
import { ExitCode, UserError } from '../../errors.js';
import { archiveGlob, archivePath } from '../arguments.js';
import { examples, snapshotOption, sourceOption } from '../options.js';
import { columns } from '../print.js';
import { versionCells } from '../print-versions.js';
import type { Run } from '../registry.js';

interface Flags {
  all?: boolean;
  like?: string;
  snapshot: string;
  source?: string;
}

export function define(command: Command, run: Run): void {
  command
    .argument('[pattern]', 'a glob; without / it matches names at any depth, with one whole paths')
    .option('--all', 'in every snapshot, with all versions');
  sourceOption(snapshotOption(command))
    .option('--like <file>', 'versions with the content of this file')
    .action((pattern: string | undefined, flags: Flags, self: Command) =>
      run(async (session) => {
        if (pattern === undefined && flags.like === undefined)
          throw new UserError(ExitCode.usage, 'nothing to look for; give a pattern or --like FILE');
        if (flags.all && self.getOptionValueSource('snapshot') === 'cli')
          throw new UserError(ExitCode.usage, '--all and --snapshot were both given; give one of them');
        const find = await session.verb('find');
        const rows = await find(await session.context(), {
          pattern: pattern === undefined ? undefined : archiveGlob(pattern),
          all: flags.all ?? false,
          snapshot: flags.snapshot,
          like: flags.like === undefined ? undefined : archivePath(flags.like),
          source: flags.source,
        });
        await session.printRows(rows, (match, out) => {
          out.line(out.path(match));
          if (!flags.all && flags.like === undefined) return;
          const rows = match.versions.map((v) => [...versionCells(v), v.content?.slice(0, 16) ?? '-']);
          for (const line of columns(rows, [2])) out.line(`    ${line}`);
        });
      }),
    );
  examples(
    command,
    ["find '*.odt'", 'in the latest snapshot, at any depth'],
    ["find --all '/home/*/thesis.*'", 'in all snapshots, with every version'],
    ['find --all --like photo.jpg', 'wherever this content is or was'],
  );
}
