import type { Command } from 'commander';
import type { DiffResult, SourceOption } from '../../archive/types.js';
import { archivePath } from '../arguments.js';
import { examples, sourceOption } from '../options.js';
import type { Output } from '../output.js';
import type { Run } from '../registry.js';

export function define(command: Command, run: Run): void {
  command
    .argument('<a>', 'the older snapshot: latest, an id or its beginning, or a date')
    .argument('<b>', 'the newer snapshot')
    .argument('[path]', 'only what lies there');
  sourceOption(command).action((a: string, b: string, path: string | undefined, flags: SourceOption) =>
    run(async (session) => {
      const diff = await session.verb('diff');
      const result = await diff(await session.context(), {
        a,
        b,
        path: path === undefined ? undefined : archivePath(path),
        source: flags.source,
      });
      await session.print(result, print);
    }),
  );
  examples(
    command,
    ['diff 2026-05-01 latest', 'what changed since the end of that day'],
    ['diff yesterday latest ~/Documents', 'the same, below one directory'],
  );
}

function print(result: DiffResult, out: Output): void {
  for (const path of result.added) out.line(`+ ${out.path(path)}`);
  for (const path of result.removed) out.line(`- ${out.path(path)}`);
  for (const item of result.changed) out.line(`~ ${out.path(item)} (${item.what.join(', ')})`);
}
