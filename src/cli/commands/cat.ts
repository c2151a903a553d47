import type { Command } from 'commander';
import { archivePath } from '../arguments.js';
import { examples, snapshotOption, sourceOption } from '../options.js';
import type { Run } from '../registry.js';

interface Flags {
  snapshot: string;
  source?: string;
}

export function define(command: Command, run: Run): void {
  command.argument('<path>', 'a file');
  sourceOption(snapshotOption(command)).action((path: string, flags: Flags) =>
    run(async (session) => {
      const cat = await session.verb('cat');
      await cat(await session.context(), {
        path: archivePath(path),
        snapshot: flags.snapshot,
        source: flags.source,
        out: session.out.byteStream(),
      });
    }),
  );
  examples(
    command,
    ['cat ~/.bashrc', 'a file as it was last'],
    ['cat notes.txt --snapshot "2 weeks ago" > old.txt', 'an older version, into another file'],
  );
}
