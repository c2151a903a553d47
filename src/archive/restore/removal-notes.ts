import { type ByteString, toDisplay } from '../../bytes.js';

/** So many paths are named in one line. */
const NAMED = 5;

/** What `--delete` has left although the snapshot does not have it, and why. */
export class RemovalNotes {
  /** Paths at which other file systems begin. */
  readonly otherFileSystems = new Set<ByteString>();

  /** One line each, for people. */
  warnings(): string[] {
    const lines: string[] = [];
    if (this.otherFileSystems.size > 0)
      lines.push(
        `--delete removed nothing on other file systems than the target's: ${listed(this.otherFileSystems)}; to have it work in one, give its path in the snapshot as PATH`,
      );
    return lines;
  }
}

function listed(paths: ReadonlySet<ByteString>): string {
  const first = [...paths].slice(0, NAMED).map(toDisplay).join(', ');
  return paths.size > NAMED ? `${first} and ${paths.size - NAMED} more` : first;
}
