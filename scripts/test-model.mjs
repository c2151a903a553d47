// npm run test:model [-- --hours N | --runs N]: the model tests, longer than `npm test` runs them.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { hours: { type: 'string' }, runs: { type: 'string' }, seed: { type: 'string' } },
});
const env = { ...process.env, MODEL_RUNS: values.runs ?? '300' };
if (values.hours !== undefined) env.MODEL_HOURS = values.hours;
if (values.seed !== undefined) env.MODEL_SEED = values.seed;
const { status } = spawnSync('npx', ['vitest', 'run', 'test/model'], { stdio: 'inherit', env });
process.exit(status ?? 1);
