import type { Command } from 'commander';
import { ExitCode, UserError } from '../../errors.js';
import { collect, examples, requireTag, sourceOption } from '../options.js';
import { shortId } from '../print.js';
import type { Run } from '../registry.js';

interface Flags {
  add?: string[];
  remove?: string[];
  source?: string;
}

export function define(command: Command, run: Run): void {
  command
    .argument('<snapshot>', 'latest, an id or its beginning, or a date')
    .option('--add <tag>', 'add a tag; `pin` keeps the snapshot whole (repeatable)', collect)
    .option('--remove <tag>', 'remove a tag (repeatable)', collect);
  sourceOption(command).action((snapshot: string, flags: Flags) =>
    run(async (session) => {
      const { add = [], remove = [], source } = flags;
      if (add.length + remove.length === 0)
        throw new UserError(ExitCode.usage, 'no tag was given; give --add TAG or --remove TAG');
      const both = add.find((name) => remove.includes(name));
      if (both !== undefined)
        throw new UserError(ExitCode.usage, `tag \`${both}\` is to be added and removed; give one of them`);
      for (const name of add) requireTag(name, '--add');
      const tag = await session.verb('tag');
      const result = await tag(await session.context(), { snapshot, add, remove, source });
      await session.printSummary(result, (r, out) =>
        out.line(`snapshot ${shortId(r.snapshot)}: ${r.tags.length === 0 ? 'no tags' : r.tags.join(', ')}`),
      );
    }),
  );
  examples(
    command,
    ['tag latest --add pin', 'no cleaning touches the latest snapshot from now on'],
    ['tag 3f9a2b7c --remove pin --add old', 'change tags'],
  );
}
