import type { ByteString } from '../bytes.js';
import { closeFd, openDirectory, openDirectoryAt, StatBuffer, statFd } from '../platform/index.js';
import type { Frame } from './frame.js';
import { pathOf } from './keys.js';

/** Directories that are open at once; those above are closed, and opened again on the way back. */
const MOST_OPEN = 100;

/** The directories that a walk is in, and their descriptors: never many, however deep it goes. */
export class FrameStack {
  readonly #frames: Frame[] = [];
  readonly #stat = new StatBuffer();

  get top(): Frame | undefined {
    return this.#frames[this.#frames.length - 1];
  }

  push(frame: Frame): void {
    const above = this.#frames[this.#frames.push(frame) - 1 - MOST_OPEN];
    if (above !== undefined) closeForNow(above);
  }

  /**
   * Leaves the topmost directory, and opens the one above again if it was closed and has not been read to its end.
   * @returns that one when it could not be found again.
   */
  pop(): Frame | undefined {
    const frame = this.#frames.pop()!;
    const parent = this.top;
    const isWanted = parent?.entries && parent.fd < 0 && parent.next < parent.entries.length;
    const lost = isWanted && !this.#reopen(parent, frame.fd) ? parent : undefined;
    if (frame.fd >= 0) closeFd(frame.fd);
    return lost;
  }

  /** Opens a directory; when too many files are open, once more after closing those above. */
  open(dir: number, name: ByteString): number {
    try {
      return openDirectoryAt(dir, name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EMFILE' && code !== 'ENFILE') throw error;
      for (const frame of this.#frames) if (frame.fd !== dir) closeForNow(frame);
      return openDirectoryAt(dir, name);
    }
  }

  /** Closes all. */
  close(): void {
    for (const frame of this.#frames) closeForNow(frame);
    this.#frames.length = 0;
  }

  /** Through its child, which costs the same at any depth, else by its path; it must be the same directory. */
  #reopen(frame: Frame, child: number): boolean {
    const ways = [() => openDirectory(pathOf(frame.key))];
    if (child >= 0) ways.unshift(() => openDirectoryAt(child, '..'));
    for (const open of ways) {
      let fd = -1;
      try {
        fd = open();
        statFd(fd, this.#stat);
        if (frame.isSame(this.#stat)) {
          frame.fd = fd;
          return true;
        }
      } catch {
        // then the other way
      }
      if (fd >= 0) closeFd(fd);
    }
    return false;
  }
}

function closeForNow(frame: Frame): void {
  if (frame.fd >= 0) closeFd(frame.fd);
  frame.fd = -1;
}
