import type { Command } from 'commander';
import type { HistoryResult, SourceOption } from '../../archive/types.js';
import { archivePath } from '../arguments.js';
import { examples, sourceOption } from '../options.js';
import type { Output } from '../output.js';
import { columns } from '../print.js';
import { versionCells } from '../print-versions.js';
import type { Run } from '../registry.js';

export function define(command: Command, run: Run): void {
  sourceOption(command.argument('<path>', 'a file or directory')).action((path: string, flags: SourceOption) =>
    run(async (session) => {
      const history = await session.verb('history');
      const result = await history(await session.context(), { path: archivePath(path), source: flags.source });
      await session.print(result, print);
    }),
  );
  examples(
    command,
    ['history ~/Documents/letter.odt', 'every version, oldest first'],
    ['history notes.txt --json', 'the same for a script; `restore --version-id` takes an id'],
  );
}

function print(result: HistoryResult, out: Output): void {
  const head = ['from', 'to', 'size', 'modified', 'id', 'kept by'];
  const rows = result.versions.map((v) => [...versionCells(v), v.id, v.kept_by]);
  for (const line of columns([head, ...rows], [2])) out.line(line);
  if (rows.length === 0) out.line(`no version of ${out.path(result)} is known`);
}
