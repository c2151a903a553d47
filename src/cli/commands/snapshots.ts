import type { Command } from 'commander';
import type { SnapshotRow, SnapshotsOptions } from '../../archive/types.js';
import { groupDigits, humanBytes } from '../../report/human.js';
import { examples } from '../options.js';
import type { Output } from '../output.js';
import { columns, shortId, shownTime } from '../print.js';
import type { Run } from '../registry.js';

export function define(command: Command, run: Run): void {
  command.option('--source <name>', 'only those of this source (default: all)').action((flags: SnapshotsOptions) =>
    run(async (session) => {
      const snapshots = await session.verb('snapshots');
      await session.print(await snapshots(await session.context(), { source: flags.source }), print);
    }),
  );
  examples(
    command,
    ['snapshots', 'every snapshot, newest last'],
    ['snapshots --source laptop --json', 'those of one source, for a script'],
  );
}

function print(rows: SnapshotRow[], out: Output): void {
  const head = ['id', 'time', 'source', 'mode', 'files', 'size', 'tags', 'roots'];
  const lines = columns(
    [
      head,
      ...rows.map((row) => [
        shortId(row.id),
        shownTime(row.time),
        row.source,
        row.mode,
        groupDigits(row.files),
        humanBytes(row.bytes),
        [...row.tags, ...states(row)].join(','),
        row.roots.map((root) => out.path(root)).join(' '),
      ]),
    ],
    [4, 5],
  );
  for (const line of lines) out.line(line);
  if (rows.length === 0) out.line('no snapshots yet');
}

/** What sets a snapshot apart, in brackets beside its tags. */
function states(row: SnapshotRow): string[] {
  return (['foreign', 'pending', 'kept', 'damaged'] as const)
    .filter((state) => row[state])
    .map((state) => `[${state}]`);
}
