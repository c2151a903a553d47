// The main job, once through: backs up folders into a temporary store, shows what is in it, restores, compares.
// usage: node scripts/demo.mjs [--keep] [FOLDER…]      (without folders: src and docs of this project)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('..', import.meta.url));
const program = join(top, 'dist/src/cli/main.cjs');
const args = process.argv.slice(2);
const keep = args.includes('--keep');
const given = args.filter((arg) => arg !== '--keep');
const roots = (given.length > 0 ? given : [join(top, 'src'), join(top, 'docs')]).map((root) => resolve(root));
const folder = mkdtempSync(join(tmpdir(), 'backup-ninja-demo-'));
const config = join(folder, 'config.json');
const target = join(folder, 'restored');

process.exitCode = 1;
try {
  say(`A store, a key and a config that names ${roots.join(' and ')}`);
  run('init', '--store', join(folder, 'store'), ...roots.flatMap((root) => ['--root', root]));
  say('A first backup reads everything; a second one finds nothing to do');
  run('backup');
  run('backup');
  say('What is in the store');
  run('snapshots');
  run('ls', roots[0]);
  run('info');
  say('Everything back, and every byte of the store opened and compared');
  run('restore', '--target', target);
  run('check', '--read-data');
  say('Compared with what was backed up');
  const total = { files: 0, bytes: 0 };
  for (const root of roots) compare(root, join(target, root.replace(/^([A-Za-z]):/, '$1_')), total);
  console.log(`${total.files} files, ${total.bytes} bytes: names, types, contents, modes and times are equal`);
  process.exitCode = 0;
} finally {
  if (keep) console.log(`\nkept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}

function say(text) {
  console.log(`\n# ${text}`);
}

/** Runs the program as a user would; ends the demo when it fails. */
function run(verb, ...rest) {
  console.log(`\n$ backup-ninja ${[verb, ...rest].join(' ')}`);
  const command = [program, verb, '--config', config, ...rest];
  const { status, signal, error } = spawnSync(process.execPath, command, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw error;
  if (status !== 0) throw new Error(`backup-ninja ${verb} ended with ${signal ?? `exit code ${status}`}`);
}

/** Throws at the first difference between two trees. */
function compare(a, b, total) {
  const [was, is] = [a, b].map((path) => lstatSync(path, { bigint: true }));
  const differ = (what) => {
    throw new Error(`${what} of ${relative('.', a) || a} came back different`);
  };
  if (was.mode !== is.mode) differ('type or mode');
  if (was.isSymbolicLink()) {
    if (readlinkSync(a) !== readlinkSync(b)) differ('target');
  } else if (was.mtimeNs !== is.mtimeNs) differ('time');
  if (was.isFile()) {
    if (was.size !== is.size || digest(a) !== digest(b)) differ('content');
    total.files++;
    total.bytes += Number(was.size);
  }
  if (!was.isDirectory()) return;
  const names = readdirSync(a).sort();
  if (names.join('/') !== readdirSync(b).sort().join('/')) differ('list of names');
  for (const name of names) compare(join(a, name), join(b, name), total);
}

function digest(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
