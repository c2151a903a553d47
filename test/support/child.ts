import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LOADER = fileURLToPath(new URL('./typescript.mjs', import.meta.url));
const SOURCES = new URL('../../src/', import.meta.url).href;

let count = 0;

/**
 * A command line (for `sh`, without characters that need quoting) that runs ES module code against the TypeScript
 * sources. `SRC/` in the code stands for the folder of the sources; the script is written into `folder`.
 */
export function nodeCommand(folder: string, code: string): string[] {
  const script = join(folder, `child-${process.pid}-${count++}.mjs`);
  fs.writeFileSync(script, code.replaceAll('SRC/', SOURCES));
  return [process.execPath, '--import', LOADER, script];
}

/** Runs code to its end; what it printed. */
export function runNode(folder: string, code: string): { stdout: string; stderr: string } {
  const [command, ...args] = nodeCommand(folder, code);
  return spawnSync(command, args, { encoding: 'utf8' });
}

/** Starts code and waits until it prints something. */
export async function startNode(folder: string, code: string): Promise<ChildProcess> {
  const [command, ...args] = nodeCommand(folder, code);
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  }) as unknown as ChildProcessWithoutNullStreams;
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error('the child ended before it was ready')));
  });
  return child;
}

/** Kills a child and waits until it is gone. */
export async function killNode(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
