// npm run test:fidelity [-- --minutes N] [--seed N] [--tree DIR]
// What is restored is what was saved: random trees for longer than `npm test` does it, and a real tree (default:
// /usr/share) by both decoders. As root it compares most.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' }, tree: { type: 'string' } },
});
const env = {
  ...process.env,
  FIDELITY_RUNS: '1000000',
  FIDELITY_MINUTES: values.minutes ?? '5',
  FIDELITY_TREE: values.tree ?? '/usr/share',
};
if (values.seed !== undefined) env.FIDELITY_SEED = values.seed;
const files = ['test/e2e/random-trees.test.ts', 'test/e2e/real-tree.test.ts'];
const { status } = spawnSync('npx', ['vitest', 'run', '--no-file-parallelism', ...files], { stdio: 'inherit', env });
process.exit(status ?? 1);
