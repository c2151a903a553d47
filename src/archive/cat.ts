import { toDisplay } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { type Entry, EntryType } from '../format/entry.js';
import type { Context } from './context.js';
import { fileBytes, isUnreadable, Sink } from './file-bytes.js';
import { keyOf } from './past.js';
import { openRepository } from './repository.js';
import { SnapshotEntries } from './restore/entries.js';
import type { CatOptions, StreamResult } from './types.js';

/**
 * Writes a file's bytes to a stream.
 * @throws UserError when there is no such file, or when it is damaged: then what has been written is its beginning
 */
export async function cat(context: Context, options: CatOptions): Promise<StreamResult> {
  const path = toDisplay(options.path);
  const repository = await openRepository(context, { command: 'cat', lock: 'shared', catalog: 'read' });
  try {
    repository.keyring.requireRead('cat');
    const snapshot = await repository.snapshot(repository.sourceFor(options), options.snapshot);
    const entries = new SnapshotEntries(repository.catalog, snapshot, repository.reader());
    const entry = await entries.find(keyOf(options.path));
    if (entry === undefined)
      throw new UserError(
        ExitCode.failed,
        `no such path in snapshot ${snapshot.name.slice(0, 8)}, ${path}; 'backup-ninja history' tells when it was there`,
      );
    if (entry.type !== EntryType.file) throw new UserError(ExitCode.failed, `${path} is ${describe(entry)}`);
    const sink = new Sink(options.out, context.signal);
    try {
      for await (const bytes of fileBytes(entry, repository.reader())) await sink.send(bytes);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      throw new UserError(
        ExitCode.failed,
        `${path} is damaged in the store, after ${sink.bytes} bytes: ${(error as Error).message}; run 'backup-ninja check'`,
        { cause: error },
      );
    }
    return { bytes: sink.bytes };
  } finally {
    await repository.close();
  }
}

function describe(entry: Entry): string {
  if (entry.type === EntryType.dir) return "a directory; 'backup-ninja ls' shows what is in it";
  if (entry.type === EntryType.symlink)
    return `a symbolic link to ${toDisplay(entry.target ?? '')}; give the path of the file itself`;
  return 'no regular file, and has no bytes';
}
