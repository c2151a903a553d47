import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ExitCode, UserError } from '../errors.js';
import { parseDuration } from './duration.js';
import { defaultPaths } from './find.js';
import { parseConfigText } from './parse.js';
import { expandPath, expandUrl, isUrl, pathOf, type Surroundings, surroundings } from './paths.js';
import { isPlainConfig } from './plain.js';
import { parsePolicy } from './policy.js';
import type { RawConfig } from './schema.js';
import { parseLimit } from './size.js';
import type { Config, S3Options, SftpOptions, StoreLocation, Target } from './types.js';

const day = 86_400_000;

/**
 * Reads, checks and completes a config file.
 * @param file absolute
 * @throws UserError (usage) that names file, key, what was expected, and the nearest known name of an unknown key
 */
export async function loadConfig(file: string, around: Surroundings = surroundings()): Promise<Config> {
  return configFromText(readConfig(file), file, around);
}

/** As `loadConfig`, for text that would be in `file` (which need not exist). */
export async function configFromText(
  content: string,
  file: string,
  around: Surroundings = surroundings(),
): Promise<Config> {
  const value = withoutNulls(await parseConfigText(content, file));
  return complete(isPlainConfig(value) ? value : await checked(value, file), file, around);
}

/** The config as the schema gives it. @throws UserError (usage) that names the first thing wrong */
async function checked(value: unknown, file: string): Promise<RawConfig> {
  const { configSchema } = await import('./schema.js');
  const { success, data, error } = configSchema.safeParse(value);
  if (success) return data;
  const { explainIssue } = await import('./explain.js');
  throw explainIssue(error.issues[0], value, file);
}

/** A key with the value null (in YAML: nothing) counts as absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const problem =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `no config file at ${file}; make one with \`backup-ninja init\` or name another with --config`
        : `cannot read the config file ${file} (${code}); name another with --config`;
    throw new UserError(ExitCode.usage, problem, { cause: error });
  }
}

function complete(raw: RawConfig, file: string, around: Surroundings): Config {
  const base = pathOf(around).dirname(file);
  const defaults = defaultPaths(file, around);
  const where = (key: string) => `key \`${key}\` in ${file}`;
  const path = (text: string, key: string, lenient = false) => expandPath(text, base, where(key), around, lenient);
  const sftpOf = (raw: RawConfig['sftp'], key: string): SftpOptions => ({
    key: raw?.key && path(raw.key, `${key}.key`),
    knownHosts: raw?.known_hosts && path(raw.known_hosts, `${key}.known_hosts`),
  });
  const storeOf = (url: string, key: string, prefix: string, raw: Pick<RawConfig, 's3' | 'sftp'>): StoreLocation => ({
    url: isUrl(url) ? expandUrl(url, where(key), around) : path(url, key),
    s3: s3Of(raw.s3),
    sftp: sftpOf(raw.sftp, `${prefix}sftp`),
  });
  return {
    tableDir: raw.table_dir === undefined ? defaults.tableDir : path(raw.table_dir, 'table_dir'),
    store: storeOf(raw.file_dir, 'file_dir', '', raw),
    keyPath: raw.key_path === undefined ? defaults.keyPath : path(raw.key_path, 'key_path'),
    hardRemove: raw.hard_remove ?? false,
    restoreDir: raw.restore_dir && path(raw.restore_dir, 'restore_dir'),
    backupRoots: (raw.backup_roots ?? []).map((root, i) => path(root, `backup_roots[${i}]`, true)),
    source: raw.source ?? hostname(),
    sourceIsSet: raw.source !== undefined,
    exclude: raw.exclude ?? [],
    excludeFiles: [raw.exclude_file ?? []].flat().map((name) => path(name, 'exclude_file')),
    excludeCaches: raw.exclude_caches ?? false,
    excludeLargerThan: sizeOf(raw.exclude_larger_than, where('exclude_larger_than')),
    oneFileSystem: raw.one_file_system ?? false,
    workers: raw.workers,
    compression: raw.compression ?? 'auto',
    fullEvery: raw.full_every === undefined ? 30 * day : parseDuration(raw.full_every, where('full_every')),
    retention: raw.retention === undefined ? undefined : parsePolicy(raw.retention, where('retention')),
    targets: targetsOf(raw.targets ?? [], where, storeOf),
    nice: typeof raw.nice === 'boolean' ? (raw.nice ? 19 : 0) : (raw.nice ?? 0),
    limitRead: sizeOf(raw.limit_read, where('limit_read')),
    limitUpload: sizeOf(raw.limit_upload, where('limit_upload')),
    ignoreCtime: raw.ignore_ctime ?? false,
    ignoreInode: raw.ignore_inode ?? false,
  };
}

function sizeOf(raw: string | number | undefined, where: string): number | undefined {
  return raw === undefined ? undefined : parseLimit(raw, where);
}

function s3Of(raw: RawConfig['s3']): S3Options {
  return {
    endpoint: raw?.endpoint,
    region: raw?.region,
    forcePathStyle: raw?.force_path_style,
    storageClass: raw?.storage_class,
  };
}

function targetsOf(
  raws: NonNullable<RawConfig['targets']>,
  where: (key: string) => string,
  storeOf: (url: string, key: string, prefix: string, raw: Pick<RawConfig, 's3' | 'sftp'>) => StoreLocation,
): Target[] {
  const names = new Set<string>();
  return raws.map((raw, i) => {
    const at = `targets[${i}]`;
    if (names.has(raw.name))
      throw new UserError(ExitCode.usage, `${where(`${at}.name`)}: \`${raw.name}\` is there twice; rename one of them`);
    names.add(raw.name);
    return {
      name: raw.name,
      ...storeOf(raw.url, `${at}.url`, `${at}.`, raw),
      limitUpload: sizeOf(raw.limit_upload, where(`${at}.limit_upload`)),
    };
  });
}
