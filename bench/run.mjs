#!/usr/bin/env node
// Times backup-ninja on a generated tree, and restic and borg beside it where they are installed: each phase in turns,
// medians of several runs. Prints a table, and with --write puts it into docs/PERFORMANCE.md.
//
//   npm run bench -- [--files 20000] [--runs 3] [--dir DIR-TO-SAVE] [--write]
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '20000' },
    runs: { type: 'string', default: '3' },
    dir: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const root = path.resolve(import.meta.dirname, '..');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'backup-ninja-bench-'));
const PHASES = ['first', 'again', 'change', 'restore', 'check'];

/** Text that compresses like text, the same for the same seed. */
function text(seed, length) {
  const words = [];
  let size = 0;
  for (let i = 0; size < length; i++) {
    const word = createHash('sha256')
      .update(`${seed % 97}:${i % 60}`)
      .digest('hex')
      .slice(0, 3 + ((seed + i * 7) % 9));
    words.push(word);
    size += word.length + 1;
  }
  return words.join(' ').slice(0, length);
}

function makeTree(top, files) {
  for (let i = 0; i < files; i++) {
    const folder = path.join(top, `d${i % 40}`, `e${Math.floor(i / 40) % 25}`);
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `f${i}.txt`);
    fs.writeFileSync(file, text(i, 200 + ((i * 7919) % 12000)));
    // As if it had been there for a while: what is a minute old may still be written to, and is read again.
    fs.utimesSync(file, 1_700_000_000, 1_700_000_000 + i);
  }
  fs.writeFileSync(path.join(top, 'media.bin'), Buffer.concat(Array.from({ length: 64 }, (_, i) => noise(i))));
  fs.utimesSync(path.join(top, 'media.bin'), 1_700_000_000, 1_700_000_000);
}

/** A MiB that does not compress. */
function noise(seed) {
  const parts = [];
  for (let i = 0; i < 32768; i++) parts.push(createHash('sha256').update(`${seed}/${i}`).digest());
  return Buffer.concat(parts);
}

/** A day's work: one file in a hundred gets a line more. */
function change(top, round) {
  let count = 0;
  for (const entry of fs.readdirSync(top, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || count++ % 100 !== round % 100) continue;
    fs.appendFileSync(path.join(entry.parentPath, entry.name), `\nround ${round}\n`);
  }
}

const installed = (name) => ['--version', 'version'].some((how) => spawnSync(name, [how]).status === 0);
const secret = { RESTIC_PASSWORD: 'bench', BORG_PASSPHRASE: 'bench', BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes' };

/** Commands of each tool for one home directory. */
const tools = {
  'backup-ninja': (home, source) => {
    const config = path.join(home, 'config.json');
    fs.writeFileSync(
      config,
      JSON.stringify({
        table_dir: path.join(home, 'tables'),
        file_dir: path.join(home, 'store'),
        key_path: path.join(home, 'key'),
        backup_roots: [source],
      }),
    );
    const ninja = (...args) => [
      process.execPath,
      [path.join(root, 'dist/src/cli/main.cjs'), ...args, '-q', '-c', config],
    ];
    return {
      init: ninja('init'),
      backup: ninja('backup'),
      restore: (to) => ninja('restore', '--target', to),
      check: ninja('check', '--read-data'),
    };
  },
  restic: (home) => {
    const restic = (...args) => ['restic', ['-q', '-r', path.join(home, 'store'), ...args]];
    return {
      init: restic('init'),
      backup: (source) => restic('backup', source),
      restore: (to) => restic('restore', 'latest', '--target', to),
      check: restic('check', '--read-data'),
    };
  },
  borg: (home) => {
    const store = path.join(home, 'store');
    let count = 0;
    return {
      init: ['borg', ['init', '-e', 'repokey-blake2', store]],
      backup: (source) => ['borg', ['create', '-C', 'zstd,3', `${store}::a${count++}`, source]],
      restore: () => ['borg', ['extract', `${store}::a0`]],
      check: ['borg', ['check', '--verify-data', store]],
    };
  },
};

function run([command, args], cwd) {
  const started = performance.now();
  const env = { ...process.env, ...secret, HOME: cwd };
  const result = spawnSync(command, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
  if (![0, 3].includes(result.status ?? -1)) throw new Error(`${command} ${args[0]}: ${result.stderr}`);
  return (performance.now() - started) / 1000;
}

const size = (dir) => Number(execFileSync('du', ['-sb', dir], { encoding: 'utf8' }).split('\t')[0]);
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const resolve = (command, argument) => (typeof command === 'function' ? command(argument) : command);

function measure(round, names, table) {
  const source = path.join(work, `source${round}`);
  if (options.dir)
    fs.cpSync(options.dir, source, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  else makeTree(source, Number(options.files));
  const homes = new Map();
  for (const name of names) {
    const home = path.join(work, `${name}${round}`);
    fs.mkdirSync(home);
    homes.set(name, { home, commands: tools[name](home, source) });
    run(homes.get(name).commands.init, home);
  }
  for (const phase of PHASES) {
    if (phase === 'change') change(source, round);
    // In turns, and every second round in the other order, so that a drift of the machine's speed hurts all alike.
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const { home, commands } = homes.get(name);
      const target = path.join(home, 'out');
      fs.mkdirSync(target, { recursive: true });
      const argument = phase === 'restore' ? target : source;
      const command = resolve(phase === 'restore' || phase === 'check' ? commands[phase] : commands.backup, argument);
      table[name][phase].push(run(command, phase === 'restore' ? target : home));
      if (phase === 'first') table[name].store.push(size(path.join(home, 'store')));
    }
  }
}

try {
  const names = ['backup-ninja', ...['restic', 'borg'].filter(installed)];
  const table = Object.fromEntries(
    names.map((name) => [name, Object.fromEntries([...PHASES, 'store'].map((phase) => [phase, []]))]),
  );
  for (let round = 0; round < Number(options.runs); round++) measure(round, names, table);
  const lines = [
    `| ${['tool', ...PHASES.map((phase) => `${phase} (s)`), 'store (MB)'].join(' | ')} |`,
    `| ${Array(PHASES.length + 2)
      .fill('---')
      .join(' | ')} |`,
  ];
  for (const name of names) {
    const times = PHASES.map((phase) => median(table[name][phase]).toFixed(2));
    lines.push(`| ${[name, ...times, (median(table[name].store) / 1e6).toFixed(1)].join(' | ')} |`);
  }
  const peers = names.slice(1);
  if (peers.length > 0) {
    const ratios = PHASES.map((phase) => {
      const best = Math.min(...peers.map((name) => median(table[name][phase])));
      return `${(best / median(table['backup-ninja'][phase])).toFixed(2)}x`;
    });
    const smallest = Math.min(...peers.map((name) => median(table[name].store)));
    lines.push(
      `| best of the others ÷ ours | ${ratios.join(' | ')} | ${(median(table['backup-ninja'].store) / smallest).toFixed(2)} of theirs |`,
    );
  }
  console.log(lines.join('\n'));
  if (options.write) {
    const page = path.join(root, 'docs/PERFORMANCE.md');
    const marks = /(<!-- bench -->\n)[\s\S]*?(\n<!-- end of bench -->)/;
    fs.writeFileSync(page, fs.readFileSync(page, 'utf8').replace(marks, `$1${lines.join('\n')}$2`));
  }
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}
