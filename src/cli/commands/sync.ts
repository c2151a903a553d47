import type { Command } from 'commander';
import type { SyncRow } from '../../archive/types.js';
import { ExitCode } from '../../errors.js';
import { counted, humanBytes } from '../../report/human.js';
import { dryRunOption, examples } from '../options.js';
import type { Output } from '../output.js';
import type { Run } from '../registry.js';
import type { ProblemLines } from '../session.js';

interface Flags {
  dryRun?: boolean;
}

export function define(command: Command, run: Run): void {
  command.argument('[target...]', 'names of targets (default: all of the config)');
  dryRunOption(command).action((targets: string[], flags: Flags) =>
    run(async (session) => {
      const sync = await session.verb('sync');
      const result = await sync(await session.context(), { targets, dryRun: flags.dryRun ?? false });
      session.mark(
        ExitCode.attention,
        result.some((row) => row.errors.length > 0),
      );
      await session.printSummary(result, print, problems);
    }),
  );
  examples(
    command,
    ['sync', 'copy what is new to all targets of the config'],
    ['sync offsite --dry-run', 'what one target lacks'],
  );
}

const problems: ProblemLines<SyncRow[]> = (rows) =>
  rows.flatMap(({ target, errors }) => errors.map(({ object, message }) => `${target}: ${object}: ${message}`));

function print(rows: SyncRow[], out: Output): void {
  for (const row of rows) {
    out.line(
      `${row.target}: ${counted(row.copied, 'object')} copied (${humanBytes(row.bytes)}), ${row.outstanding} outstanding`,
    );
    for (const error of row.errors) out.line(`    ${error.object}: ${error.message}`);
  }
}
