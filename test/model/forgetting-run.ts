import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { expect } from 'vitest';
import { check } from '../../src/archive/check.js';
import { cleanupHard, cleanupSoft } from '../../src/archive/cleanup.js';
import { forget } from '../../src/archive/forget.js';
import { prune } from '../../src/archive/prune.js';
import { purge } from '../../src/archive/purge.js';
import { applyRules } from '../../src/archive/retention/snapshot-rules.js';
import type { ForgetResult, ForgetRules, LostVersion } from '../../src/archive/types.js';
import { dumpCatalog } from '../../src/catalog/index.js';
import { parsePolicy, yearly } from '../../src/config/policy.js';
import { rfc3339 } from '../../src/report/time.js';
import { faults, Killed, killAt, neverKill } from '../archive/forgetting/faults.js';
import { Lab, type LabFile, restored } from '../archive/forgetting/lab.js';
import { deadBlobs } from './dead-blobs.js';
import {
  cleanupHardIn,
  cleanupSoftIn,
  forgetIn,
  holds,
  type Model,
  type ModelSnapshot,
  type ModelVersion,
  purgeIn,
  sameFile,
} from './forgetting-model.js';

const FILES = ['r/a', 'r/b', 'r/d/x', 'r/d/y', 'r/d/e/z', 'r/d-f', 's/one', 's/two'];
const FOLDERS = ['r', 'r/d', 'r/d/e', 's'];
const PURGEABLE = [...FILES, 'r/d', 'r/d/e', 's'];
const POLICIES = [
  '1/year',
  '2/year',
  '30d:all,1/year',
  '2d:all,30d:1/week,2y:1/month',
  '100d:2/month,1/year',
  '400d:1/day',
];
const HOUR = 3_600_000;
const PAUSES = [HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR, 240 * HOUR, 960 * HOUR, 4800 * HOUR, 9600 * HOUR];

/** Contents of sizes that are cut into no, one, some and many chunks. */
const CONTENTS = [0, 1, 90, 150, 420, 900, 1700, 2600, 3900].map((size, n) =>
  Buffer.from(
    Array.from({ length: size }, (_, i) => ((i * 31 + n * 17) ^ (i >> 3) ^ (n % 3 === 0 ? 0 : (i * i * 7) >> 5)) & 255),
  ),
);

type Step =
  | {
      do: 'backup';
      edits: { file: number; content: number | null; replaces: boolean }[];
      pause: number;
      /** Its clock is behind by as much as that pause. */
      behind: number | null;
      pinned: boolean;
    }
  | { do: 'forget'; rules: ForgetRules | undefined; named: number[] }
  | { do: 'soft'; policy: number }
  | { do: 'hard' }
  | { do: 'purge'; path: number }
  | { do: 'prune'; share: number }
  | { do: 'rebuild' };

export interface Action {
  step: Step;
  /** Kills it at this write, in the middle. */
  kill: { at: number; when: 'before' | 'after' } | null;
  prune: boolean;
  dry: boolean;
}

const edit = fc.record({
  file: fc.nat(FILES.length - 1),
  content: fc.option(fc.nat(CONTENTS.length - 1), { nil: null, freq: 4 }),
  replaces: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
const count = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined, freq: 1 });
const rules: fc.Arbitrary<ForgetRules> = fc.record({
  last: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
  tags: fc.constant([]),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('backup' as const),
      edits: fc.array(edit, { maxLength: 5 }),
      pause: fc.nat(PAUSES.length - 1),
      behind: fc.option(fc.nat(PAUSES.length - 1), { nil: null, freq: 1 }),
      pinned: fc.integer({ min: 0, max: 11 }).map((n) => n === 0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('forget' as const),
      rules: fc.option(rules, { nil: undefined }),
      named: fc.array(fc.nat(20), { maxLength: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('soft' as const), policy: fc.nat(POLICIES.length) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hard' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('purge' as const), path: fc.nat(PURGEABLE.length - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('prune' as const), share: fc.constantFrom(0, 0.05, 0.5, 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rebuild' as const) }) },
);
const action: fc.Arbitrary<Action> = fc.record({
  step,
  kill: fc.option(
    fc.record({ at: fc.integer({ min: 1, max: 14 }), when: fc.constantFrom('before' as const, 'after' as const) }),
    {
      nil: null,
      freq: 1,
    },
  ),
  prune: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  dry: fc.boolean(),
});

