import { readFileSync } from 'node:fs';
import type { Secret } from '../archive/context.js';
import type { SecretKind } from '../archive/types.js';
import { ExitCode, UserError } from '../errors.js';
import { canAsk, type Io } from './io.js';

/** Where secrets come from for one run of the program. See `Context` for what each function promises. */
export interface Secrets {
  unlock(kinds?: ReadonlySet<SecretKind>): AsyncIterable<Secret>;
  newPassphrase(changing: boolean): Promise<string>;
  recoveryKey(): Promise<string>;
}

const everyKind: ReadonlySet<SecretKind> = new Set(['key-file', 'passphrase', 'recovery']);

const tries = 3;

/** How the user is spoken to. */
export interface Asking {
  /** Asks for a secret on the terminal; called only where there is one. */
  ask(question: string): Promise<string>;
  /** Says why it is asked again. */
  note(message: string): void;
}

/** @param keyPath the config's key file */
export function secretsFrom(io: Io, keyPath: string, { ask, note }: Asking): Secrets {
  async function* unlock(kinds = everyKind): AsyncIterable<Secret> {
    if (kinds.has('recovery') && io.env.BACKUP_NINJA_RECOVERY_KEY)
      yield { kind: 'recovery', text: io.env.BACKUP_NINJA_RECOVERY_KEY };
    if (kinds.has('passphrase')) {
      const text = await passphraseOf(io, 'BACKUP_NINJA_PASSPHRASE');
      if (text !== undefined) yield { kind: 'passphrase', text };
    }
    if (kinds.has('key-file')) {
      const content = readKeyFile(keyPath);
      if (content) yield { kind: 'key-file', path: keyPath, content };
    }
    if (!canAsk(io)) return;
    // A passphrase is what people know by heart, so the recovery key is asked for only where there is none.
    const kind = kinds.has('passphrase') ? 'passphrase' : kinds.has('recovery') ? 'recovery' : undefined;
    for (let i = 0; kind && i < tries; i++) {
      if (i > 0) note(`this ${named[kind]} does not open the store; try again`);
      const text = await ask(`${named[kind]}: `);
      if (text === '') return;
      yield { kind, text };
    }
  }

  async function newPassphrase(changing: boolean): Promise<string> {
    const given = await passphraseOf(io, 'BACKUP_NINJA_NEW_PASSPHRASE');
    if (given !== undefined) return given;
    if (canAsk(io)) {
      for (let i = 0; i < tries; i++) {
        const first = await ask('new passphrase: ');
        if (first === '') note('a passphrase cannot be empty');
        else if (first === (await ask('new passphrase again: '))) return first;
        else note('the two differ; try again');
      }
      throw new UserError(ExitCode.usage, 'no new passphrase was given; nothing was changed');
    }
    const present = changing ? undefined : await passphraseOf(io, 'BACKUP_NINJA_PASSPHRASE');
    if (present !== undefined) return present;
    const variable = 'BACKUP_NINJA_NEW_PASSPHRASE';
    throw new UserError(
      ExitCode.usage,
      `no new passphrase: there is no terminal to ask on; set ${variable}, ${variable}_FILE or ${variable}_COMMAND`,
    );
  }

  async function recoveryKey(): Promise<string> {
    if (io.env.BACKUP_NINJA_RECOVERY_KEY) return io.env.BACKUP_NINJA_RECOVERY_KEY;
    const asked = canAsk(io) ? await ask('recovery key: ') : '';
    if (asked !== '') return asked;
    throw new UserError(
      ExitCode.usage,
      'no recovery key was given; set BACKUP_NINJA_RECOVERY_KEY or run this on a terminal',
    );
  }

  return { unlock, newPassphrase, recoveryKey };
}

const named = { passphrase: 'passphrase', recovery: 'recovery key' } as const;

/** A passphrase from NAME, the file that NAME_FILE names, or what the command NAME_COMMAND prints. */
async function passphraseOf(io: Io, name: string): Promise<string | undefined> {
  const direct = io.env[name];
  if (direct) return direct;
  const file = io.env[`${name}_FILE`];
  if (file) return notEmpty(readPassphraseFile(file, `${name}_FILE`), `${name}_FILE`);
  const command = io.env[`${name}_COMMAND`];
  return command ? notEmpty(await outputOf(command, `${name}_COMMAND`), `${name}_COMMAND`) : undefined;
}

function readPassphraseFile(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(ExitCode.usage, `cannot read ${file} (${code}), which ${name} names; correct it`, {
      cause: error,
    });
  }
}

async function outputOf(command: string, name: string): Promise<string> {
  const { spawn } = await import('node:child_process');
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const failed = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}`),
    );
  });
  // Neither the command nor its output is shown: either may hold the secret.
  if (failed) throw new UserError(ExitCode.usage, `the command of ${name} failed: ${failed}; correct it`);
  return Buffer.concat(chunks).toString('utf8');
}

function notEmpty(text: string, name: string): string {
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new UserError(ExitCode.usage, `${name} gives an empty passphrase; correct it`);
  return passphrase;
}

function readKeyFile(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UserError(ExitCode.wrongKey, `cannot read the key file ${path} (${code}); correct its owner or mode`, {
      cause: error,
    });
  }
}
