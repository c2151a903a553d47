import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { catalogFiles } from '../catalog/paths.js';
import { ExitCode, UserError } from '../errors.js';
import type { Context } from './context.js';

/** The catalog's folder, as a command has it. */
export interface Tables {
  /** The command's, with that folder. */
  context: Context;
  /** Where the config has it. */
  place: string;
  /** Removes what was made for the command alone. */
  giveBack(): void;
}

/**
 * The catalog's folder for a command that reads. Reading means writing there, too: SQLite keeps a log, and the catalog is
 * brought up to what the store has. So where nothing may be written, the command works on a copy of its own.
 */
export function tablesToRead(context: Context): Tables {
  const { tableDir } = context.config;
  if (whyNotWritable(tableDir) === undefined) return { context, place: tableDir, giveBack: () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'backup-ninja-'));
  const giveBack = () => rmSync(folder, { recursive: true, force: true });
  try {
    copyTables(tableDir, folder);
  } catch (error) {
    giveBack();
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(
      ExitCode.failed,
      `${tableDir} is read-only, and it could not be copied to ${tmpdir()} (${code}); make it writable, or give TMPDIR a place with room`,
      { cause: error },
    );
  }
  return { context: { ...context, config: { ...context.config, tableDir: folder } }, place: tableDir, giveBack };
}

/** The catalog's folder for a command that writes. @throws UserError (failed) where it cannot */
export function tablesToWrite(context: Context): Tables {
  const { tableDir } = context.config;
  const why = whyNotWritable(tableDir);
  if (why !== undefined)
    throw new UserError(
      ExitCode.failed,
      `the catalog cannot be written, ${tableDir} (${why}); correct its owner or mode`,
    );
  return { context, place: tableDir, giveBack: () => {} };
}

/** Why nothing may be written in a catalog's folder; undefined where it may, or where it has still to be made. */
function whyNotWritable(tableDir: string): string | undefined {
  for (const path of [tableDir, catalogFiles(tableDir).database]) {
    try {
      accessSync(path, constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return code;
    }
  }
  return undefined;
}

/** Copies the catalog, and the copies of the store's config and slots that lie beside it. */
function copyTables(from: string, to: string): void {
  const { database, lock } = catalogFiles(from);
  const beside = join(from, 'store');
  const slots = existsSync(beside) ? readdirSync(beside).map((name) => join(beside, name)) : [];
  for (const path of [database, `${database}-wal`, lock, ...slots]) {
    if (!existsSync(path)) continue;
    const copy = join(to, path.slice(from.length));
    mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
    copyFileSync(path, copy);
    // It has the original's mode.
    chmodSync(copy, 0o600);
  }
}
