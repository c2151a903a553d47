// Installs the dependencies of package-lock.json unless they are there: so that the commands of the README work on a
// fresh clone, and cost nothing afterwards. Needs npm alone.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('..', import.meta.url));
const packages = (file) => JSON.parse(readFileSync(`${top}${file}`, 'utf8')).packages;

if (!isInstalled()) {
  const args = existsSync(`${top}node_modules`) ? ['install', '--no-save'] : ['ci'];
  console.log(`npm ${args.join(' ')} (compiles native modules; takes some minutes the first time)`);
  const { status, error } = spawnSync('npm', [...args, '--no-audit', '--no-fund'], {
    cwd: top,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) throw error;
  process.exitCode = status ?? 1;
}

/** What npm noted of its last run agrees with the lock file; packages for other platforms may be missing. */
function isInstalled() {
  if (!existsSync(`${top}node_modules/.package-lock.json`)) return false;
  const present = packages('node_modules/.package-lock.json');
  return Object.entries(packages('package-lock.json')).every(
    ([path, { version, integrity, optional }]) =>
      path === '' ||
      (present[path] ? present[path].version === version && present[path].integrity === integrity : optional),
  );
}
