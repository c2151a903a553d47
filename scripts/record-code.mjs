// Has V8's code of the bundles kept beside them, for a quick start (src/quick-load.ts). Nothing depends on it: where it is
// missing, all is compiled at each start.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const bundled = at('dist/src/bundled/');
removeCode();
const recorder = ['--require', at('scripts/record-code.cjs')];
// As if nothing were set for the program, or for Node.js, whose flags V8's code depends on.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('BACKUP_NINJA_') && name !== 'NODE_OPTIONS'),
);
const folder = mkdtempSync(join(tmpdir(), 'backup-ninja-code-'));
try {
  const data = join(folder, 'data');
  writeFiles(data, 0);
  run('a', [], 'init', '--root', data);
  run('a', [], 'backup');
  writeFiles(data, 1);
  // Of what several load, the code of the first is kept: taking what a run does not need costs it time as well.
  run('a', recorder, 'backup');
  run('a', recorder, 'restore', '--target', join(folder, 'restored'));
  run('a', recorder, 'check', '--read-data');
  run('a', recorder, 'snapshots');
  run('b', recorder, 'init', '--root', data);
  run('b', recorder, 'backup');
} catch (error) {
  console.error(`starts will be slower: V8's code of the program was not kept: ${error.message}`);
  removeCode();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Of whatever version. */
function removeCode() {
  for (const name of readdirSync(bundled)) if (name.includes('.code')) rmSync(bundled + name);
}

/** Runs a command of the program on one of two stores. */
function run(store, options, command, ...args) {
  const where = ['-q', '-c', join(folder, store, 'config.json')];
  if (command === 'init') where.push('--store', join(folder, store, 'store'));
  const { status, stderr } = spawnSync(
    process.execPath,
    [...options, at('dist/src/cli/main.cjs'), command, ...args, ...where],
    { encoding: 'utf8', env },
  );
  if (status !== 0) throw new Error(`backup-ninja ${command} ended with ${status}: ${stderr}`);
}

/** So many files that threads are started early; some change with a day. */
function writeFiles(top, day) {
  for (let i = 0; i < 100; i++) {
    const sub = join(top, `folder-${i}`);
    mkdirSync(sub, { recursive: true });
    for (let j = 0; j < 120; j++) {
      if (day > 0 && (i + j) % 40 !== 0) continue;
      const file = join(sub, `file-${j}.txt`);
      const size = i < 10 && j === 0 ? 500_000 : 20 * (j + i);
      writeFileSync(file, Buffer.alloc(size, `${i} ${j} ${day} `));
      utimesSync(file, 1_700_000_000 + i, 1_700_000_000 + 100 * j + day);
    }
  }
}
