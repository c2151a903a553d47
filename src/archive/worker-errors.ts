import { type ExitCode, UserError } from '../errors.js';
import { StoreError, type StoreErrorCode } from '../store/errors.js';

/** What is lost of an error on its way between threads, where only message, stack and cause are copied. */
interface Carried {
  exit: ExitCode;
  store?: { code: StoreErrorCode; path: string | undefined };
}

/** Runs a thread's work so that errors meant for users are known as such on the main thread. */
export async function carryingErrors<T>(work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const carried: Carried = { exit: error.exit };
    if (error instanceof StoreError) carried.store = { code: error.code, path: error.path };
    throw new Error(error.message, { cause: { carried } });
  }
}

/** An error from a thread as it was thrown there. */
export function carriedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const carried = (error.cause as { carried?: Carried } | undefined)?.carried;
  if (carried === undefined) return error;
  const { store, exit } = carried;
  return store === undefined
    ? new UserError(exit, error.message)
    : new StoreError(store.code, error.message, store.path, { cause: error });
}
