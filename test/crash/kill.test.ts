import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Archive } from '../e2e/archive.js';
import { expectSamePicture, pictureOf } from '../e2e/compare.js';
import { lines, noise, ordinaryTree } from '../e2e/trees.js';

const MIB = 1024 * 1024;
const KILLS = 20;

/** A wait that differs from kill to kill and covers the whole run: the same series each time, so a failure comes back. */
function delays(longest: number): number[] {
  return Array.from({ length: KILLS }, (_, i) => Math.round(longest * ((i * 0.618_034) % 1)));
}

/** Kills the process, as no program can prevent, after so many milliseconds. */
function killAfter(ms: number): (child: { kill(signal: NodeJS.Signals): void }) => void {
  return (child) => void setTimeout(() => child.kill('SIGKILL'), ms);
}

function makeTree(archive: Archive): void {
  ordinaryTree(archive.tree, 'kill', 400);
  mkdirSync(join(archive.tree, 'big'));
  for (let i = 0; i < 8; i++) writeFileSync(join(archive.tree, 'big', `noise ${i}`), noise(6 * MIB, `kill ${i}`));
  writeFileSync(join(archive.tree, 'big', 'text'), lines(30 * MIB, 'kill'));
}

test('a backup killed again and again leaves nothing that harms', async () => {
  const archive = await Archive.make();
  makeTree(archive);
  await archive.backup();
  const started = performance.now();
  await archive.backup(['--full']);
  const longest = (performance.now() - started) * 1.2;

  let killed = 0;
  for (const [i, delay] of delays(longest).entries()) {
    // Something new each time, so that each run has data and metadata to write.
    writeFileSync(join(archive.tree, 'big', `new ${i}`), noise(3 * MIB, `new ${i}`));
    appendFileSync(join(archive.tree, 'big', 'text'), `line ${i}\n`);
    const outcome = await archive.run(['backup'], { started: killAfter(delay) });
    if (outcome.signal === 'SIGKILL') killed++;
  }
  expect(killed).toBeGreaterThan(KILLS / 3);

  await archive.backup();
  await archive.checkAll();
  const restored = await archive.restore(join(archive.folder, 'restored'));
  expectSamePicture(pictureOf(restored), pictureOf(archive.tree));
  archive.expectTidy();
});

test('a restore killed again and again is finished by the next', async () => {
  const archive = await Archive.make();
  makeTree(archive);
  await archive.backup();
  const target = join(archive.folder, 'restored');
  const whole = performance.now();
  await archive.restore(join(archive.folder, 'once'));
  const longest = performance.now() - whole;

  for (const delay of delays(longest))
    await archive.run(['restore', '--target', target], { started: killAfter(delay) });
  const restored = await archive.restore(target);
  expectSamePicture(pictureOf(restored), pictureOf(archive.tree));
  // Nothing else is in the target: no half-written file under another name.
  expect(pictureOf(restored).size).toBe(pictureOf(archive.tree).size);
  await archive.backup();
  await archive.checkAll();
  archive.expectTidy();
});
