import type { Command } from 'commander';
import type { Session } from './session.js';

/** Runs a command's action within a session, and sees to its errors and exit code. */
export type Run = (action: (session: Session) => Promise<void>) => Promise<void>;

/** What each file in commands/ exports: adds arguments, options, examples and the action to its command. */
export interface CommandModule {
  define(command: Command, run: Run): void;
}

export interface CommandEntry {
  name: string;
  alias?: string;
  /** One line: what it is for. */
  summary: string;
  load(): Promise<CommandModule>;
}

/** Every command. Only the file of the one that runs is loaded. */
export const registry: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'write config, key and store where they are missing',
    load: () => import('./commands/init.js'),
  },
  { name: 'backup', summary: 'save the roots as a new snapshot', load: () => import('./commands/backup.js') },
  {
    name: 'explain',
    summary: 'tell whether a path would be saved, and which rule decides',
    load: () => import('./commands/explain.js'),
  },
  { name: 'snapshots', summary: 'list the snapshots, newest last', load: () => import('./commands/snapshots.js') },
  { name: 'ls', summary: 'list a directory as it was', load: () => import('./commands/ls.js') },
  {
    name: 'find',
    summary: 'find paths by a pattern, in one snapshot or all',
    load: () => import('./commands/find.js'),
  },
  { name: 'history', summary: 'list every version of one path', load: () => import('./commands/history.js') },
  { name: 'diff', summary: 'tell what differs between two snapshots', load: () => import('./commands/diff.js') },
  { name: 'cat', summary: "write a file's bytes to stdout", load: () => import('./commands/cat.js') },
  { name: 'dump', summary: 'write a directory as tar to stdout', load: () => import('./commands/dump.js') },
  { name: 'restore', summary: 'bring files back from a snapshot', load: () => import('./commands/restore.js') },
  {
    name: 'cleanup_soft',
    alias: 'cleanup-soft',
    summary: 'thin the history of each path: one version a year, or a policy',
    load: () => import('./commands/cleanup-soft.js'),
  },
  {
    name: 'cleanup_hard',
    alias: 'cleanup-hard',
    summary: 'drop all history; what is active stays',
    load: () => import('./commands/cleanup-hard.js'),
  },
  { name: 'forget', summary: 'drop snapshots by keep rules or by name', load: () => import('./commands/forget.js') },
  {
    name: 'purge',
    summary: 'take paths out of all history and out of the store',
    load: () => import('./commands/purge.js'),
  },
  { name: 'tag', summary: 'add tags to a snapshot or remove them', load: () => import('./commands/tag.js') },
  { name: 'prune', summary: 'give back the space of what nothing needs', load: () => import('./commands/prune.js') },
  {
    name: 'check',
    summary: 'verify that everything needed is there and sound',
    load: () => import('./commands/check.js'),
  },
  { name: 'info', summary: 'show counts, sizes and ratios', load: () => import('./commands/info.js') },
  {
    name: 'status',
    summary: 'show how old the newest backup is, here and at the targets',
    load: () => import('./commands/status.js'),
  },
  { name: 'sync', summary: 'copy the store to its targets', load: () => import('./commands/sync.js') },
  { name: 'catalog', summary: 'manage the local catalog', load: () => import('./commands/catalog.js') },
  { name: 'key', summary: 'manage the keys of the store', load: () => import('./commands/key.js') },
  {
    name: 'import',
    summary: 'take over an archive of the Python backup-ninja',
    load: () => import('./commands/import.js'),
  },
];
