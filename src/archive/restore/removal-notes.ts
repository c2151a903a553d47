import { type ByteString, toDisplay } from '../../bytes.js';

/** So many paths are named in one line. */
const NAMED = 5;

/** What `--delete` has left although the snapshot does not have it, and why. */
export class RemovalNotes {
  /** Paths at which other file systems begin. */
  readonly otherFileSystems = new Set<ByteString>();
  /** Paths that could not be read, so that no backup can have saved them. */
  readonly unread = new Set<ByteString>();
  /** Directories that lack the files that say what backups leave out. */
  readonly unruled = new Set<ByteString>();

  /** One line each, for people. */
  warnings(): string[] {
    const lines: string[] = [];
    if (this.otherFileSystems.size > 0)
      lines.push(
        `--delete removed nothing on other file systems than the target's: ${listed(this.otherFileSystems)}; to have it work in one, give its path in the snapshot as PATH`,
      );
    if (this.unread.size > 0)
      lines.push(
        `--delete left what this user could not read, and so cannot have saved: ${listed(this.unread)}; look at it and remove it yourself`,
      );
    if (this.unruled.size > 0)
      lines.push(
        `--delete removed nothing in ${listed(this.unruled)}: the .backupninjaignore or CACHEDIR.TAG there or above was missing or cannot be read, so it was not known what backups leave out; make sure that it is restored, then run this again`,
      );
    return lines;
  }
}

function listed(paths: ReadonlySet<ByteString>): string {
  const first = [...paths].slice(0, NAMED).map(toDisplay).join(', ');
  return paths.size > NAMED ? `${first} and ${paths.size - NAMED} more` : first;
}
