import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import * as z from 'zod/mini';
import { fromDisplay } from '../bytes.js';
import { parseConfigText } from '../config/parse.js';
import { expandPath, type Surroundings, surroundings } from '../config/paths.js';
import { ExitCode, UserError } from '../errors.js';
import { toStored } from '../platform/index.js';
import { readTable, type Table } from './archive.js';
import { ContentError, type ContentOptions, type ContentSink, firstToken, readContent } from './content.js';
import { FernetError, type FernetKey, openToken, parseFernetKey } from './fernet.js';
import { type LegacyHistory, versionsOf } from './versions.js';

/** How an archive of the Python tool is named. Paths are text, absolute or relative to the working folder. */
export interface LegacyPaths {
  /** Its `backup_config.json`, or the folder of its `archive.json`. */
  path: string;
  /** The folder of the `.enc` files; goes before the config's. */
  files?: string;
  /** The key file; goes before the config's. */
  key?: string;
}

/** An archive of the Python tool, open for reading. */
export interface LegacyArchive extends LegacyHistory {
  /** archive.json and the folder of the contents, absolute. */
  readonly tableFile: string;
  readonly filesDir: string;
  /** As `readContent`, for the content of this name. */
  read(checksum: string, sink: ContentSink, options?: ContentOptions): Promise<number>;
}

/** What is used of the Python tool's config; whatever else is in it does not matter here. */
const legacyConfig = z.object({ table_dir: z.string(), file_dir: z.string(), key_path: z.string() });

/** Contents on which a key is tried before it counts as wrong. */
const KEY_TRIALS = 32;

/**
 * Opens an archive: reads its table and makes sure that the key is its own.
 * @throws UserError: usage when files are missing or not named, wrongKey, failed when archive.json is damaged
 */
export async function openLegacy(paths: LegacyPaths, around: Surroundings = surroundings()): Promise<LegacyArchive> {
  const { tableFile, filesDir, keyFile, base } = await locate(paths, around);
  const table = readTable(tableFile);
  const written = statSync(tableFile, { bigint: true }).mtimeNs;
  if (!isDirectory(filesDir)) {
    throw new UserError(ExitCode.usage, `no folder ${filesDir}; name the one with the .enc files with --files`);
  }
  const key = parseFernetKey(readKey(keyFile), keyFile);
  const fileOf = (checksum: string) => join(filesDir, checksum.slice(0, 2), `${checksum}.enc`);
  await tryKey(key, table, fileOf, keyFile);
  return {
    tableFile,
    filesDir,
    ...versionsOf(table, toStored(fromDisplay(base)), written),
    read: (checksum, sink, options) => readContent(fileOf(checksum), key, checksum, sink, options),
  };
}

interface Places {
  tableFile: string;
  filesDir: string;
  keyFile: string;
  /** What relative paths count from. */
  base: string;
}

async function locate(paths: LegacyPaths, around: Surroundings): Promise<Places> {
  const path = resolve(around.cwd, paths.path);
  const named = (text: string | undefined) => (text === undefined ? undefined : resolve(around.cwd, text));
  const filesDir = named(paths.files);
  const keyFile = named(paths.key);
  const folder = tableFolder(path);
  if (folder === undefined) {
    const config = await readLegacyConfig(isDirectory(path) ? join(path, 'backup_config.json') : path);
    const base = dirname(config.file);
    const expand = (name: keyof typeof config) =>
      expandPath(config[name], base, `key \`${name}\` in ${config.file}`, around);
    return {
      tableFile: join(expand('table_dir'), 'archive.json'),
      filesDir: filesDir ?? expand('file_dir'),
      keyFile: keyFile ?? expand('key_path'),
      base,
    };
  }
  if (filesDir === undefined || keyFile === undefined) {
    throw new UserError(
      ExitCode.usage,
      `${folder} is the folder of an archive.json; name the folder of the .enc files with --files and the key file with --legacy-key, or give the tool's backup_config.json`,
    );
  }
  return { tableFile: join(folder, 'archive.json'), filesDir, keyFile, base: folder };
}

/** The folder of archive.json, if `path` names that; undefined for a config file, or a folder that holds one only. */
function tableFolder(path: string): string | undefined {
  if (basename(path) === 'archive.json' && !isDirectory(path)) return dirname(path);
  if (!isDirectory(path)) return undefined;
  const holds = (name: string) => statSync(join(path, name), { throwIfNoEntry: false })?.isFile() ?? false;
  return holds('archive.json') || !holds('backup_config.json') ? path : undefined;
}

async function readLegacyConfig(file: string) {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UserError(
      ExitCode.usage,
      `cannot read ${file} (${code}); name the Python tool's backup_config.json, or the folder of its archive.json`,
      { cause: error },
    );
  }
  const parsed = legacyConfig.safeParse(await parseConfigText(text, file));
  if (parsed.success) return { ...parsed.data, file };
  const missing = parsed.error.issues.map((issue) => String(issue.path[0] ?? 'table_dir')).join(', ');
  throw new UserError(
    ExitCode.usage,
    `${file} is not a config of the Python backup-ninja: it does not name ${missing}; give the folder of archive.json with --files and --legacy-key`,
  );
}

function readKey(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UserError(ExitCode.usage, `cannot read the key file ${file} (${code}); name it with --legacy-key`, {
      cause: error,
    });
  }
}

/**
 * Tells a wrong key from damage: a key that opens one content is right, whatever is wrong with the others. Contents
 * that are missing, damaged or empty say nothing.
 */
async function tryKey(key: FernetKey, table: Table, fileOf: (checksum: string) => string, keyFile: string) {
  let refused = 0;
  for (const { checksum } of [...table.active, ...table.history]) {
    try {
      const token = await firstToken(fileOf(checksum.toLowerCase()));
      if (token === undefined) continue;
      openToken(key, token);
      return;
    } catch (error) {
      if (error instanceof FernetError) refused += error.reason === 'authentication' ? 1 : 0;
      else if (!(error instanceof ContentError)) throw error;
    }
    if (refused === KEY_TRIALS) break;
  }
  if (refused === 0) return;
  throw new UserError(ExitCode.wrongKey, `wrong key: ${keyFile} opens none of the archive's files; check --legacy-key`);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
