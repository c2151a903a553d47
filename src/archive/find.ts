import { toDisplay } from '../bytes.js';
import { jsonPath } from '../report/json-path.js';
import type { Context } from './context.js';
import { pathOf, versionRow, withPast } from './past.js';
import type { FindMatch, FindOptions, Rows } from './types.js';

/** Paths that match a glob, or have a file's content, in one snapshot or in all, with their versions. */
export async function find(context: Context, options: FindOptions): Promise<Rows<FindMatch>> {
  const like = options.like === undefined ? undefined : await contentsOf(context, options.like);
  return withPast(context, 'find', { ...options, snapshots: options.all ? [] : [options.snapshot] }, async (past) => {
    const source = past.sourceFor(options);
    const snapshot = options.all ? undefined : await past.snapshot(source, options.snapshot);
    const pattern = options.pattern === undefined ? '*' : toDisplay(options.pattern);
    const matches: FindMatch[] = [];
    for (const { key, versions } of past.catalog.query.find(pattern, {
      source,
      snapshot,
      all: options.all,
      ...(like !== undefined && { where: like }),
    }))
      matches.push({ ...jsonPath(pathOf(key)), versions: versions.map(versionRow) });
    return matches;
  });
}

/** A test for the content of a local file, cut as the store cuts, in either class. */
async function contentsOf(context: Context, path: string) {
  const { contentTest } = await import('./content-of-file.js');
  return contentTest(context, path);
}
