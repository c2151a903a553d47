import type { Command } from 'commander';
import type { ForgetOptions, ForgetRules } from '../../archive/types.js';
import { parseAge } from '../../config/duration.js';
import { ExitCode, UserError } from '../../errors.js';
import { collect, examples, type ForgettingFlags, forgettingOf, forgettingOptions, wholeNumber } from '../options.js';
import { printForget } from '../print-forget.js';
import type { Run } from '../registry.js';

interface Flags extends ForgettingFlags {
  keepLast?: string;
  keepHourly?: string;
  keepDaily?: string;
  keepWeekly?: string;
  keepMonthly?: string;
  keepYearly?: string;
  keepWithin?: string;
  keepTag?: string[];
  groupBy: string;
}

export function define(command: Command, run: Run): void {
  command
    .argument('[snapshot...]', 'snapshots to drop, whatever the rules say')
    .option('--keep-last <n>', 'keep the last N')
    .option('--keep-hourly <n>', 'keep the last of each of the last N hours that have one')
    .option('--keep-daily <n>', 'the same for days')
    .option('--keep-weekly <n>', 'the same for ISO weeks')
    .option('--keep-monthly <n>', 'the same for months')
    .option('--keep-yearly <n>', 'the same for years')
    .option('--keep-within <duration>', 'keep all younger than this, counted from the newest, such as 2y5m7d3h')
    .option('--keep-tag <tags>', 'keep those with all of these tags, separated by commas (repeatable)', collect)
    .option('--group-by <what>', 'apply the rules to each group of these: source, roots, tags', 'source,roots');
  forgettingOptions(command).action((snapshots: string[], flags: Flags) =>
    run(async (session) => {
      const options: ForgetOptions = {
        ...forgettingOf(flags),
        rules: rulesOf(flags),
        groupBy: groupsOf(flags.groupBy),
        snapshots,
      };
      if (options.rules === undefined && snapshots.length === 0)
        throw new UserError(
          ExitCode.usage,
          'neither a keep rule nor a snapshot was given; nothing was done: give --keep-… or name snapshots',
        );
      const context = await session.context({ ...options, destructive: true, yes: flags.yes });
      const forget = await session.verb('forget');
      const result = await forget(context, options);
      await session.printSummary(result, (r, out) => printForget(r, out, options.dryRun));
    }),
  );
  examples(
    command,
    ['forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run', 'what these rules would drop'],
    ['forget 3f9a2b7c --yes', 'drop one snapshot without asking'],
  );
}

/** The keep rules that were given; undefined when none was. */
function rulesOf(flags: Flags): ForgetRules | undefined {
  const count = (text: string | undefined, name: string) => {
    if (text === undefined) return undefined;
    return text === 'unlimited' || text === '-1' ? Number.POSITIVE_INFINITY : wholeNumber(text, name);
  };
  const rules: ForgetRules = {
    last: count(flags.keepLast, '--keep-last'),
    hourly: count(flags.keepHourly, '--keep-hourly'),
    daily: count(flags.keepDaily, '--keep-daily'),
    weekly: count(flags.keepWeekly, '--keep-weekly'),
    monthly: count(flags.keepMonthly, '--keep-monthly'),
    yearly: count(flags.keepYearly, '--keep-yearly'),
    within: flags.keepWithin === undefined ? undefined : parseAge(flags.keepWithin, '--keep-within'),
    tags: (flags.keepTag ?? []).map((list) => list.split(',').map((tag) => tag.trim())),
  };
  const { tags, ...others } = rules;
  return tags.length === 0 && Object.values(others).every((rule) => rule === undefined) ? undefined : rules;
}

function groupsOf(text: string): ForgetOptions['groupBy'] {
  const known: ForgetOptions['groupBy'] = ['source', 'roots', 'tags'];
  const given = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const wrong = given.find((part) => !known.some((name) => name === part));
  if (wrong !== undefined)
    throw new UserError(ExitCode.usage, `--group-by: cannot read \`${wrong}\`; expected a list of ${known.join(', ')}`);
  return known.filter((name) => given.includes(name));
}
