import type { Config } from '../config/types.js';
import { ExitCode, UserError } from '../errors.js';
import type { Reporter } from '../report/types.js';
import type { ForgetResult, SecretKind } from './types.js';

/** A secret that may open a slot. Nothing of it may reach logs, errors or arguments of processes. */
export type Secret =
  /** Content of a key file as it lies on disk (urlsafe base64 of 32 bytes, perhaps with white space around it). */
  | { kind: 'key-file'; path: string; content: Uint8Array }
  | { kind: 'passphrase'; text: string }
  | { kind: 'recovery'; text: string };

/** What a verb gets from its caller besides its own options: the config, and ways to speak to whoever runs it. */
export interface Context {
  readonly config: Config;
  /** Where `config` was read from (absolute); for `init` where it will be written. */
  readonly configFile: string;
  readonly report: Reporter;
  /** Aborted by Ctrl-C or SIGTERM: stop soon, clean up, throw `signal.reason` (`signal.throwIfAborted()`). */
  readonly signal: AbortSignal;
  /** How long to wait for a busy lock, in milliseconds; 0 (default) means exit 11 at once. */
  readonly waitLock: number;
  /**
   * Secrets to try, best first, made only when asked for: BACKUP_NINJA_RECOVERY_KEY, the passphrase of the environment,
   * the key file if there is one, then the terminal (a passphrase, up to three times). Stop iterating at the first that
   * opens a slot; when the iteration ends without one, throw `wrongKey` (12).
   * @param kinds the kinds of slots that the store has; secrets of other kinds are not made (nobody is asked for a
   *   passphrase that cannot help). Default: all.
   */
  unlock(kinds?: ReadonlySet<SecretKind>): AsyncIterable<Secret>;
  /**
   * A passphrase for a new slot: BACKUP_NINJA_NEW_PASSPHRASE (or its _FILE, _COMMAND), else asked twice on the terminal,
   * else, unless `changing`, BACKUP_NINJA_PASSPHRASE.
   * @param changing whether the passphrase of the environment is the old one (`key change-passphrase`).
   * @throws UserError (usage) when there is no source.
   */
  newPassphrase(changing: boolean): Promise<string>;
  /** The recovery key for `init --recovery`: BACKUP_NINJA_RECOVERY_KEY, else asked on the terminal. UserError (usage) when there is neither. */
  recoveryKey(): Promise<string>;
  /**
   * Asks a yes-or-no question on the terminal; true at once with `--yes`; false where nobody can be asked. With a
   * preview (made only if somebody is asked), what would be lost is shown first. A verb that gets false changes nothing.
   * Destructive verbs are called without terminal and `--yes` only with `dryRun`, so false means "declined" there.
   */
  confirm(question: string, preview?: ForgetResult | (() => Promise<ForgetResult>)): Promise<boolean>;
  /** Warns, and makes the exit code 3 if the command succeeds otherwise. One line, for people. */
  attention(message: string): void;
}

/** What a verb throws after `confirm` gave false. */
export function notConfirmed(): UserError {
  return new UserError(ExitCode.failed, 'not confirmed: nothing was changed; answer yes, or give --yes');
}
