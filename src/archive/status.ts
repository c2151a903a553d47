import type { Catalog } from '../catalog/index.js';
import type { Target } from '../config/types.js';
import { UserError } from '../errors.js';
import { humanDuration } from '../report/human.js';
import { rfc3339 } from '../report/time.js';
import { FOLDERS, type ObjectStore, openStore } from '../store/index.js';
import type { Context } from './context.js';
import { withPast } from './past.js';
import type { StatusOptions, StatusResult } from './types.js';

type TargetStatus = StatusResult['targets'][number];

/** How old the newest backup is, here and at each target. What is older than `maxAge` makes exit 3. */
export async function status(context: Context, options: StatusOptions): Promise<StatusResult> {
  return withPast(context, 'status', options, async (past) => {
    const source = past.sourceFor(options);
    const latest = past.catalog.snapshots.latest(source);
    judgeAge(context, source, latest?.time, options.maxAge);
    const targets: TargetStatus[] = [];
    for (const target of context.config.targets) {
      const found = await targetStatus(context, past.catalog, source, target);
      judgeAge(context, target.name, found.newest, options.maxAge);
      targets.push(found.status);
    }
    return { source, last_backup: latest === undefined ? null : rfc3339(latest.time), targets };
  });
}

function judgeAge(context: Context, name: string, newest: bigint | undefined, maxAge: number | undefined): void {
  if (maxAge === undefined) return;
  if (newest === undefined) {
    context.attention(`${name}: no snapshot`);
    return;
  }
  const age = Date.now() - Number(newest / 1_000_000n);
  if (age > maxAge) context.attention(`${name}: the newest snapshot is ${humanDuration(age)} old`);
}

/** What a target has of the store, by the names of its objects: no key is needed. */
async function targetStatus(
  context: Context,
  catalog: Catalog,
  source: string,
  target: Target,
): Promise<{ status: TargetStatus; newest: bigint | undefined }> {
  const away: TargetStatus = {
    name: target.name,
    reachable: false,
    last_success: null,
    outstanding: 0,
    newest_snapshot: null,
  };
  const there = await tryOpen(target.url, context);
  if (there === undefined) return { status: away, newest: undefined };
  const here = await tryOpen(context.config.store.url, context);
  try {
    let newest: bigint | undefined;
    for (const { name } of await there.list('snapshots')) {
      const row = catalog.snapshots.get(name);
      if (row?.sourceName === source && (newest === undefined || row.time > newest)) newest = row.time;
    }
    const outstanding = here === undefined ? 0 : await countMissing(here, there);
    const newestText = newest === undefined ? null : rfc3339(newest);
    return { status: { ...away, reachable: true, outstanding, newest_snapshot: newestText }, newest };
  } finally {
    await there.close();
    await here?.close();
  }
}

async function countMissing(from: ObjectStore, to: ObjectStore): Promise<number> {
  let missing = 0;
  for (const folder of FOLDERS) {
    const has = new Set((await to.list(folder)).map(({ name }) => name));
    for (const { name } of await from.list(folder)) if (!has.has(name)) missing++;
  }
  return missing;
}

async function tryOpen(url: string, context: Context): Promise<ObjectStore | undefined> {
  try {
    return await openStore(url, { tableDir: context.config.tableDir, command: 'status' });
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