/** A sequence of steps. */
export const sequence: fc.Arbitrary<Action[]> = fc.array(action, { minLength: 2, maxLength: 14 });

/** Runs a sequence on a lab and on the model; throws where they differ. */
export async function runSequence(actions: readonly Action[]): Promise<void> {
  const run = await Run.begin();
  try {
    for (const next of actions) await run.take(next);
    await run.finish();
  } finally {
    neverKill();
    run.lab.remove();
  }
}

/** One sequence, on a lab and on the model side by side. */
class Run {
  readonly lab: Lab;
  private readonly model: Model = { snapshots: [], kept: [] };
  private state = new Map<string, LabFile>();
  private clock = Date.parse('2020-01-15T12:00:00Z');
  private edits = 0;

  private constructor(lab: Lab) {
    this.lab = lab;
    lab.at(this.clock);
  }

  static async begin(): Promise<Run> {
    return new Run(await Lab.make({ chunk: 100 }));
  }

  async take(action: Action): Promise<void> {
    const { step } = action;
    this.clock += 60_000;
    this.lab.at(this.clock);
    switch (step.do) {
      case 'backup':
        return this.backup(step, action);
      case 'rebuild':
        rmSync(this.lab.config.tableDir, { recursive: true, force: true });
        return;
      case 'prune':
        return this.prune(step.share, action);
      default:
        return this.forget(action, step);
    }
  }

  /** What must hold after every sequence. */
  async finish(): Promise<void> {
    await this.compare();
    await this.lab.use(async () => undefined);
    await prune(this.lab.context(), { maxUnused: { share: 0 }, grace: 0, dryRun: false });
    await this.compare();
    expect(await deadBlobs(this.lab)).toEqual({ dead: 0, twice: 0, missing: 0 });
    const checked = await check(this.lab.context(), { readData: 0, repair: false, objects: false });
    expect(checked.problems).toEqual([]);
    const before = await this.dump();
    rmSync(this.lab.config.tableDir, { recursive: true, force: true });
    expect(await this.dump()).toEqual(before);
  }

  private async backup(step: Extract<Step, { do: 'backup' }>, action: Action): Promise<void> {
    this.clock += PAUSES[step.pause];
    this.lab.at(this.clock);
    const state = new Map(this.state);
    for (const { file, content, replaces } of step.edits) {
      const path = FILES[file];
      const old = state.get(path);
      if (content === null) state.delete(path);
      else if (replaces && old?.content) state.set(path, { ...old, content: CONTENTS[content], replaced: old.content });
      else state.set(path, { content: CONTENTS[content], mtime: ++this.edits });
    }
    for (const folder of FOLDERS) {
      const isThere = [...state.keys()].some((path) => path.startsWith(`${folder}/`) && !FOLDERS.includes(path));
      if (isThere) state.set(folder, { content: null, mtime: 7 });
      else state.delete(folder);
    }
    const tags = step.pinned ? ['pin'] : [];
    const behind = step.behind === null ? 0 : PAUSES[step.behind];
    const take = (time: number) => this.lab.backup(state, { tags, time: BigInt(time - behind) * 1_000_000n });
    await this.maybeKilled(action, () => take(this.clock));
    const name = await take(this.clock);
    // A killed one may have got as far as its snapshot.
    const rows = await this.lab.snapshots();
    for (const row of rows.filter((r) => r.kind === 'taken' && !this.model.snapshots.some((s) => s.name === r.name)))
      this.model.snapshots.push({ name: row.name, time: row.time, state, pinned: step.pinned });
    this.model.snapshots.sort((a, b) => (a.name === name ? 1 : b.name === name ? -1 : 0));
    this.state = state;
  }

  private async prune(share: number, action: Action): Promise<void> {
    const work = (dryRun: boolean) => prune(this.lab.context(), { maxUnused: { share }, grace: 0, dryRun });
    await this.maybeKilled(action, () => work(false));
    const dry = action.dry ? await work(true) : undefined;
    const before = this.lab.storeBytes;
    const done = await work(false);
    this.compareFigures(dry, done, before);
    if (share === 0) expect(await deadBlobs(this.lab)).toEqual({ dead: 0, twice: 0, missing: 0 });
    await this.compare();
  }

