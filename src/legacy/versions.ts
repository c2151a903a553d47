import type { ByteString } from '../bytes.js';
import type { ContentEntry, FilePointer, Table } from './archive.js';
import { archivePath, logTime, pythonPath, statTime } from './text.js';

/** One version of one path, as the old tool knew it. Times are nanoseconds since 1970. */
export interface LegacyVersion {
  /** In stored form: `/home/x`, `C:/Users/x`. */
  path: ByteString;
  /** SHA-256 of its content, hex: the name of its `.enc` file. */
  checksum: string;
  /** When the tool first and last had it: the log's times. `to` is undefined while it is active. */
  from: bigint;
  to?: bigint;
  /** Known of active versions only. */
  size?: number;
  mtime?: bigint;
  ino?: number;
}

/** What archive.json says, path by path. */
export interface LegacyHistory {
  /** By path, then by `from`. Of each path at most one is active, and none overlaps the next. */
  versions: LegacyVersion[];
  /** The roots of the last backup, in stored form; may be glob patterns. */
  roots: ByteString[];
  /** What cannot be understood: paths that are none, times that are none. */
  problems: { path: ByteString; message: string }[];
}

interface LogEvent {
  at: bigint;
  added: boolean;
}

/** All that one content's entries say of one path. */
interface PathLog {
  path: ByteString;
  checksum: string;
  events: LogEvent[];
  pointer?: FilePointer;
}

/**
 * Works out the versions of every path from the table.
 *
 * The log is kept per content. A path's spell of having a content goes from ADDED to the next REMOVED; one that is not
 * closed is active if the path is among the content's `fptrs`, and else ended where the path's next version began, or
 * by the last backup. A pointer that no log row explains is dated by the last backup too: that it was there then is all
 * that is known.
 * @param base what relative paths count from; absolute, in stored form
 * @param written when archive.json was written, for a table without any log row
 */
export function versionsOf(table: Table, base: ByteString, written: bigint): LegacyHistory {
  const problems: LegacyHistory['problems'] = [];
  const logs = collect(table, base, problems);
  let last: bigint | undefined;
  for (const { events } of logs) {
    for (const { at } of events) if (last === undefined || at > last) last = at;
  }
  const versions = logs.flatMap((log) => spells(log, last ?? written));
  versions.sort((a, b) => compare(a.path, b.path) || compare(a.from, b.from) || compare(a.to ?? END, b.to ?? END));
  settle(versions, last ?? written);
  const roots: ByteString[] = [];
  for (const root of table.backup_roots) {
    try {
      roots.push(archivePath(root, base));
    } catch (error) {
      problems.push({
        path: pythonPath(root),
        message: `not a root that can be taken over: ${(error as Error).message}`,
      });
    }
  }
  return { versions, roots, problems };
}

/** Later than any time. */
const END = 1n << 63n;

/** The rows and pointers of all entries by content and path; a content may have several entries. */
function collect(table: Table, base: ByteString, problems: LegacyHistory['problems']): PathLog[] {
  const logs = new Map<string, PathLog>();
  const paths = new Map<string, ByteString | undefined>();
  const pathOf = (text: string): ByteString | undefined => {
    if (paths.has(text)) return paths.get(text);
    let path: ByteString | undefined;
    try {
      path = archivePath(text, base);
    } catch {
      problems.push({ path: pythonPath(text), message: 'not a plain absolute path; it is left out' });
    }
    paths.set(text, path);
    return path;
  };
  const logOf = (checksum: string, text: string): PathLog | undefined => {
    const path = pathOf(text);
    if (path === undefined) return undefined;
    const name = `${checksum}${path}`;
    const known = logs.get(name);
    if (known !== undefined) return known;
    const fresh: PathLog = { path, checksum, events: [] };
    logs.set(name, fresh);
    return fresh;
  };
  const take = (entry: ContentEntry, active: boolean) => {
    const checksum = entry.checksum.toLowerCase();
    for (const row of entry.log) {
      // Other events, should there be any, neither begin nor end anything.
      if (row.event !== 'ADDED' && row.event !== 'REMOVED') continue;
      const log = logOf(checksum, row.path);
      const at = logTime(row.timestamp);
      if (at !== null) log?.events.push({ at, added: row.event === 'ADDED' });
      else if (log)
        problems.push({ path: log.path, message: `its log has a time that is none: ${shown(row.timestamp)}` });
    }
    if (!active) return;
    for (const pointer of entry.fptrs) {
      const log = logOf(checksum, pointer.path);
      if (log !== undefined) log.pointer = pointer;
    }
  };
  for (const entry of table.active) take(entry, true);
  for (const entry of table.history) take(entry, false);
  return [...logs.values()];
}

/** The versions that one path has of one content. */
function spells(log: PathLog, last: bigint): LegacyVersion[] {
  const { path, checksum, pointer } = log;
  // Rows are in the order of time already, but for a clock that was set back; of equal times the order of rows counts.
  const events = log.events.toSorted((a, b) => compare(a.at, b.at));
  const versions: LegacyVersion[] = [];
  let open: bigint | undefined;
  for (const { at, added } of events) {
    if (added) open ??= at;
    else {
      versions.push({ path, checksum, from: open ?? at, to: at });
      open = undefined;
    }
  }
  if (pointer !== undefined) {
    const { size, mtime, ino } = pointer;
    versions.push({
      path,
      checksum,
      from: open ?? last,
      ...(size != null && { size }),
      ...(mtime != null && Number.isFinite(mtime) && { mtime: statTime(mtime) }),
      ...(ino != null && { ino: Math.abs(ino) % 2 ** 53 }),
    });
  } else if (open !== undefined) versions.push({ path, checksum, from: open, to: END });
  return versions;
}

/**
 * Puts the versions of each path one after the other. A version that nothing ended ends where the next one begins, or by
 * the last backup. What the table says is active stays so, and begins after all else; of several the newest counts.
 */
function settle(versions: LegacyVersion[], last: bigint): void {
  for (let i = 0, end = 0; i < versions.length; i = end) {
    while (end < versions.length && versions[end].path === versions[i].path) end++;
    const ofPath = versions.slice(i, end);
    const active = ofPath.findLast((version) => version.to === undefined);
    const ended = ofPath.filter((version) => version !== active);
    ended.forEach((version, at) => {
      const next = ended[at + 1]?.from ?? (active && active.from > version.from ? active.from : undefined);
      const stated = version.to === undefined || version.to === END ? last : version.to;
      version.to = later(version.from, next !== undefined && next < stated ? next : stated);
      if (active !== undefined && active.from < version.to) active.from = version.to;
    });
    if (active !== undefined) ended.push(active);
    for (let at = 0; at < ended.length; at++) versions[i + at] = ended[at];
  }
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

function later(a: bigint, b: bigint): bigint {
  return compare(a, b) < 0 ? b : a;
}
