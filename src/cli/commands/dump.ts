import { type Command, Option } from 'commander';
import { archivePath } from '../arguments.js';
import { examples, snapshotOption, sourceOption } from '../options.js';
import type { Run } from '../registry.js';

interface Flags {
  snapshot: string;
  source?: string;
  format: 'tar';
}

export function define(command: Command, run: Run): void {
  command
    .argument('[path]', 'a directory (default: the whole snapshot)')
    .addOption(new Option('--format <format>', 'what to write').choices(['tar']).default('tar'));
  sourceOption(snapshotOption(command)).action((path: string | undefined, flags: Flags) =>
    run(async (session) => {
      const dump = await session.verb('dump');
      await dump(await session.context(), {
        path: path === undefined ? undefined : archivePath(path),
        snapshot: flags.snapshot,
        source: flags.source,
        format: flags.format,
        out: session.out.byteStream(),
      });
    }),
  );
  examples(
    command,
    ['dump /etc --format tar > etc.tar', 'a directory as it was last'],
    ['dump --snapshot 2026-05-01 --format tar | tar -t', 'all of a snapshot, listed by tar'],
  );
}
