import type { Command } from 'commander';
import type { StatusResult } from '../../archive/types.js';
import { parseDuration } from '../../config/duration.js';
import { examples, sourceOption } from '../options.js';
import type { Output } from '../output.js';
import { columns, shownTime } from '../print.js';
import type { Run } from '../registry.js';

interface Flags {
  maxAge?: string;
  source?: string;
}

export function define(command: Command, run: Run): void {
  command.option('--max-age <duration>', 'exit 3 when the newest snapshot is older, such as 26h');
  sourceOption(command).action((flags: Flags) =>
    run(async (session) => {
      const maxAge = flags.maxAge === undefined ? undefined : parseDuration(flags.maxAge, '--max-age');
      const status = await session.verb('status');
      await session.print(await status(await session.context(), { maxAge, source: flags.source }), print);
    }),
  );
  examples(
    command,
    ['status', 'when the last backup was, here and at each target'],
    ['status --max-age 26h', 'for monitoring: exit 3 when something is older'],
  );
}

function print(result: StatusResult, out: Output): void {
  out.line(`last backup of ${result.source}: ${shownTime(result.last_backup)}`);
  if (result.targets.length === 0) return;
  const head = ['target', 'reachable', 'last success', 'outstanding', 'newest snapshot'];
  const rows = result.targets.map((target) => [
    target.name,
    target.reachable ? 'yes' : 'no',
    shownTime(target.last_success),
    String(target.outstanding),
    shownTime(target.newest_snapshot),
  ]);
  for (const line of columns([head, ...rows], [3])) out.line(line);
}
