import type { Command } from 'commander';
import type { CheckResult } from '../../archive/types.js';
import { parseShare } from '../../config/size.js';
import { ExitCode, UserError } from '../../errors.js';
import { counted, humanBytes } from '../../report/human.js';
import { examples } from '../options.js';
import type { Output } from '../output.js';
import type { Run } from '../registry.js';

interface Flags {
  readData?: string | true;
  repair?: boolean;
  objects?: boolean;
}

export function define(command: Command, run: Run): void {
  command
    .option('--read-data [share]', 'open and compare every byte, or of that share of the packs, such as 10%')
    .option('--repair', 'mend what can be mended')
    .option('--objects', 'without a key: the names of all objects against their SHA-256')
    .action((flags: Flags) =>
      run(async (session) => {
        if (flags.objects && (flags.repair || flags.readData !== undefined))
          throw new UserError(
            ExitCode.usage,
            '--objects works without a key, so neither --read-data nor --repair goes with it; give one',
          );
        const check = await session.verb('check');
        const result = await check(await session.context(), {
          readData: shareOf(flags.readData),
          repair: flags.repair ?? false,
          objects: flags.objects ?? false,
        });
        session.mark(ExitCode.damage, !result.ok);
        // Damage is shown to people even with --quiet.
        if (result.ok) await session.printSummary(result, print);
        else await session.print(result, print);
      }),
    );
  examples(
    command,
    ['check', 'everything needed is there'],
    ['check --read-data', 'every byte can be opened and is right'],
    ['check --read-data=5%', 'the same for a share of the packs'],
  );
}

function shareOf(value: string | true | undefined): number {
  if (value === undefined) return 0;
  return value === true ? 1 : parseShare(value, '--read-data');
}

function print(result: CheckResult, out: Output): void {
  for (const problem of result.problems) {
    out.line(`${problem.kind}: ${problem.object}: ${problem.message}`);
    for (const path of problem.paths) out.line(`    ${out.path(path)}`);
  }
  const figures = `${counted(result.packs, 'pack')}, ${counted(result.blobs, 'blob')}, ${humanBytes(result.read)} read`;
  out.line(
    result.ok ? `no damage found: ${figures}` : `${counted(result.problems.length, 'problem')} found: ${figures}`,
  );
}
