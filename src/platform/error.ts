import os from 'node:os';
import { getSystemErrorMap } from 'node:util';

// libuv's map has the texts; numbers in it are negative on every system, and its own on Windows.
const byNumber = getSystemErrorMap();
const byCode = new Map<string, number>();
for (const [number, [code]] of byNumber) if (!byCode.has(code)) byCode.set(code, number);

/** Negative error number of a code such as 'ENOENT', as Node has it in `error.errno`. */
export function errnoOf(code: string): number {
  const known = byCode.get(code);
  if (known !== undefined) return known;
  const number = (os.constants.errno as Record<string, number>)[code];
  return number === undefined ? errnoOf('ENOSYS') : -number;
}

/** The code of a negative error number; `E<number>` when it has no name here. */
export function codeOf(errno: number): string {
  const known = byNumber.get(errno);
  if (known !== undefined) return known[0];
  for (const [code, number] of Object.entries(os.constants.errno)) if (number === -errno) return code;
  return `E${-errno}`;
}

/**
 * A failed system call, shaped as Node's own errors are: `code` ('ENOENT'), `errno` (negative), `syscall`, and `path`
 * (and `dest`) as text for people.
 */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;
  readonly dest: string | undefined;

  constructor(errno: number, syscall: string, path?: string, dest?: string) {
    const code = codeOf(errno);
    const text = byNumber.get(errno)?.[1] ?? 'system error';
    const where = path === undefined ? '' : ` '${path}'${dest === undefined ? '' : ` -> '${dest}'`}`;
    super(`${code}: ${text}, ${syscall}${where}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
    this.dest = dest;
  }
}

/** Runs a call of Node's, and gives its result, or the negative error number that it failed with. */
export function attempt(call: () => number | undefined): number {
  try {
    return call() ?? 0;
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (typeof errno !== 'number') throw error;
    return errno;
  }
}
