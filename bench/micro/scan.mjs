// What the walk costs, against `find DIR -printf` on the same warm tree. Runs on dist/. CPU time is what to compare:
// it hardly depends on what else the machine does.
//   node bench/micro/scan.mjs [DIR]      without DIR a tree of 200,000 empty files is made, and removed
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { planRoots, scan } from '../../dist/src/scan/index.js';

const ROUNDS = 7;
const made = process.argv[2] === undefined ? makeTree() : undefined;
const dir = resolve(process.argv[2] ?? made);
try {
  const entries = execFileSync('find', [dir, '-printf', 'x']).length;
  report('find -printf', entries, () => {
    const script = 'find "$0" -printf "%s %T@ %C@ %i\\n" >/dev/null; times';
    const children = execFileSync('sh', ['-c', script, dir], { encoding: 'utf8' }).trim().split('\n')[1];
    const [user, system] = children.split(' ').map((time) => {
      const [minutes, seconds] = time.split(/[ms]/).map(Number);
      return (minutes * 60 + seconds) * 1e6;
    });
    return { user, system };
  });
  await reportScan('scan', []);
  await reportScan('scan with 4 patterns', ['*.tmp', 'node_modules', '/no/such/path', '**/cache/x']);
  const many = (i) => [`*.x${i}`, `name${i}`, `/a/b${i}/*.c`, `**/d${i}/e`][i % 4];
  await reportScan(
    'scan with 40 patterns',
    Array.from({ length: 40 }, (_, i) => many(i)),
  );
} finally {
  if (made !== undefined) rmSync(made, { recursive: true });
}

async function reportScan(what, exclude) {
  const config = { backupRoots: [dir], exclude, excludeFiles: [], excludeCaches: false, oneFileSystem: false };
  const plan = await planRoots({
    config,
    roots: [],
    exclude: [],
    acceptEmpty: [],
    previousRoots: [],
    hasEntries: () => false,
    neverSaved: ['/var/lib/backup-ninja'],
    confirm: async () => false,
  });
  let entries = 0;
  const run = () => {
    entries = 0;
    const before = process.cpuUsage();
    for (const item of scan(plan.scan)) if (item.kind === 'entry') entries++;
    return process.cpuUsage(before);
  };
  run();
  report(what, entries, run);
}

/** Times `run`, which tells the CPU time it took in microseconds; prints the best of some rounds. */
function report(what, entries, run) {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    const { user, system } = run();
    return { user, system, cpu: user + system, wall: (performance.now() - start) * 1000 };
  });
  const best = rounds.reduce((a, b) => (b.cpu < a.cpu ? b : a));
  const wall = Math.min(...rounds.map((round) => round.wall));
  const per = (time) => (time / entries).toFixed(2);
  const cpu = `CPU ${per(best.cpu)} (user ${per(best.user)}, system ${per(best.system)})`;
  console.log(`${what}: ${entries} entries, µs an entry: ${cpu}, wall ${per(wall)}`);
}

function makeTree() {
  const root = mkdtempSync(join(tmpdir(), 'scan-bench-'));
  for (let a = 0; a < 100; a++) {
    for (let b = 0; b < 100; b++) {
      const folder = join(root, `folder-${a}`, `sub-${b}`);
      mkdirSync(folder, { recursive: true });
      for (let c = 0; c < 20; c++) writeFileSync(join(folder, `file-number-${c}.txt`), '');
    }
  }
  return root;
}
