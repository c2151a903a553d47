import { ExitCode, UserError } from '../errors.js';

/**
 * What went wrong with a store, for callers that go on differently.
 * - `missing`: there is no such object
 * - `short`: the object ends before the range that was asked for
 * - `conflict`: another file has the place of what should be put
 * - `full`, `read-only`, `denied`: the store takes nothing more, or not from us
 * - `absent`: there is no store at that place
 * - `no-config`: there is one, or what is left of it, without config.json
 * - `gone`: the whole store went away while it was in use (an unmounted disk, a lost connection)
 * - `io`: anything else that the medium or the network says
 */
export type StoreErrorCode =
  | 'missing'
  | 'short'
  | 'conflict'
  | 'full'
  | 'read-only'
  | 'denied'
  | 'absent'
  | 'no-config'
  | 'gone'
  | 'io';

/** What means that there is no store to work with: exit 10. */
const NO_STORE: readonly StoreErrorCode[] = ['absent', 'no-config', 'gone'];

/** A store's failure in one line for the user, with a code for the program. */
export class StoreError extends UserError {
  readonly code: StoreErrorCode;
  /** The object's path within the store, when one object is concerned. */
  readonly path: string | undefined;

  constructor(code: StoreErrorCode, message: string, path?: string, options?: ErrorOptions) {
    super(NO_STORE.includes(code) ? ExitCode.noStore : ExitCode.failed, message, options);
    this.code = code;
    this.path = path;
  }
}

/** Whether an error says that an object is not in the store. */
export function isMissing(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'missing';
}

/** There is no store at `url`: exit 10. */
export function noStore(url: string): StoreError {
  return new StoreError(
    'absent',
    `no store at ${url}; mount its disk or check file_dir, or run 'backup-ninja init' to make one`,
  );
}

/** At `url` are objects of a store, but no config.json: exit 10. */
export function configMissing(url: string): StoreError {
  return new StoreError(
    'no-config',
    `config.json is not in the store, ${url}; run 'backup-ninja check --repair' to put this machine's copy back, or bring it back from another copy of the store`,
    'config.json',
  );
}

/** An error of the file system while a file of `spoolDir()` was written, as the store's own failures are told. */
export function spoolFailure(error: unknown, url: string): unknown {
  return fromSystem(error, 'write', url);
}

/** What was being done, as it reads in a message: `error: cannot write packs/ab/…`. */
export type Doing = 'read' | 'write' | 'delete' | 'list' | 'lock' | 'make';

/**
 * An error of the file system as a StoreError. Errors that are one already, and those that no system call made, are
 * given back as they are.
 */
export function fromSystem(error: unknown, doing: Doing, url: string, path?: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof UserError || typeof code !== 'string') return error;
  const what = path === undefined ? url : `${path} in ${url}`;
  const options = { cause: error };
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new StoreError(
        'full',
        `store is full, ${url}; free space there, or run 'backup-ninja prune'`,
        path,
        options,
      );
    case 'EROFS':
      return new StoreError(
        'read-only',
        `cannot ${doing} ${what}: the store is mounted read-only; remount it`,
        path,
        options,
      );
    case 'EACCES':
    case 'EPERM':
      return new StoreError('denied', `no permission to ${doing} ${what}; check who owns it`, path, options);
    case 'ENOENT':
    case 'ENOTDIR':
      if (doing === 'read') {
        return new StoreError('missing', `not in the store: ${what}; run 'backup-ninja check'`, path, options);
      }
      return new StoreError(
        'gone',
        `cannot ${doing} ${what}: the store is no longer there; is its disk mounted?`,
        path,
        options,
      );
    case 'ESTALE':
    case 'ENODEV':
    case 'ENXIO':
    case 'ENOTCONN':
      return new StoreError(
        'gone',
        `cannot ${doing} ${what}: the store went away (${code}); is its disk connected?`,
        path,
        options,
      );
    case 'EIO':
      return new StoreError(
        'io',
        `cannot ${doing} ${what}: the disk reports an error (EIO); check the disk, then run 'backup-ninja check'`,
        path,
        options,
      );
    case 'EMFILE':
    case 'ENFILE':
      return new StoreError(
        'io',
        `cannot ${doing} ${what}: too many open files (${code}); raise 'ulimit -n'`,
        path,
        options,
      );
    default:
      return new StoreError('io', `cannot ${doing} ${what}: ${(error as Error).message}; try again`, path, options);
  }
}
