import type { Command } from 'commander';
import type { InfoResult, SourceOption } from '../../archive/types.js';
import { counted, humanBytes } from '../../report/human.js';
import { examples, sourceOption } from '../options.js';
import type { Output } from '../output.js';
import { columns } from '../print.js';
import type { Run } from '../registry.js';

export function define(command: Command, run: Run): void {
  sourceOption(command).action((flags: SourceOption) =>
    run(async (session) => {
      const info = await session.verb('info');
      await session.print(await info(await session.context(), { source: flags.source }), print);
    }),
  );
  examples(command, ['info', 'what is saved, and the space it takes'], ['info --json', 'the same for a script']);
}

function print(result: InfoResult, out: Output): void {
  const { active, history, store, ratio } = result;
  const rows = [
    ['active', `${counted(active.files, 'file')}, ${humanBytes(active.bytes)}`],
    ['history', `${counted(history.versions, 'version')}, ${humanBytes(history.bytes)}`],
    ['snapshots', String(result.snapshots)],
    ['store', `${counted(store.objects, 'object')}, ${humanBytes(store.bytes)}`],
    ['ratio', `dedup ${ratio.dedup.toFixed(2)}, compression ${ratio.compression.toFixed(2)}`],
  ];
  for (const line of columns(rows)) out.line(line);
}
