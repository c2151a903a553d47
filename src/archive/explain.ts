import { toDisplay } from '../bytes.js';
import { jsonPath, pathItem } from '../report/json-path.js';
import { explain as explainPath, planRoots } from '../scan/index.js';
import type { Context } from './context.js';
import { neverSaved } from './never-saved.js';
import type { ExplainOptions, ExplainResult } from './types.js';

/** Whether a backup would save a path, and which root or rule in which file decides. Needs neither store nor key. */
export async function explain(context: Context, options: ExplainOptions): Promise<ExplainResult> {
  const { config } = context;
  const plan = await planRoots({
    config,
    roots: [],
    exclude: options.exclude,
    acceptEmpty: [],
    previousRoots: [],
    hasEntries: () => false,
    neverSaved: neverSaved(config),
    confirm: async () => false,
  });
  const { saved, reason, rule, at } = explainPath(plan.scan, options.path);
  return {
    ...jsonPath(options.path),
    saved,
    reason,
    decided_at: pathItem(at),
    ...(rule !== undefined && {
      rule: { file: rule.source, line: rule.line, pattern: toDisplay(rule.pattern) },
    }),
  };
}
