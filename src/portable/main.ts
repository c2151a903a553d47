#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { folderFiles, restoreSnapshot } from './node.js';
import type { Secret } from './secrets.js';
import { openPortableStore } from './store.js';

const USAGE = `Restores a store in a directory, in plain JavaScript, without the backup-ninja program.

  node main.js STORE --key-file FILE [--snapshot NAME] [--to DIRECTORY]

Without --to it lists the snapshots. Instead of --key-file, the variables BACKUP_NINJA_RECOVERY_KEY or
BACKUP_NINJA_PASSPHRASE are taken. --snapshot takes the beginning of a name; without it, the newest one that counts.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'key-file': { type: 'string' },
      snapshot: { type: 'string' },
      to: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const secret = secretFrom(values['key-file']);
  if (values.help || positionals.length !== 1 || secret === undefined) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const store = await openPortableStore(folderFiles(positionals[0]), secret);
  const snapshots = await store.snapshots();
  for (const { path, message } of store.problems) console.error(`${path}: ${message}`);
  if (values.to === undefined) {
    for (const { name, source, time, state } of snapshots)
      console.log(`${name.slice(0, 16)}  ${new Date(Number(time / 1_000_000n)).toISOString()}  ${source}  ${state}`);
    return 0;
  }
  const chosen = snapshots.filter(({ name, state }) =>
    values.snapshot === undefined ? state === 'counts' : name.startsWith(values.snapshot),
  );
  const snapshot = chosen.reduce((a, b) => (a === undefined || b.time > a.time ? b : a), chosen.at(0));
  if (snapshot === undefined) throw new Error('there is no such snapshot');
  const { files, bytes, errors } = await restoreSnapshot(store, snapshot, values.to);
  console.log(`${files} files, ${bytes} bytes`);
  for (const { path, message } of errors) console.error(`${path}: ${message}`);
  return errors.length > 0 ? 3 : 0;
}

function secretFrom(keyFile: string | undefined): Secret | undefined {
  if (keyFile !== undefined) return { kind: 'key-file', content: readFileSync(keyFile) };
  const { BACKUP_NINJA_RECOVERY_KEY: recovery, BACKUP_NINJA_PASSPHRASE: passphrase } = process.env;
  if (recovery !== undefined) return { kind: 'recovery', text: recovery };
  return passphrase === undefined ? undefined : { kind: 'passphrase', text: passphrase };
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  },
);
