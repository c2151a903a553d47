// Sums of vitest's JSON report: `N passed, N failed`, alone on the last line. Exit code 1 when something failed, when
// nothing ran, or when there is no report. What was skipped is listed above, with its reason where the test gave one.
// usage: node scripts/test-report.mjs REPORT
import { readFileSync } from 'node:fs';

const report = load(process.argv[2]);
let passed = 0;
let failed = 0;
for (const file of report?.testResults ?? []) {
  const count = (status) => file.assertionResults.filter((test) => test.status === status).length;
  passed += count('passed');
  // A file that cannot be loaded has no tests to fail.
  failed += count('failed') || (file.status === 'failed' ? 1 : 0);
  for (const test of file.assertionResults)
    if (test.status !== 'passed' && test.status !== 'failed') console.log(`skipped: ${test.fullName}${reasonOf(test)}`);
}
const nothing = passed + failed === 0;
if (nothing) console.log('no test was run');
console.log(`${passed} passed, ${nothing ? 1 : failed} failed`);
process.exitCode = nothing || failed > 0 ? 1 : 0;

function load(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.log(`no test report at ${path}: ${error.message}`);
    return undefined;
  }
}

function reasonOf(test) {
  const note = test.meta?.skipped ?? test.failureMessages?.[0];
  return note ? `: ${note}` : '';
}
