import type { ByteString } from '../bytes.js';
import { globalRules, type RuleSources } from './excludes.js';
import { OwnFiles } from './own-files.js';
import type { ScanPlan, ScanRoot } from './plan.js';

/** A plan as plain data, which can be handed to another thread. */
export interface ScanOrder {
  readonly roots: readonly ScanRoot[];
  readonly rules: RuleSources;
  readonly excludeCaches: boolean;
  readonly excludeLargerThan: number | undefined;
  readonly oneFileSystem: boolean;
  readonly ownFiles: readonly ByteString[];
  readonly acceptEmpty: ReadonlySet<ByteString>;
  /** Keys of roots below which something is active. */
  readonly occupied: ReadonlySet<ByteString>;
}

/** A plan as an order. What it leaves out cannot be reported from elsewhere. */
export function orderOf(plan: ScanPlan): ScanOrder {
  if (plan.reportExcluded) throw new Error('what is excluded is reported by scans on this thread alone');
  const { roots, rules, excludeCaches, excludeLargerThan, oneFileSystem, ownFiles, acceptEmpty } = plan;
  const keys = roots.filter(({ mode }) => mode === 'scan').map(({ key }) => key);
  return {
    roots,
    rules: rules.sources,
    excludeCaches,
    excludeLargerThan,
    oneFileSystem,
    ownFiles: ownFiles.paths,
    acceptEmpty,
    occupied: new Set(keys.filter((key) => !acceptEmpty.has(key) && plan.hasEntries(key))),
  };
}

/** The plan that an order stands for. */
export function planOf(order: ScanOrder): ScanPlan {
  const { occupied, rules, ownFiles, ...rest } = order;
  return {
    ...rest,
    rules: globalRules(rules),
    ownFiles: new OwnFiles(ownFiles),
    hasEntries: (key) => occupied.has(key),
    reportExcluded: false,
    rootsRead: 0,
  };
}
