import type { Command } from 'commander';
import type { PruneOptions } from '../../archive/types.js';
import { parseDuration } from '../../config/duration.js';
import { parseShare, parseSize } from '../../config/size.js';
import { dryRunOption, examples } from '../options.js';
import { printForget } from '../print-forget.js';
import type { Run } from '../registry.js';

interface Flags {
  maxUnused: string;
  grace: string;
  dryRun?: boolean;
}

export function define(command: Command, run: Run): void {
  command
    .option('--max-unused <share>', 'how much of the store may stay unused: a share or a size', '5%')
    .option('--grace <duration>', 'in shared stores, how long doomed packs are left', '24h');
  dryRunOption(command).action((flags: Flags) =>
    run(async (session) => {
      const options: PruneOptions = {
        maxUnused: maxUnused(flags.maxUnused),
        grace: parseDuration(flags.grace, '--grace'),
        dryRun: flags.dryRun ?? false,
      };
      const context = await session.context();
      const prune = await session.verb('prune');
      const result = await prune(context, options);
      await session.printSummary(result, (r, out) => printForget(r, out, options.dryRun));
    }),
  );
  examples(
    command,
    ['prune', 'give back what nothing needs, leaving up to 5% unused'],
    ['prune --max-unused 0% --dry-run', 'what could be given back at most'],
  );
}

function maxUnused(text: string): PruneOptions['maxUnused'] {
  if (text === 'unlimited') return { share: 1 };
  return text.trim().endsWith('%')
    ? { share: parseShare(text, '--max-unused') }
    : { bytes: parseSize(text, '--max-unused') };
}
