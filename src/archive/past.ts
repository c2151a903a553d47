import type { Catalog, SnapshotRow, Version } from '../catalog/index.js';
import { contentId } from '../format/content-id.js';
import { type Entry, EntryType } from '../format/entry.js';
import { joinNs, letHeapGrow } from '../platform/index.js';
import { jsonPath } from '../report/json-path.js';
import { rfc3339 } from '../report/time.js';
import { keyOf, pathOf } from '../scan/index.js';
import type { Context } from './context.js';
import { openCatalogAlone, openRepository } from './repository.js';
import { chooseSource, resolveSnapshot } from './select.js';
import { tablesToRead } from './tables.js';
import type { EntryTypeName, LsEntry, SourceOption, VersionRow } from './types.js';

/** Answers about the past, from the catalog alone: the store may be away. */
export interface Past {
  catalog: Catalog;
  sourceFor(option: SourceOption): string;
  snapshot(source: string, text: string): Promise<SnapshotRow>;
}

/** Opens the catalog for questions; only when there is none to be used is the store opened, and the catalog rebuilt. */
export async function withPast<T>(context: Context, command: string, answer: (past: Past) => Promise<T>): Promise<T> {
  letHeapGrow();
  const tables = tablesToRead(context);
  try {
    return await answerFrom(tables.context, command, answer);
  } finally {
    tables.giveBack();
  }
}

async function answerFrom<T>(context: Context, command: string, answer: (past: Past) => Promise<T>): Promise<T> {
  const alone = await openCatalogAlone(context);
  if (alone === undefined) {
    const repository = await openRepository(context, { command, lock: 'shared', catalog: 'read' });
    try {
      return await answer(asPast(repository.catalog, context));
    } finally {
      await repository.close();
    }
  }
  try {
    return await answer(asPast(alone, context));
  } finally {
    alone.close();
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
