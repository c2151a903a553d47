import { isStore, nameForm } from './forms.js';
import type { RawConfig } from './schema.js';

type Test = (value: unknown) => boolean;

const isText: Test = (value) => typeof value === 'string' && value !== '';
const isFlag: Test = (value) => typeof value === 'boolean';
const isTexts: Test = (value) => Array.isArray(value) && value.every(isText);

const tests: { [K in keyof RawConfig]?: Test } = {
  table_dir: isText,
  file_dir: (value) => typeof value === 'string' && isText(value) && isStore(value),
  key_path: isText,
  hard_remove: isFlag,
  restore_dir: isText,
  backup_roots: isTexts,
  source: (value) => typeof value === 'string' && nameForm.test(value),
  exclude: isTexts,
  exclude_caches: isFlag,
  one_file_system: isFlag,
  full_every: (value) => typeof value === 'string',
  retention: (value) => typeof value === 'string',
};
const known = new Map<string, Test>(Object.entries(tests));

/**
 * Recognises a config that has only common keys with right values: everything it accepts, the schema accepts as it is
 * (a test holds them together). It is asked first because loading the schema's library takes a quarter of the time of a
 * short command. Whatever it does not recognise goes to the schema, which alone decides and explains.
 */
export function isPlainConfig(value: unknown): value is RawConfig {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return 'file_dir' in value && entries.every(([key, item]) => known.get(key)?.(item));
}
