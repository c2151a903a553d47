import type { Context } from '../archive/context.js';
import type * as t from '../archive/types.js';
import { ExitCode, UserError } from '../errors.js';

/** A verb of the archive. */
export type Verb<Options, Result> = (context: Context, options: Options) => Promise<Result>;

/** Every verb with its types; see src/archive/types.ts. */
export interface Verbs {
  init: Verb<t.InitOptions, t.InitResult>;
  backup: Verb<t.BackupOptions, t.BackupResult>;
  explain: Verb<t.ExplainOptions, t.ExplainResult>;
  snapshots: Verb<t.SnapshotsOptions, t.SnapshotRow[]>;
  ls: Verb<t.LsOptions, t.Rows<t.LsEntry>>;
  find: Verb<t.FindOptions, t.Rows<t.FindMatch>>;
  history: Verb<t.HistoryOptions, t.HistoryResult>;
  diff: Verb<t.DiffOptions, t.DiffResult>;
  cat: Verb<t.CatOptions, t.StreamResult>;
  dump: Verb<t.DumpOptions, t.StreamResult>;
  restore: Verb<t.RestoreOptions, t.RestoreResult>;
  cleanupSoft: Verb<t.CleanupSoftOptions, t.ForgetResult>;
  cleanupHard: Verb<t.CleanupHardOptions, t.ForgetResult>;
  forget: Verb<t.ForgetOptions, t.ForgetResult>;
  purge: Verb<t.PurgeOptions, t.PurgeResult>;
  tag: Verb<t.TagOptions, t.TagResult>;
  prune: Verb<t.PruneOptions, t.ForgetResult>;
  check: Verb<t.CheckOptions, t.CheckResult>;
  info: Verb<t.InfoOptions, t.InfoResult>;
  catalogRebuild: Verb<t.CatalogRebuildOptions, t.CatalogRebuildResult>;
  keyList: Verb<t.KeyListOptions, t.KeyListResult>;
  keyAdd: Verb<t.KeyAddOptions, t.KeyAddResult>;
  keyRemove: Verb<t.KeyRemoveOptions, t.KeyRemoveResult>;
  keyChangePassphrase: Verb<t.KeyChangePassphraseOptions, t.KeyChangePassphraseResult>;
  keyRecovery: Verb<t.KeyRecoveryOptions, t.KeyRecoveryResult>;
  importLegacy: Verb<t.ImportOptions, t.ImportResult>;
  status: Verb<t.StatusOptions, t.StatusResult>;
  sync: Verb<t.SyncOptions, t.SyncRow[]>;
}

export type VerbName = keyof Verbs;

/** Loads one verb; tests give another. */
export type LoadVerb = <N extends VerbName>(name: N) => Promise<Verbs[N]>;

/** Loads a verb, and with it only what that verb needs. A verb joins the program by its line here. */
const loaders: { [N in VerbName]?: () => Promise<Verbs[N]> } = {
  init: async () => (await import('../archive/init.js')).init,
  backup: async () => (await import('../archive/backup.js')).backup,
  explain: async () => (await import('../archive/explain.js')).explain,
  snapshots: async () => (await import('../archive/snapshots.js')).snapshots,
  ls: async () => (await import('../archive/ls.js')).ls,
  find: async () => (await import('../archive/find.js')).find,
  history: async () => (await import('../archive/history.js')).history,
  diff: async () => (await import('../archive/diff.js')).diff,
  cat: async () => (await import('../archive/cat.js')).cat,
  dump: async () => (await import('../archive/dump.js')).dump,
  restore: async () => (await import('../archive/restore.js')).restore,
  cleanupSoft: async () => (await import('../archive/cleanup.js')).cleanupSoft,
  cleanupHard: async () => (await import('../archive/cleanup.js')).cleanupHard,
  forget: async () => (await import('../archive/forget.js')).forget,
  purge: async () => (await import('../archive/purge.js')).purge,
  prune: async () => (await import('../archive/prune.js')).prune,
  tag: async () => (await import('../archive/tag.js')).tag,
  check: async () => (await import('../archive/check.js')).check,
  info: async () => (await import('../archive/info.js')).info,
  catalogRebuild: async () => (await import('../archive/catalog.js')).catalogRebuild,
  keyList: async () => (await import('../archive/key.js')).keyList,
  keyAdd: async () => (await import('../archive/key.js')).keyAdd,
  keyRemove: async () => (await import('../archive/key.js')).keyRemove,
  keyChangePassphrase: async () => (await import('../archive/key.js')).keyChangePassphrase,
  keyRecovery: async () => (await import('../archive/key.js')).keyRecovery,
  status: async () => (await import('../archive/status.js')).status,
  importLegacy: async () => (await import('../archive/import.js')).importLegacy,
};

/** The verbs of this version. */
export const verbNames = Object.keys(loaders) as VerbName[];

/** Loads a verb of the archive. @throws UserError (failed) when this version does not have it */
export const loadVerb: LoadVerb = async <N extends VerbName>(name: N): Promise<Verbs[N]> => {
  const load: (() => Promise<Verbs[N]>) | undefined = loaders[name];
  if (!load) throw new UserError(ExitCode.failed, `\`${name}\` is not part of this version of backup-ninja; update it`);
  return load();
};
