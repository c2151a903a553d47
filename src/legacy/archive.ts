import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { ExitCode, UserError } from '../errors.js';

/*
 * archive.json, the whole table of the Python tool: one entry per content. An entry is `active` while some path has the
 * content (those paths are its `fptrs`), and in `history` from then on. `log` says when each path came to have it and
 * when it ceased to. Fields that a version of the tool might lack are optional here, further ones are ignored.
 */

const logRow = z.object({ timestamp: z.string(), event: z.string(), path: z.string() });
export type LogRow = z.infer<typeof logRow>;

/** A path that has the content now, with its stat fields; mtime in seconds. */
const filePointer = z.object({
  path: z.string(),
  ino: z.nullish(z.number()),
  mtime: z.nullish(z.number()),
  size: z.nullish(z.number()),
});
export type FilePointer = z.infer<typeof filePointer>;

const contentEntry = z.object({
  checksum: z.string().check(z.regex(/^[0-9a-f]{64}$/i, 'not a SHA-256 in hex')),
  fptrs: z._default(z.array(filePointer), []),
  log: z._default(z.array(logRow), []),
});
export type ContentEntry = z.infer<typeof contentEntry>;

const table = z.object({
  active: z.array(contentEntry),
  history: z._default(z.array(contentEntry), []),
  backup_roots: z._default(z.array(z.string()), []),
});

/** The table as it is on disk. */
export type Table = z.infer<typeof table>;

/**
 * Reads archive.json.
 * @throws UserError: usage when it is not there, failed when it is not what the Python tool writes
 */
export function readTable(file: string): Table {
  return parseTable(readText(file), file);
}

/** As `readTable`, for its text; `file` names it in messages. */
export function parseTable(text: string, file: string): Table {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError(ExitCode.failed, `${file} is not JSON (${why}); take an undamaged copy of it`, {
      cause: error,
    });
  }
  const parsed = table.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  throw new UserError(
    ExitCode.failed,
    `${file} is not an archive of the Python backup-ninja: ${at.replace(/^\./, '') || 'the document'} ${whatIsWrong(value, issue)}; name the folder of the right archive.json, or take an undamaged copy of it`,
  );
}

const TYPES: Record<string, string> = { array: 'a list', object: 'an object', string: 'a text', number: 'a number' };

function whatIsWrong(value: unknown, issue: z.core.$ZodIssue): string {
  if (lacks(value, issue.path)) return 'is missing';
  return issue.code === 'invalid_type' ? `should be ${TYPES[issue.expected] ?? issue.expected}` : `is ${issue.message}`;
}

/** Whether there is nothing at a place within a document. */
function lacks(value: unknown, path: readonly PropertyKey[]): boolean {
  let at: unknown = value;
  for (const step of path) at = (at as Record<PropertyKey, unknown> | null | undefined)?.[step];
  return at === undefined;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw code === 'ENOENT' || code === 'ENOTDIR'
      ? new UserError(
          ExitCode.usage,
          `no archive at ${file}; name its backup_config.json, or the folder of its archive.json`,
        )
      : new UserError(ExitCode.failed, `cannot read ${file} (${code}); correct its owner or mode`, { cause: error });
  }
}
