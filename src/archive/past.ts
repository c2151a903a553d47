import type { Catalog, SnapshotRow, Version } from '../catalog/index.js';
import { UserError } from '../errors.js';
import { contentId } from '../format/content-id.js';
import { type Entry, EntryType } from '../format/entry.js';
import { joinNs, letHeapGrow } from '../platform/index.js';
import { jsonPath } from '../report/json-path.js';
import { rfc3339 } from '../report/time.js';
import { keyOf, pathOf } from '../scan/index.js';
import type { ObjectStore } from '../store/index.js';
import type { Context } from './context.js';
import { openOwnStore } from './open-store.js';
import { openCatalogAlone, openRepository, type Repository } from './repository.js';
import { chooseSource, hasOwnSnapshot, resolveSnapshot } from './select.js';
import { tablesToRead } from './tables.js';
import type { EntryTypeName, LsEntry, SourceOption, VersionRow } from './types.js';

/** Answers about the past, from the catalog: the store may be away. */
export interface Past {
  catalog: Catalog;
  sourceFor(option: SourceOption): string;
  snapshot(source: string, text: string): Promise<SnapshotRow>;
}

/** What a question is about: this machine's own source, which its catalog knows, unless other things are named. */
export interface Subject extends SourceOption {
  /** All sources of the store. */
  everySource?: boolean;
  /** Snapshots, as the user named them. */
  snapshots?: readonly string[];
}

/**
 * Opens the catalog for questions. The store is opened, and the catalog rebuilt or brought up to date, only when there is
 * none to be used, or when the question is about what other machines write and the store lists a snapshot that the catalog
 * does not know.
 */
export async function withPast<T>(
  context: Context,
  command: string,
  subject: Subject,
  answer: (past: Past) => Promise<T>,
): Promise<T> {
  letHeapGrow();
  const tables = tablesToRead(context);
  try {
    return await answerFrom(tables.context, command, subject, answer);
  } finally {
    tables.giveBack();
  }
}

async function answerFrom<T>(
  context: Context,
  command: string,
  subject: Subject,
  answer: (past: Past) => Promise<T>,
): Promise<T> {
  const alone = await openCatalogAlone(context);
  if (alone === undefined) return withStore(context, command, answer);
  let repository: Repository | undefined;
  try {
    if (isAboutOthers(context, alone, subject) && (await isBehind(context, alone)))
      repository = await openIfAble(context, command);
    return await answer(asPast(repository?.catalog ?? alone, context));
  } finally {
    alone.close();
    await repository?.close();
  }
}

async function withStore<T>(context: Context, command: string, answer: (past: Past) => Promise<T>): Promise<T> {
  const repository = await openForPast(context, command);
  try {
    return await answer(asPast(repository.catalog, context));
  } finally {
    await repository.close();
  }
}

function openForPast(context: Context, command: string): Promise<Repository> {
  return openRepository(context, { command, lock: 'shared', catalog: 'read' });
}

/** The repository, with its catalog brought up to date; undefined, after saying so, where it cannot be opened. */
async function openIfAble(context: Context, command: string): Promise<Repository | undefined> {
  try {
    return await openForPast(context, command);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    context.report.warn(`the store has snapshots that are not shown, as it cannot be opened: ${error.message}`);
    return undefined;
  }
}

function isAboutOthers(context: Context, catalog: Catalog, subject: Subject): boolean {
  const { snapshots } = catalog;
  if (subject.everySource === true || subject.source !== undefined) return true;
  if (
    subject.snapshots?.some(
      (text) => /^[0-9a-f]{4,64}$/i.test(text) && snapshots.byPrefix(text.toLowerCase()).length === 0,
    )
  )
    return true;
  return !hasOwnSnapshot(catalog, context);
}

/** Whether the store lists snapshots that the catalog does not know, or not as complete. Of one that is away nobody can tell. */
async function isBehind(context: Context, catalog: Catalog): Promise<boolean> {
  let store: ObjectStore | undefined;
  try {
    store = await openOwnStore(context, { withoutConfig: true });
    const known = new Set(catalog.snapshots.all().flatMap(({ name, pending }) => (pending ? [] : [name])));
    return (await store.list('snapshots')).some(({ name }) => !known.has(name));
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  } finally {
    await store?.close();
  }
}

function asPast(catalog: Catalog, context: Context): Past {
  return {
    catalog,
    sourceFor: (option) => chooseSource(catalog, context, option),
    snapshot: (source, text) => resolveSnapshot(catalog, source, text),
  };
}

export { keyOf, pathOf };

const TYPE_NAMES: Record<EntryType, EntryTypeName> = {
  [EntryType.dir]: 'dir',
  [EntryType.file]: 'file',
  [EntryType.symlink]: 'symlink',
  [EntryType.fifo]: 'fifo',
  [EntryType.socket]: 'socket',
  [EntryType.chardev]: 'chardev',
  [EntryType.blockdev]: 'blockdev',
};

/** An entry as `ls` shows it. */
export function lsEntry(entry: Entry): LsEntry {
  const row: LsEntry = {
    ...jsonPath(pathOf(entry.key)),
    type: TYPE_NAMES[entry.type],
    size: entry.size,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: mtimeText(entry),
  };
  if (entry.target !== undefined) {
    const { path, path_base64 } = jsonPath(entry.target);
    row.target = path;
    if (path_base64 !== undefined) row.target_base64 = path_base64;
  }
  if (entry.link !== undefined) row.hardlink_group = Buffer.from(entry.link).toString('hex');
  if (entry.user !== undefined) row.user = entry.user;
  if (entry.group !== undefined) row.group = entry.group;
  return row;
}

/** A version as `find` and `history` show it. */
export function versionRow(version: Version): VersionRow {
  const { entry } = version;
  return {
    from: rfc3339(version.fromTime),
    to: version.toTime === undefined ? null : rfc3339(version.toTime),
    size: entry.size,
    mtime: mtimeText(entry),
    content: entry.type === EntryType.file ? contentId(entry) : null,
  };
}

function mtimeText(entry: Entry): string {
  return rfc3339(joinNs(entry.mtimeSec, entry.mtimeNsec));
}
