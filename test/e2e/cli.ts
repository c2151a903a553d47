import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, type TestContext } from 'vitest';

/** Top of the project. */
export const TOP = fileURLToPath(new URL('../..', import.meta.url));

/** The built command line: what is tested here. `BACKUP_NINJA_E2E` names the top of another build. */
export const PROGRAM = join(process.env.BACKUP_NINJA_E2E ?? TOP, 'dist/src/cli/main.cjs');

export const isRoot = process.getuid?.() === 0;

const folders: string[] = [];
afterAll(() => {
  // Node's own gives up on paths over 4,096 bytes.
  for (const folder of folders.splice(0)) {
    spawnSync('chmod', ['-R', 'u+rwX', folder]);
    spawnSync('rm', ['-rf', folder]);
  }
});

/** An empty folder that goes when the test file is done. */
export function temporaryFolder(): string {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`);
  const folder = mkdtempSync(join(tmpdir(), 'bn-e2e-'));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

/** Says why a test cannot run here, and skips it. */
export function skip(context: TestContext, reason: string): never {
  context.task.meta.skipped = reason;
  return context.skip(reason);
}

/** Skips the test unless all of these programs are there. */
export function needPrograms(context: TestContext, ...programs: string[]): void {
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length > 0) skip(context, `not installed: ${missing.join(', ')}`);
}

/** Skips the test unless it runs as root. */
export function needRoot(context: TestContext, what: string): void {
  if (!isRoot) skip(context, `only root may ${what}`);
}

export function hasProgram(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
}

/** Runs a program that a test needs to go well. */
export function sh(program: string, ...args: (string | Buffer)[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args as string[], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${status}: ${stderr}`);
  return stdout;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Why the test was skipped. */
    skipped?: string;
  }
}

export interface RunOptions {
  env?: Record<string, string>;
  input?: string;
  cwd?: string;
  /** A command line in front of node's: `faketime`, `strace`, … */
  under?: string[];
  /** Options for node. */
  node?: string[];
  /** Called with the process once it runs. */
  started?: (child: { pid: number; kill(signal: NodeJS.Signals): void }) => void;
  /** Another copy of the program. */
  program?: string;
}

export interface Outcome {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs the command line as a user without settings would; `home` is the user's. */
export function runProgram(home: string, args: string[], options: RunOptions = {}): Promise<Outcome> {
  const { env = {}, input, cwd = home, under = [], node = [], started, program = PROGRAM } = options;
  mkdirSync(home, { recursive: true });
  const line = [...under, process.execPath, ...node, program, ...args];
  const child = spawn(line[0]!, line.slice(1), {
    cwd,
    env: { PATH: process.env.PATH, HOME: home, TZ: 'UTC', LANG: 'C.UTF-8', NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => started?.({ pid: child.pid!, kill: (signal) => child.kill(signal) }));
    child.once('close', (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}
