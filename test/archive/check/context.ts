import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../../../src/archive/context.js';
import { loadConfig } from '../../../src/config/load.js';

/** A context for the config in a folder, with its key file. */
export async function contextOf(folder: string, file = 'config.json'): Promise<Context> {
  const silent = () => {};
  const config = await loadConfig(join(folder, file));
  return {
    config,
    configFile: join(folder, file),
    report: { start: silent, progress: silent, note: silent, detail: silent, warn: silent, done: silent },
    signal: new AbortController().signal,
    waitLock: 0,
    async *unlock() {
      yield { kind: 'key-file', path: config.keyPath, content: readFileSync(config.keyPath) };
    },
    newPassphrase: () => Promise.reject(new Error('nobody to ask')),
    recoveryKey: () => Promise.reject(new Error('nobody to ask')),
    confirm: async () => true,
    attention: silent,
  };
}
