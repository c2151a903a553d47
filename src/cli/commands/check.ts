import type { Command } from 'commander';
import type { CheckProblem, CheckResult } from '../../archive/types.js';
import { parseShare } from '../../config/size.js';
import { ExitCode, UserError } from '../../errors.js';
import { counted, humanBytes } from '../../report/human.js';
import { examples } from '../options.js';
import type { Output } from '../output.js';
import { shortId } from '../print.js';
import type { Run } from '../registry.js';

/** Snapshots that are named for each problem; --json has them all. */
const SHOWN_SNAPSHOTS = 20;

interface Flags {
  readData?: string | true;
  repair?: boolean;
  objects?: boolean;
}

export function define(command: Command, run: Run): void {
  command
    .option('--read-data [share]', 'open and compare every byte, or of that share of the packs, such as 10%')
    .option('--repair', 'mend what can be mended, set aside what cannot be read, and mark snapshots that are not whole')
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
    ['check --read-data=5%', 'the same for a share of the packs, those not read for longest'],
    ['check --read-data --repair', 'find all damage and mend what can be mended'],
    ['check --objects', 'no key at hand: is every object what its name says?'],
  );
}

function shareOf(value: string | true | undefined): number {
  if (value === undefined) return 0;
  return value === true ? 1 : parseShare(value, '--read-data');
}

function print(result: CheckResult, out: Output): void {
  for (const problem of result.repaired ?? []) printProblem('repaired', problem, out);
  for (const problem of result.problems) printProblem(problem.kind, problem, out);
  const figures = `${counted(result.packs, 'pack')}, ${counted(result.blobs, 'blob')}, ${humanBytes(result.read)} read`;
  const repaired = result.repaired?.length ?? 0;
  const mended = repaired > 0 ? `${counted(repaired, 'problem')} repaired, ` : '';
  const found = `${counted(result.problems.length, 'problem')} ${result.repaired === undefined ? 'found' : 'left'}`;
  out.line(`${mended}${result.ok ? (repaired > 0 ? 'none left' : 'no damage found') : found}: ${figures}`);
}

function printProblem(what: string, { object, message, paths, snapshots }: CheckProblem, out: Output): void {
  out.line(`${what}: ${object}: ${message}`);
  if (snapshots.length > 0) out.line(`    in ${counted(snapshots.length, 'snapshot')}: ${ids(snapshots)}`);
  for (const path of paths) out.line(`    ${out.path(path)}`);
}

function ids(snapshots: readonly string[]): string {
  const shown = snapshots.slice(0, SHOWN_SNAPSHOTS).map(shortId).join(' ');
  return snapshots.length > SHOWN_SNAPSHOTS ? `${shown} …` : shown;
}
