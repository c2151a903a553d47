import type { Command } from 'commander';
import type { ExplainResult } from '../../archive/types.js';
import { archivePath } from '../arguments.js';
import { collect, examples } from '../options.js';
import type { Output } from '../output.js';
import type { Run } from '../registry.js';

interface Flags {
  exclude?: string[];
}

export function define(command: Command, run: Run): void {
  command
    .argument('<path>', 'a file or directory, there or not')
    .option('--exclude <pattern>', 'a pattern to try, in addition to those of the config (repeatable)', collect)
    .action((path: string, flags: Flags) =>
      run(async (session) => {
        const explain = await session.verb('explain');
        const options = { path: archivePath(path), exclude: flags.exclude ?? [] };
        await session.print(await explain(await session.context(), options), print);
      }),
    );
  examples(
    command,
    ['explain ~/Documents/cache', 'whether it is saved, and why'],
    ["explain --exclude '*.iso' ~/big.iso", 'what a pattern would do'],
  );
}

function print(result: ExplainResult, out: Output): void {
  out.line(`${out.path(result)}: ${result.saved ? 'saved' : 'not saved'}, ${result.reason}`);
  if (result.rule !== undefined)
    out.line(`  rule ${result.rule.pattern}, ${result.rule.file}, line ${result.rule.line}`);
}
