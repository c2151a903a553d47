import type { Command } from 'commander';
import type { LsEntry } from '../../archive/types.js';
import { fromBytes } from '../../bytes.js';
import { ExitCode, UserError } from '../../errors.js';
import { pathItem } from '../../report/json-path.js';
import { archivePath, looksLikePath } from '../arguments.js';
import { examples, sourceOption } from '../options.js';
import type { Output } from '../output.js';
import { shownTime } from '../print.js';
import type { Run } from '../registry.js';

interface Flags {
  l?: boolean;
  R?: boolean;
  source?: string;
}

export function define(command: Command, run: Run): void {
  command
    .argument('[snapshot]', 'latest, an id or its beginning, or a date (default: latest)')
    .argument('[path]', 'a directory; what starts with /, ~, . or X: is a path (default: the roots)')
    .option('-l', 'type, mode, owner, size and time too')
    .option('-R', 'what lies below, too');
  sourceOption(command).action((first: string | undefined, second: string | undefined, flags: Flags) =>
    run(async (session) => {
      const { snapshot, path } = snapshotAndPath(first, second);
      const ls = await session.verb('ls');
      const rows = await ls(await session.context(), {
        snapshot,
        path: path === undefined ? undefined : archivePath(path),
        recursive: flags.R ?? false,
        source: flags.source,
      });
      await session.printRows(rows, (entry, out) => out.line(flags.l ? longLine(entry, out) : out.path(entry)));
    }),
  );
  examples(
    command,
    ['ls', 'the roots of the latest snapshot'],
    ['ls -l ~/Documents', 'a directory as it was last'],
    ['ls 2026-05-01 /etc -R', 'all below /etc as it was at the end of that day'],
    ['ls "3 days ago" .', 'the current directory as it was'],
  );
}

function snapshotAndPath(first?: string, second?: string): { snapshot: string; path?: string } {
  if (first === undefined) return { snapshot: 'latest' };
  if (second === undefined) return looksLikePath(first) ? { snapshot: 'latest', path: first } : { snapshot: first };
  if (looksLikePath(first))
    throw new UserError(
      ExitCode.usage,
      `\`${first}\` is a path, but the snapshot comes first; give one path, or a snapshot and a path`,
    );
  return { snapshot: first, path: second };
}

const typeLetters = { file: '-', dir: 'd', symlink: 'l', fifo: 'p', socket: 's', chardev: 'c', blockdev: 'b' } as const;

/** A line as `ls -l` writes it, with columns wide enough for most (rows are not gathered first). */
function longLine(entry: LsEntry, out: Output): string {
  const user = (entry.user ?? String(entry.uid)).padEnd(8);
  const group = (entry.group ?? String(entry.gid)).padEnd(8);
  const size = String(entry.size).padStart(11);
  const target = entry.type === 'symlink' ? ` -> ${out.path(targetOf(entry))}` : '';
  return `${modeText(entry)} ${user} ${group} ${size} ${shownTime(entry.mtime)} ${out.path(entry)}${target}`;
}

function targetOf(entry: LsEntry) {
  const { target = '', target_base64 } = entry;
  return target_base64 === undefined ? target : pathItem(fromBytes(Buffer.from(target_base64, 'base64')));
}

/** `drwxr-xr-x`, with s, S, t and T as `ls` shows them. */
export function modeText({ type, mode }: Pick<LsEntry, 'type' | 'mode'>): string {
  const triple = (shift: number, special: boolean, letter: string) => {
    const bits = (mode >> shift) & 7;
    const execute = (bits & 1) !== 0;
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
  };
  return (
    typeLetters[type] +
    triple(6, (mode & 0o4000) !== 0, 's') +
    triple(3, (mode & 0o2000) !== 0, 's') +
    triple(0, (mode & 0o1000) !== 0, 't')
  );
}
