import type { Command } from 'commander';
import type { ImportResult } from '../../archive/types.js';
import { ExitCode } from '../../errors.js';
import { counted } from '../../report/human.js';
import { archivePath } from '../arguments.js';
import { examples } from '../options.js';
import type { Output } from '../output.js';
import { shortId } from '../print.js';
import type { Run } from '../registry.js';
import type { ProblemLines } from '../session.js';

interface Flags {
  files?: string;
  legacyKey?: string;
  source?: string;
}

export function define(command: Command, run: Run): void {
  command
    .argument('<path>', 'its backup_config.json, or the folder of its archive.json')
    .option('--files <dir>', 'the folder of its encrypted files')
    .option('--legacy-key <file>', 'its key file')
    .option('--source <name>', "the source it goes into (default: this machine's)")
    .action((path: string, flags: Flags) =>
      run(async (session) => {
        const importLegacy = await session.verb('importLegacy');
        const result = await importLegacy(await session.context(), {
          path: archivePath(path),
          files: flags.files === undefined ? undefined : archivePath(flags.files),
          legacyKey: flags.legacyKey === undefined ? undefined : archivePath(flags.legacyKey),
          source: flags.source,
        });
        session.mark(ExitCode.attention, result.damaged.length > 0);
        await session.printSummary(result, print, problems);
      }),
    );
  examples(
    command,
    ['import ~/old/backup_config.json', 'an archive by the config that made it'],
    ['import ~/old/table --files ~/old/files --legacy-key ~/old/key', 'an archive by its parts'],
  );
}

const problems: ProblemLines<ImportResult> = (result, path) =>
  result.damaged.map((problem) => `damaged: ${path(problem)}: ${problem.message}`);

function print(result: ImportResult, out: Output): void {
  for (const line of problems(result, (item) => out.path(item))) out.line(line);
  const name = result.snapshot === null ? 'nothing to import' : `imported as snapshot ${shortId(result.snapshot)}`;
  out.line(
    `${name}: ${counted(result.files, 'file')}, ${counted(result.versions, 'version')}, ${result.damaged.length} damaged`,
  );
}
