import type { Command } from 'commander';
import type { PurgeResult } from '../../archive/types.js';
import { ExitCode } from '../../errors.js';
import { archivePaths, examples, type ForgettingFlags, forgettingOf, forgettingOptions } from '../options.js';
import { printForget } from '../print-forget.js';
import type { Run } from '../registry.js';
import type { ProblemLines } from '../session.js';

export function define(command: Command, run: Run): void {
  command.argument('<path...>', 'what should never have been saved; a directory goes with all in it');
  forgettingOptions(command).action((paths: string[], flags: ForgettingFlags) =>
    run(async (session) => {
      const options = { ...forgettingOf(flags), paths: archivePaths(paths) };
      const context = await session.context({ ...options, destructive: true, yes: flags.yes });
      const purge = await session.verb('purge');
      const result = await purge(context, options);
      session.mark(ExitCode.attention, result.on_disk.length > 0);
      await session.printSummary(
        result,
        (r, out) => {
          printForget(r, out, options.dryRun);
          for (const line of onDisk(r, (item) => out.path(item))) out.line(line);
        },
        onDisk,
      );
    }),
  );
  examples(
    command,
    ['purge ~/secret.txt --dry-run', 'what would be gone for ever'],
    ['purge ~/Downloads/huge.iso --yes', 'take a file out of all history without asking'],
  );
}

const onDisk: ProblemLines<PurgeResult> = (result, path) =>
  result.on_disk.map((item) => `still on disk and not excluded, so the next backup saves it again: ${path(item)}`);
