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

const files: Partial<Record<VerbName, string>> = {
  cleanupSoft: 'cleanup',
  cleanupHard: 'cleanup',
  catalogRebuild: 'catalog',
  keyList: 'key',
  keyAdd: 'key',
  keyRemove: 'key',
  keyChangePassphrase: 'key',
  keyRecovery: 'key',
  importLegacy: 'import',
};

/** Loads a verb from src/archive, and with it only what that verb needs. */
export const loadVerb: LoadVerb = async <N extends VerbName>(name: N): Promise<Verbs[N]> => {
  const file = files[name] ?? name;
  let module: Partial<Verbs>;
  try {
    module = await import(`../archive/${file}.js`);
  } catch (error) {
    // Only the verb's own file may be absent; a file missing deeper in is a fault to be seen as one.
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`archive/${file}.js' imported`)) throw error;
    module = {};
  }
  const verb = module[name];
  if (!verb) throw new UserError(ExitCode.failed, `\`${name}\` is not part of this version of backup-ninja; update it`);
  return verb;
};
