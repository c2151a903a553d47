import { type Entry, sameContent } from '../format/entry.js';
import { jsonPath, pathItem } from '../report/json-path.js';
import type { Context } from './context.js';
import { keyOf, pathOf, withPast } from './past.js';
import type { DiffOptions, DiffResult } from './types.js';

/** What was added, removed and changed from snapshot A to snapshot B, from the intervals of versions. */
export async function diff(context: Context, options: DiffOptions): Promise<DiffResult> {
  return withPast(context, 'diff', async (past) => {
    const source = past.sourceFor(options);
    const a = await past.snapshot(source, options.a);
    const b = await past.snapshot(source, options.b);
    const result: DiffResult = { added: [], removed: [], changed: [] };
    const under = options.path === undefined ? undefined : keyOf(options.path);
    for (const { key, before, after } of past.catalog.query.diff(a, b, { under })) {
      if (before === undefined) result.added.push(pathItem(pathOf(key)));
      else if (after === undefined) result.removed.push(pathItem(pathOf(key)));
      else {
        const what = differences(before, after);
        if (what.length > 0) result.changed.push({ ...jsonPath(pathOf(key)), what });
      }
    }
    return result;
  });
}

/** In which respects two versions of a path differ. A moved inode or ctime alone is none that a user would name. */
function differences(a: Entry, b: Entry): DiffResult['changed'][number]['what'] {
  if (a.type !== b.type) return ['type'];
  const what: DiffResult['changed'][number]['what'] = [];
  if (!sameContent(a, b) || a.target !== b.target || a.size !== b.size) what.push('content');
  const isSame =
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNsec === b.mtimeNsec &&
    a.rdev?.major === b.rdev?.major &&
    a.rdev?.minor === b.rdev?.minor &&
    sameXattrs(a, b);
  if (!isSame) what.push('metadata');
  return what;
}

function sameXattrs(a: Entry, b: Entry): boolean {
  const [x, y] = [a.xattrs ?? [], b.xattrs ?? []];
  return (
    x.length === y.length && x.every(([name, value], i) => name === y[i][0] && Buffer.compare(value, y[i][1]) === 0)
  );
}
