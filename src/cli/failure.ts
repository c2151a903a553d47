import { ExitCode, FormatError, reasonOf, UserError } from '../errors.js';

/** What is told of an error: an exit code, and one line for people. */
export interface Failure {
  code: number;
  message: string;
}

/**
 * Any error as what users are told. A UserError speaks for itself; an error of the operating system is told as it is,
 * bytes that break the format as damage; anything else is a fault of the program, and says so.
 */
export function describeFailure(error: unknown, aborted: boolean): Failure {
  if (error instanceof UserError) return { code: error.exit, message: oneLine(error.message) };
  if (error instanceof FormatError)
    return {
      code: ExitCode.failed,
      message: `the store is damaged: ${oneLine(error.message)}; run 'backup-ninja check' to see what that hurts`,
    };
  if (aborted) return { code: ExitCode.interrupted, message: 'interrupted; what was finished before stays' };
  const { message, code, syscall, path } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) };
  if (code !== undefined && syscall !== undefined) {
    const what = path === undefined ? message : `cannot ${syscall} ${path}: ${reasonOf(message)}`;
    return { code: ExitCode.failed, message: `${oneLine(what)}; see to the cause and run it again` };
  }
  return { code: ExitCode.failed, message: `internal error: ${oneLine(message || 'unknown')}; please report it` };
}

/** Whether an error is none of the user's and deserves its stack with `-v -v`. */
export function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : '';
  return `${error.stack}${cause}`;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}
