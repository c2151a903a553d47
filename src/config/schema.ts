import * as z from 'zod/mini';
import { isStore, nameForm, storeForms } from './forms.js';
import { type Compression, MOST_WORKERS } from './types.js';

/*
 * Every schema says in its `error` what is expected there, in words that follow "expected"; load.ts makes the message.
 * What needs parsing (durations, sizes, policies, paths) is text here and is parsed when the config is completed.
 */

const text = z.string({ error: 'a text that is not empty' }).check(z.minLength(1, 'a text that is not empty'));
const flag = z.boolean({ error: 'true or false' });

const whole = (least: number, most: number) => {
  const error = `a whole number from ${least} to ${most}`;
  return z.int({ error }).check(z.minimum(least, error), z.maximum(most, error));
};

const listOf = <T extends z.ZodMiniType>(item: T, of: string) => z.array(item, { error: `a list of ${of}` });

/** A number of bytes, or a text for `parseSize`. */
const bytes = z.union([whole(1, Number.MAX_SAFE_INTEGER), text], {
  error: 'a number of bytes above 0, or a text such as "10M"',
});

const compression = z.custom<Compression>(
  (value) =>
    value === 'auto' || value === 'off' || (Number.isInteger(value) && Number(value) >= -7 && Number(value) <= 22),
  { error: '"auto", "off" or a zstd level from -7 to 22' },
);

const nice = z.union([flag, whole(0, 19)], { error: 'true, false or a whole number from 0 to 19' });

const name = z
  .string({ error: 'a name' })
  .check(z.regex(nameForm, 'a name without white space around it and without control characters'));

/** A path, or a URL of a known scheme. */
const storeUrl = text.check(z.refine(isStore, { error: storeForms }));

const s3 = table({
  endpoint: z.optional(text),
  region: z.optional(text),
  force_path_style: z.optional(flag),
  storage_class: z.optional(text),
});

const sftp = table({ key: z.optional(text), known_hosts: z.optional(text) });

const target = table({
  name,
  url: storeUrl,
  s3: z.optional(s3),
  sftp: z.optional(sftp),
  limit_upload: z.optional(bytes),
});

/** The config file as it stands. */
export const configSchema = table({
  table_dir: z.optional(text),
  file_dir: storeUrl,
  key_path: z.optional(text),
  hard_remove: z.optional(flag),
  restore_dir: z.optional(text),
  backup_roots: z.optional(listOf(text, 'paths')),
  source: z.optional(name),
  exclude: z.optional(listOf(text, 'gitignore patterns')),
  exclude_file: z.optional(z.union([text, z.array(text)], { error: 'a path or a list of paths' })),
  exclude_caches: z.optional(flag),
  exclude_larger_than: z.optional(bytes),
  one_file_system: z.optional(flag),
  workers: z.optional(whole(1, MOST_WORKERS)),
  compression: z.optional(compression),
  full_every: z.optional(z.string({ error: 'a duration such as "30d"' })),
  retention: z.optional(z.string({ error: 'a keep policy such as "7d:all,8w:1/week,1/year"' })),
  s3: z.optional(s3),
  sftp: z.optional(sftp),
  targets: z.optional(listOf(target, 'targets, each with a name and a url')),
  nice: z.optional(nice),
  limit_read: z.optional(bytes),
  limit_upload: z.optional(bytes),
  ignore_ctime: z.optional(flag),
  ignore_inode: z.optional(flag),
});

/** A config file as it stands, checked but not yet completed. */
export type RawConfig = z.infer<typeof configSchema>;

/** The known key names of each block, for suggestions; blocks by the path of the file's keys without list positions. */
export const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(configSchema.shape),
  s3: Object.keys(s3.shape),
  sftp: Object.keys(sftp.shape),
  targets: Object.keys(target.shape),
  'targets.s3': Object.keys(s3.shape),
  'targets.sftp': Object.keys(sftp.shape),
};

/** An object that refuses unknown keys. */
function table<S extends Record<string, z.ZodMiniType>>(shape: S) {
  return z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? 'an object of keys' : undefined) });
}
