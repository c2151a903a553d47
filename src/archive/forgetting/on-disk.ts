import { lstatSync } from 'node:fs';
import { type ByteString, toBytes } from '../../bytes.js';
import { explain, type ScanPlan } from '../../scan/index.js';

/** Whether there is anything at a path. */
export function exists(path: ByteString): boolean {
  try {
    return lstatSync(toBytes(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/** Whether a path is left out of backups on purpose, be it there or not; not that it merely is gone. */
export function isExcluded(plan: ScanPlan, path: ByteString): boolean {
  const { saved, rule, at } = explain(plan, path);
  return !saved && (rule !== undefined || exists(at));
}
