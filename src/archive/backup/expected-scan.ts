import { type Catalog, lastUse } from '../../catalog/index.js';
import { type PlanOptions, planRoots, type ScanPlan } from '../../scan/index.js';
import type { Context } from '../context.js';
import { worthStartingEarly } from '../early-threads.js';
import type { Lineage } from '../lineage.js';
import { neverSaved } from '../never-saved.js';
import type { BackupOptions } from '../types.js';
import { ScanThread } from './scan-thread.js';

/** A store may be long in opening: when another has it, or somebody is asked for a passphrase. */
const RECENT_MS = 1000;

/**
 * A scan that begins before the store is open, which takes about as long as looking at ten thousand files. It expects that
 * the snapshot before had the same roots as the config has now; whether it did turns out later.
 */
export class ExpectedScan {
  private readonly thread = new ScanThread();
  /** When the catalog was last written before the scan began. */
  private usedBefore: bigint | undefined;

  /** Begins it where it is likely to be of use, or at least has its thread started; undefined where there is little to scan. */
  static async begin(context: Context, options: BackupOptions): Promise<ExpectedScan | undefined> {
    if (!worthStartingEarly(context.config)) return undefined;
    const scan = new ExpectedScan();
    const usedBefore = lastUse(context.config.tableDir);
    if (usedBefore === undefined || !isOfAllRoots(options)) return scan;
    const plan = await expectedPlan(context, options);
    if (plan === undefined) return scan;
    scan.usedBefore = usedBefore;
    scan.thread.begin(plan);
    return scan;
  }

  /**
   * The thread for a scan of this plan: this one's, or a new one. What was looked at long ago would not do, nor before
   * the catalog was last written: files that came in between would be taken for gone.
   */
  async threadFor(plan: ScanPlan, catalog: Catalog, { head }: Lineage): Promise<ScanThread> {
    const { thread, usedBefore } = this;
    if (thread.begunAt === undefined) return thread;
    const isRecent = performance.now() - thread.begunAt < RECENT_MS;
    const isUnwritten = usedBefore === catalog.usedBefore && head?.catalogId === catalog.id;
    if (isRecent && isUnwritten && thread.fits(plan)) return thread;
    await thread.dismiss();
    return new ScanThread();
  }

  /** Ends the thread if it still runs. */
  async dismiss(): Promise<void> {
    await this.thread.dismiss();
  }
}

/** What a plan is made from, as far as it is known before the store is open. */
export function planOptions(
  { config }: Context,
  options: BackupOptions,
): Omit<PlanOptions, 'previousRoots' | 'hasEntries' | 'confirm'> {
  return {
    config,
    roots: options.roots,
    filesFrom: options.filesFrom,
    stdin: options.stdin?.path,
    exclude: options.exclude,
    acceptEmpty: options.acceptEmpty,
    neverSaved: neverSaved(config),
  };
}

function isOfAllRoots({ roots, filesFrom, stdin, acceptEmpty }: BackupOptions): boolean {
  return roots.length === 0 && filesFrom === undefined && stdin === undefined && acceptEmpty.length === 0;
}

async function expectedPlan(context: Context, options: BackupOptions): Promise<ScanPlan | undefined> {
  try {
    const { scan } = await planRoots({
      ...planOptions(context, options),
      previousRoots: [],
      hasEntries: () => true,
      confirm: async () => false,
    });
    return scan;
  } catch {
    return undefined; // whoever plans in earnest says what is wrong
  }
}
