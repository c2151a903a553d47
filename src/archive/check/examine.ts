import { objectPath } from '../../store/index.js';
import type { Repository } from '../repository.js';
import { Findings } from './findings.js';
import { Needs } from './needs.js';
import { PackState } from './packs.js';
import { checkSmall } from './small.js';
import { nameVictims } from './victims.js';

/**
 * Looks at everything in a store and notes what is wrong and whom it hurts; changes nothing there.
 * @param readData share of the packs to read whole, 0 to 1
 */
export async function examine(repository: Repository, readData: number): Promise<Findings> {
  const { context, keyring } = repository;
  const findings = new Findings();
  context.report.start('check');
  await checkSmall(repository, findings);
  const packs = new PackState(repository, findings);
  // What a snapshot needs is sealed from keys that may only add.
  if (keyring.canRead) {
    await packs.look();
    if (readData > 0) await packs.read(readData);
    await new Needs(repository, findings, packs).check();
    if (findings.lost.size > 0) await nameVictims(repository, findings);
  } else
    context.report.note('this key may only add backups: names and signatures were checked, not what snapshots need');
  tellMeaning(repository, findings);
  return findings;
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
