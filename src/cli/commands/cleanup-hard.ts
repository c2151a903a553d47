import type { Command } from 'commander';
import { examples, type ForgettingFlags, forgettingOf, forgettingOptions } from '../options.js';
import { printForget } from '../print-forget.js';
import type { Run } from '../registry.js';

export function define(command: Command, run: Run): void {
  forgettingOptions(command).action((flags: ForgettingFlags) =>
    run(async (session) => {
      const options = forgettingOf(flags);
      const context = await session.context({ ...options, destructive: true, yes: flags.yes });
      const cleanup = await session.verb('cleanupHard');
      const result = await cleanup(context, options);
      await session.printSummary(result, (r, out) => printForget(r, out, options.dryRun));
    }),
  );
  examples(
    command,
    ['cleanup_hard --dry-run', 'what would be gone for ever'],
    ['cleanup_hard --yes', 'drop all history without asking'],
  );
}
