import type { Command } from 'commander';
import { counted, humanBytes } from '../../report/human.js';
import { examples } from '../options.js';
import type { Run } from '../registry.js';

export function define(command: Command, run: Run): void {
  const rebuild = command
    .command('rebuild')
    .description('make the catalog anew from the store and key alone')
    .action(() =>
      run(async (session) => {
        const verb = await session.verb('catalogRebuild');
        const result = await verb(await session.context(), {});
        await session.printSummary(result, (r, out) =>
          out.line(
            `catalog rebuilt: ${counted(r.snapshots, 'snapshot')}, ${counted(r.versions, 'version')}; ${humanBytes(r.read)} read`,
          ),
        );
      }),
    );
  examples(command, ['catalog rebuild', 'when the catalog is lost or doubted']);
  examples(rebuild, ['catalog rebuild', 'when the catalog is lost or doubted']);
}
