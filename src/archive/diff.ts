import { Aspect } from '../catalog/index.js';
import { jsonPath, pathItem } from '../report/json-path.js';
import type { Context } from './context.js';
import { keyOf, pathOf, withPast } from './past.js';
import type { DiffOptions, DiffResult } from './types.js';

/** What was added, removed and changed from snapshot A to snapshot B, from the intervals of versions. */
export async function diff(context: Context, options: DiffOptions): Promise<DiffResult> {
  return withPast(context, 'diff', { ...options, snapshots: [options.a, options.b] }, async (past) => {
    const source = past.sourceFor(options);
    const a = await past.snapshot(source, options.a);
    const b = await past.snapshot(source, options.b);
    const result: DiffResult = { added: [], removed: [], changed: [] };
    const under = options.path === undefined ? undefined : keyOf(options.path);
    for (const { key, aspects } of past.catalog.query.changes(a, b, { under })) {
      if (aspects === Aspect.added) result.added.push(pathItem(pathOf(key)));
      else if (aspects === Aspect.removed) result.removed.push(pathItem(pathOf(key)));
      else result.changed.push({ ...jsonPath(pathOf(key)), what: WHAT[aspects] });
    }
    return result;
  });
}

/** The aspects of each sum. */
const WHAT: Record<number, DiffResult['changed'][number]['what']> = {
  [Aspect.content]: ['content'],
  [Aspect.metadata]: ['metadata'],
  [Aspect.content | Aspect.metadata]: ['content', 'metadata'],
  [Aspect.type]: ['type'],
};
