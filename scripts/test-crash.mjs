// npm run test:crash: kills a backup and a restore at every step that they leave on the disk, where `npm test` takes some.
import { spawnSync } from 'node:child_process';

const env = { ...process.env, CRASH_STEPS: 'Infinity' };
const { status } = spawnSync('npx', ['vitest', 'run', 'test/crash/steps.test.ts'], {
  stdio: 'inherit',
  env,
});
process.exit(status ?? 1);
