import type { z } from 'zod/mini';
import { ExitCode, UserError } from '../errors.js';
import { nearest } from './nearest.js';
import { knownKeys } from './schema.js';

/**
 * The error for a config that does not fit the schema: names the first wrong key, the file, what was expected, and the
 * nearest known name of an unknown key.
 */
export function explainIssue(issue: z.core.$ZodIssue, value: unknown, file: string): UserError {
  if (issue.code === 'unrecognized_keys') return unknownKey([...issue.path, issue.keys[0]], file);
  const key = keyName(issue.path);
  const found = valueAt(value, issue.path);
  if (found === undefined) return usage(`key \`${key}\` is missing in ${file}: expected ${issue.message}; add it`);
  const place = key === '' ? `config file ${file}` : `key \`${key}\` in ${file}`;
  return usage(`${place}: expected ${issue.message}, found ${shown(found)}; correct it`);
}

function unknownKey(path: readonly PropertyKey[], file: string): UserError {
  const block = path.slice(0, -1).filter((part) => typeof part !== 'number');
  const known = knownKeys[block.join('.')] ?? [];
  const near = nearest(String(path.at(-1)), known);
  const hint = near === undefined ? `expected one of ${known.join(', ')}` : `did you mean \`${near}\`?`;
  return usage(`unknown key \`${keyName(path)}\` in ${file}; ${hint}`);
}

/** `targets[0].s3.region` */
function keyName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (name, part) =>
      typeof part === 'number' ? `${name}[${part}]` : name === '' ? String(part) : `${name}.${String(part)}`,
    '',
  );
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], value);
}

/** The value for a message; passwords in URLs are left out. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return JSON.stringify(value).replace(/(:\/\/[^:/@]*):.*@/, '$1:…@');
}

function usage(message: string): UserError {
  return new UserError(ExitCode.usage, message);
}
