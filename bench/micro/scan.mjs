// What the walk costs, against `find DIR -printf` on the same warm tree. Runs on dist/.
//   node bench/micro/scan.mjs [DIR]      without DIR a tree of 200,000 empty files is made and removed
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { planRoots, scan } from '../../dist/src/scan/index.js';

const ROUNDS = 7;
const made = process.argv[2] === undefined ? makeTree() : undefined;
const dir = resolve(process.argv[2] ?? made);
try {
  let entries = 0;
  report('find -printf', () => {
    const out = execFileSync('find', [dir, '-printf', '%s %T@ %C@ %i\n'], { maxBuffer: 1 << 30 });
    entries = out.reduce((n, byte) => n + (byte === 10 ? 1 : 0), 0);
  });
  await reportScan('scan', {});
  await reportScan('scan, 3 patterns', { exclude: ['*.tmp', 'node_modules', '/no/such/path'] });
  await reportScan('scan, 40 patterns', {
    exclude: Array.from({ length: 40 }, (_, i) => ['*.x' + i, 'name' + i, `/a/b${i}/*.c`, `**/d${i}/e`][i % 4]),
  });
  const names = [];
  report('readdir and lstat of Node', () => {
    names.length = 0;
    visit(dir, names);
  });

  async function reportScan(what, options) {
    const make = () => planRoots(planOptions(dir, options));
    let plan = await make();
    let n = 0;
    const run = () => {
      n = 0;
      for (const item of scan(plan.scan)) if (item.kind === 'entry') n++;
    };
    report(what, run);
    console.log(`  ${n} entries`);
  }

  function report(what, run) {
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
      const start = performance.now();
      run();
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const best = times[0];
    const per = entries === 0 ? '' : `, ${((best * 1000) / entries).toFixed(2)} µs an entry`;
    console.log(`${what}: best ${best.toFixed(0)} ms, median ${times[ROUNDS >> 1].toFixed(0)} ms${per}`);
  }
} finally {
  if (made !== undefined) rmSync(made, { recursive: true });
}

function planOptions(root, options) {
  const config = { backupRoots: [root], exclude: [], excludeFiles: [], excludeCaches: false, oneFileSystem: false };
  return {
    config: { ...config, ...options },
    roots: [],
    exclude: [],
    acceptEmpty: [],
    previousRoots: [],
    hasEntries: () => false,
    neverSaved: ['/var/lib/backup-ninja'],
    confirm: async () => false,
  };
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

function visit(folder, names) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    names.push(statSync(path).mtimeMs);
    if (entry.isDirectory()) visit(path, names);
  }
}
