import { objectPath } from '../../store/index.js';
import type { Repository } from '../repository.js';
import type { ThreadPool } from '../worker-pool.js';
import { Findings } from './findings.js';
import { Needs } from './needs.js';
import { PackState } from './packs.js';
import { checkSmall } from './small.js';
import { nameVictims } from './victims.js';

/**
 * Looks at everything in a store and notes what is wrong and whom it hurts; changes nothing there.
 * @param readData share of the packs to read whole, 0 to 1
 * @param threads for that, if they were started early
 */
export async function examine(repository: Repository, readData: number, threads?: ThreadPool): Promise<Findings> {
  const { context, keyring } = repository;
  const findings = new Findings();
  context.report.start('check');
  const packs = new PackState(repository, findings);
  // What a snapshot needs is sealed from keys that may only add.
  if (keyring.canRead) {
    const looked = checkSmall(repository, findings).then(() => packs.look());
    const needs = new Needs(repository, findings, packs);
    const reading = readData > 0 ? packs.read(readData, looked, threads) : Promise.resolve();
    // Both are waited for, whichever fails: they use the same store.
    for (const done of await Promise.allSettled([looked.then(() => needs.look()), reading]))
      if (done.status === 'rejected') throw done.reason;
    (packs.hasBad ? await needsAgain(repository, findings, packs) : needs).tell();
    if (findings.lost.size > 0) await nameVictims(repository, findings);
  } else {
    await checkSmall(repository, findings);
    context.report.note('this key may only add backups: names and signatures were checked, not what snapshots need');
  }
  tellMeaning(repository, findings);
  return findings;
}

/** Looks up anew what is needed: something turned out to be damaged after it had been looked up. */
async function needsAgain(repository: Repository, findings: Findings, packs: PackState): Promise<Needs> {
  const needs = new Needs(repository, findings, packs);
  await needs.look();
  return needs;
}

/** Damaged and missing snapshots hurt themselves. */
function tellMeaning({ catalog }: Repository, findings: Findings): void {
  for (const { folder, name } of findings.objects) {
    if (folder !== 'snapshots') continue;
    const path = objectPath('snapshots', name);
    const row = catalog.snapshots.get(name);
    for (const problem of findings.problems)
      if (problem.object === path && !problem.snapshots.includes(name) && row !== undefined)
        problem.snapshots.push(name);
  }
}
