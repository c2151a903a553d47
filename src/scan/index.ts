/** What is on disk: roots, the walk through them, and what it leaves out. */
export { type Explanation, explain } from './explain.js';
export type { ExcludedItem, FailedItem, KeepItem, ScanItem, SkippedItem, StdinItem } from './items.js';
export { FACTS, Fact, ScanEntry } from './items.js';
export { afterSubtree, keyOf, nameOf, parentKey, pathOf } from './keys.js';
export { LeftOut, type LeftOutHere } from './left-out.js';
export { orderOf, planOf, type ScanOrder } from './order.js';
export type { ScanPlan, ScanRoot } from './plan.js';
export { type PlanOptions, planRoots, type RootPlan, type SnapshotRoot } from './roots.js';
export type { Rule } from './rules.js';
export { scan } from './walk.js';
