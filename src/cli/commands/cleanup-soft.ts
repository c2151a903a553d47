import type { Command } from 'commander';
import { parsePolicy } from '../../config/policy.js';
import { examples, type ForgettingFlags, forgettingOf, forgettingOptions } from '../options.js';
import { printForget } from '../print-forget.js';
import type { Run } from '../registry.js';

interface Flags extends ForgettingFlags {
  keep?: string;
}

export function define(command: Command, run: Run): void {
  command.option('--keep <policy>', 'rules such as 7d:all,8w:1/week,2y:1/month,1/year (default: 1/year)');
  forgettingOptions(command).action((flags: Flags) =>
    run(async (session) => {
      const keep = flags.keep === undefined ? undefined : parsePolicy(flags.keep, '--keep');
      const options = { ...forgettingOf(flags), keep };
      const context = await session.context({ ...options, destructive: true, yes: flags.yes });
      const cleanup = await session.verb('cleanupSoft');
      const result = await cleanup(context, options);
      await session.printSummary(result, (r, out) => printForget(r, out, options.dryRun));
    }),
  );
  examples(
    command,
    ['cleanup_soft --dry-run', 'what would be gone for ever'],
    ['cleanup_soft --keep 7d:all,8w:1/week,1/year --yes', 'thin by a ladder of rules, without asking'],
  );
}