  private async forget(action: Action, step: Step): Promise<void> {
    const after: Model = { snapshots: this.model.snapshots.map((s) => ({ ...s })), kept: [...this.model.kept] };
    const planned = this.planned(step, after);
    if (planned === undefined) return;
    const { work, lost } = planned;
    const common = { prune: action.prune, allSources: false };
    const dry = action.dry ? await work({ ...common, dryRun: true }) : undefined;
    if (dry !== undefined) {
      expect(dry.versions_removed).toBe(lost.length);
      expect(lostLines(dry.lost ?? [])).toEqual(lost.map(lostLine).sort());
    }
    if (await this.maybeKilled(action, () => work({ ...common, dryRun: false }))) {
      await this.restorable(after);
      await work({ ...common, dryRun: false });
    } else {
      const before = this.lab.storeBytes;
      const done = await work({ ...common, dryRun: false });
      expect(done.versions_removed).toBe(lost.length);
      this.compareFigures(dry, done, before);
    }
    await this.rename(after, step);
    Object.assign(this.model, after);
    await this.compare();
    if (step.do === 'soft' || step.do === 'hard') {
      const again = await work({ ...common, dryRun: true });
      expect([again.versions_removed, again.snapshots_removed]).toEqual([0, 0]);
    }
    if (step.do === 'purge') {
      const path = PURGEABLE[step.path];
      this.state = new Map([...this.state].filter(([at]) => at !== path && !at.startsWith(`${path}/`)));
    }
    if (this.model.snapshots.length === 0) this.state = new Map();
  }

  private planned(
    step: Step,
    after: Model,
  ):
    | { work(o: { dryRun: boolean; prune: boolean; allSources: boolean }): Promise<ForgetResult>; lost: ModelVersion[] }
    | undefined {
    const { lab } = this;
    if (after.snapshots.length === 0) return undefined;
    if (step.do === 'soft') {
      const policy = step.policy < POLICIES.length ? parsePolicy(POLICIES[step.policy], 'test') : yearly;
      return {
        work: (o) => cleanupSoft(lab.context(), { ...o, keep: policy }),
        lost: cleanupSoftIn(after, policy, this.clock),
      };
    }
    if (step.do === 'hard') return { work: (o) => cleanupHard(lab.context(), o), lost: cleanupHardIn(after) };
    if (step.do === 'purge') {
      const path = PURGEABLE[step.path];
      if (after.snapshots.some((s) => s.pinned && holds(s, path))) return undefined;
      const lost = purgeIn(after, path);
      if (lost.length === 0) return undefined;
      return {
        // Purged again after a kill, it may be there no longer.
        work: async (o) => {
          const known = await lab.use(async ({ catalog }) =>
            [...catalog.query.find('*', { source: 'host', all: true })].map(({ key }) => key.replaceAll('\0', '/')),
          );
          if (known.some((at) => at === path || at.startsWith(`${path}/`)))
            return purge(lab.context(), { ...o, paths: [`/${path}`] });
          return this.prunedOnly(o.dryRun);
        },
        lost,
      };
    }
    if (step.do !== 'forget') throw new Error(step.do);
    const names = new Set<string>();
    const newestFirst = after.snapshots.toReversed().map((s) => ({ ...s, tags: [] }));
    if (step.rules !== undefined)
      for (const { snapshot, reasons } of applyRules(newestFirst, step.rules, this.clock))
        if (reasons.length === 0 && !snapshot.pinned && snapshot.name !== newestFirst[0].name) names.add(snapshot.name);
    for (const n of step.named) {
      const snapshot = after.snapshots[n % after.snapshots.length];
      if (!snapshot.pinned) names.add(snapshot.name);
    }
    if (step.rules === undefined && names.size === 0) return undefined;
    const named = [...names].filter((name) =>
      step.named.some((n) => after.snapshots[n % after.snapshots.length].name === name),
    );
    return {
      // Named again after a kill, those that are gone already are no longer known.
      work: async (o) => {
        const known = new Set((await lab.snapshots()).map((row) => row.name));
        const left = named.filter((name) => known.has(name));
        if (step.rules === undefined && left.length === 0) return this.prunedOnly(o.dryRun);
        return forget(lab.context(), { ...o, rules: step.rules, groupBy: ['source'], snapshots: left });
      },
      lost: forgetIn(after, names),
    };
  }

