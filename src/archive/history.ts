import { toDisplay } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { jsonPath } from '../report/json-path.js';
import type { Context } from './context.js';
import { keyOf, versionRow, withPast } from './past.js';
import type { HistoryOptions, HistoryResult } from './types.js';

/** Every version of one path, oldest first. */
export async function history(context: Context, options: HistoryOptions): Promise<HistoryResult> {
  return withPast(context, 'history', options, async (past) => {
    const source = past.sourceFor(options);
    const versions = past.catalog.query.history(source, keyOf(options.path));
    if (versions.length === 0)
      throw new UserError(
        ExitCode.failed,
        `never saved, ${toDisplay(options.path)}; 'backup-ninja find NAME --all' looks for it elsewhere`,
      );
    return {
      ...jsonPath(options.path),
      versions: versions.map((version) => ({ ...versionRow(version), id: version.id, kept_by: version.keptBy })),
    };
  });
}
