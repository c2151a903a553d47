import { ExitCode, UserError } from '../errors.js';
import { type StoreRecord, sealRecord } from '../format/record.js';
import { objectPath } from '../store/index.js';
import type { Context } from './context.js';
import { timeOfNewRecord } from './record-time.js';
import { openRepository } from './repository.js';
import { requireMayWrite } from './standing.js';
import { noteAdded } from './store-totals.js';
import type { TagOptions, TagResult } from './types.js';

/** Adds and removes tags of a snapshot, by a record: the snapshot itself never changes. */
export async function tag(context: Context, options: TagOptions): Promise<TagResult> {
  const repository = await openRepository(context, { command: 'tag', lock: 'shared', catalog: 'write' });
  try {
    const { catalog, keyring, store } = repository;
    keyring.requireWrite('tag');
    if (options.remove.length > 0) keyring.requireFull("'tag --remove'");
    const snapshot = await repository.snapshot(repository.sourceFor(options), options.snapshot);
    // Whatever thins a history makes its kept snapshots anew: a tag would go with the old one.
    if (snapshot.kind === 'kept')
      throw new UserError(
        ExitCode.usage,
        `snapshot ${snapshot.name.slice(0, 8)} holds old versions that cleanup_soft kept, and is made anew by the next; nothing was tagged: tag one that a backup made`,
      );
    requireMayWrite(repository, repository.reconciled, snapshot.sourceName);
    const tags = new Set(snapshot.tags);
    for (const added of options.add) tags.add(added);
    for (const removed of options.remove) tags.delete(removed);
    const wanted = [...tags].sort();
    const { add, remove } = options;
    const concerns = (other: StoreRecord) => other.type === 'tag' && other.snapshot === snapshot.name;
    const record = sealRecord(keyring, {
      type: 'tag',
      time: timeOfNewRecord(repository.reconciled, concerns),
      snapshot: snapshot.name,
      add,
      remove,
    });
    await store.put(objectPath('records', record.name), record.bytes);
    noteAdded(catalog, { objects: 1, bytes: record.bytes.length });
    catalog.snapshots.setTags(snapshot.name, wanted);
    return { snapshot: snapshot.name, tags: wanted };
  } finally {
    await repository.close();
  }
}