  private prunedOnly(dryRun: boolean): Promise<ForgetResult> {
    return prune(this.lab.context(), { maxUnused: { share: 0.05 }, grace: 0, dryRun });
  }

  /** Runs something that is killed in the middle, if this action says so; true if it was. */
  private async maybeKilled(action: Action, work: () => Promise<unknown>): Promise<boolean> {
    if (action.kill === null) return false;
    killAt(action.kill.at, action.kill.when);
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Killed) && !faults.dead) throw error;
      return true;
    } finally {
      neverKill();
    }
  }

  /** Purging gives snapshots new names. */
  private async rename(after: Model, step: Step): Promise<void> {
    if (step.do !== 'purge') return;
    const rows = (await this.lab.snapshots()).filter((row) => row.kind === 'taken');
    after.snapshots.forEach((snapshot: ModelSnapshot, i) => {
      const row = rows.find((r) => r.name === snapshot.name || r.replaces.includes(snapshot.name)) ?? rows[i];
      snapshot.name = row.name;
    });
  }

  /** Everything that the model holds can be had from the store. */
  private async restorable(model: Model): Promise<void> {
    await this.lab.use(async (repository) => {
      const rows = repository.catalog.snapshots.all();
      for (const snapshot of model.snapshots) {
        const row = rows.find((r) => r.name === snapshot.name || r.replaces.includes(snapshot.name));
        expect(row, `snapshot ${snapshot.name}`).toBeDefined();
        const found = await restored(repository, repository.catalog.query.entries(row!));
        for (const [path, file] of snapshot.state) expect(sameFile(found.get(path), file), path).toBe(true);
      }
    });
  }

  /** The store holds what the model holds, and nothing else. */
  private async compare(): Promise<void> {
    await this.lab.use(async (repository) => {
      const { catalog } = repository;
      const rows = catalog.snapshots.all().filter((row) => row.kind === 'taken');
      expect(rows.map((row) => row.name)).toEqual(this.model.snapshots.map((s) => s.name));
      for (const [i, row] of rows.entries()) {
        const { state, time } = this.model.snapshots[i];
        expect(row.time).toBe(time);
        const found = await restored(repository, catalog.query.entries(row));
        expect([...found.keys()].sort()).toEqual([...state.keys()].sort());
        for (const [path, file] of state) expect(sameFile(found.get(path), file), path).toBe(true);
      }
      const kept: string[] = [];
      for (const { id } of catalog.snapshots.sources())
        for (const version of catalog.kept.all(id)) {
          const [file] = (await restored(repository, [version.entry])).values();
          kept.push(
            versionText({
              path: version.key.replaceAll('\0', '/'),
              file,
              first: version.fromTime,
              last: version.toTime ?? 0n,
            }),
          );
        }
      expect(kept.sort()).toEqual(this.model.kept.map(versionText).sort());
    });
  }

  /** A dry run says what a run then does, within 1% of the bytes. */
  private compareFigures(dry: ForgetResult | undefined, done: ForgetResult, before: number): void {
    const shrunk = before - this.lab.storeBytes;
    expect(done.bytes_freed).toBe(Math.max(0, shrunk));
    if (dry === undefined) return;
    const figures = ({ versions_removed, snapshots_removed, packs_deleted, packs_rewritten, kept }: ForgetResult) => ({
      versions_removed,
      snapshots_removed,
      packs_deleted,
      packs_rewritten,
      kept,
    });
    expect(figures(dry)).toEqual(figures(done));
    expect(Math.abs(dry.bytes_freed - done.bytes_freed)).toBeLessThanOrEqual(Math.max(64, done.bytes_freed * 0.01));
  }

  private dump(): Promise<string[]> {
    return this.lab.use(async ({ catalog }) =>
      [...dumpCatalog(catalog)].filter((line) => !line.startsWith('{"type":"pack"')),
    );
  }
}

function versionText({ path, file, first, last }: ModelVersion): string {
  return `${path} ${rfc3339(first)} ${rfc3339(last)} ${file.mtime} ${Buffer.from(file.content ?? []).toString('hex')}`;
}

function lostLine(version: ModelVersion): string {
  return `/${version.path} ${rfc3339(version.first)} ${version.file.content?.length ?? 0}`;
}

function lostLines(lost: readonly LostVersion[]): string[] {
  return lost.map(({ path, from, size }) => `${path} ${from} ${size}`).sort();
}
