/** Exit codes of the command line; a promise to scripts. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  attention: 3,
  damage: 4,
  noStore: 10,
  locked: 11,
  wrongKey: 12,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * An error a user is meant to read: one line saying what is wrong, where, and what to do.
 * Anything else that is thrown is a bug in the program. The message never holds key material.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  /** Exit code of the process. */
  readonly exit: ExitCode;

  constructor(exit: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

/** Bytes that break the format: damaged, cut, or made by something else. Callers add where they came from. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/**
 * Why the operating system refused something, in its words: `permission denied (EACCES)` of `EACCES: permission denied,
 * open '/x'`, since the path is said elsewhere. Other messages stay as they are.
 */
export function reasonOf(error: Error | string): string {
  const message = typeof error === 'string' ? error : error.message;
  const match = /^(E\w+): ([^,]+)/.exec(message);
  return match === null ? message : `${match[2]} (${match[1]})`;
}
