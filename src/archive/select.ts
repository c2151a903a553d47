import type { Catalog, SnapshotRow } from '../catalog/index.js';
import { ExitCode, UserError } from '../errors.js';
import type { Context } from './context.js';
import type { SourceOption } from './types.js';

/** Key of the catalog's note which source name this machine writes under. */
export const OWN_SOURCE = 'source';

/** The source name that this machine writes: the config's if set, else the one it has used before, else the host's. */
export function ownSource(catalog: Catalog, context: Context): string {
  const { source } = context.config;
  const own = ownName(catalog, context);
  if (own !== source)
    context.report.note(
      `this machine is now called ${source}, its backups ${own}: going on with ${own}; set "source" in the config to change that`,
    );
  return own;
}

function ownName(catalog: Catalog, { config }: Context): string {
  return config.sourceIsSet ? config.source : (catalog.getMeta(OWN_SOURCE) ?? config.source);
}

/** Whether the catalog has a snapshot of this machine's source. */
export function hasOwnSnapshot(catalog: Catalog, context: Context): boolean {
  return catalog.snapshots.latest(ownName(catalog, context)) !== undefined;
}

/**
 * The source that a reading command means: the one asked for, this machine's, or the only one there is.
 * @throws UserError (usage) when there are several and none is meant, or none of that name
 */
export function chooseSource(catalog: Catalog, context: Context, option: SourceOption): string {
  const names = [...new Set(catalog.snapshots.all().map((row) => row.sourceName))];
  if (option.source !== undefined) {
    if (names.includes(option.source)) return option.source;
    throw new UserError(ExitCode.usage, `no source named ${option.source}; there is ${names.join(', ') || 'none yet'}`);
  }
  const own = ownSource(catalog, context);
  if (names.includes(own) || names.length === 0) return own;
  if (names.length > 1)
    throw new UserError(
      ExitCode.usage,
      `no snapshot of this machine (${own}) in the store; choose one of its sources with --source: ${names.join(', ')}`,
    );
  context.report.note(`no snapshot of this machine (${own}): using the store's only source, ${names[0]}`);
  return names[0];
}

/**
 * The snapshot that a text names: `latest`, an id or its unique beginning, or a date.
 * @throws UserError (usage) when there is none, or several
 */
export async function resolveSnapshot(catalog: Catalog, source: string, text: string): Promise<SnapshotRow> {
  if (text === 'latest') return catalog.snapshots.latest(source) ?? noSnapshot(`no snapshot of ${source} yet`);
  if (/^[0-9a-f]{4,64}$/i.test(text)) {
    const found = catalog.snapshots.byPrefix(text.toLowerCase());
    if (found.length === 1) return found[0];
    if (found.length > 1) noSnapshot(`${found.length} snapshots begin with ${text}; give more of the id`);
  }
  const { parseMoment } = await import('../report/dates.js');
  const moment = await parseMoment(text, new Date());
  if (moment === null) return noSnapshot(`no snapshot "${text}": neither an id nor a date`);
  return catalog.snapshots.notAfter(source, moment) ?? noSnapshot(`no snapshot of ${source} at or before ${text}`);
}

function noSnapshot(message: string): never {
  throw new UserError(ExitCode.usage, `${message}; 'backup-ninja snapshots' lists them`);
}
