import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach } from 'vitest';
import type { Context } from '../../src/archive/context.js';
import type { Io } from '../../src/cli/io.js';
import { runCli } from '../../src/cli/program.js';
import { type LoadVerb, loadVerb as loadRealVerb, type VerbName, type Verbs } from '../../src/cli/verbs.js';
import { ExitCode, UserError } from '../../src/errors.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bn-cli-'));
  folders.push(folder);
  return folder;
}

/** A config file in a folder of its own. */
export function configFile(content: object = {}): string {
  const file = join(temporaryFolder(), 'config.json');
  writeFileSync(file, JSON.stringify({ file_dir: './store', restore_dir: '/restored', ...content }));
  return file;
}

/** One call of a verb. */
export interface Call {
  verb: VerbName;
  options: Record<string, unknown>;
  context: Context;
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  raw: Buffer;
  calls: Call[];
}

export interface Circumstances {
  /** What verbs do; a value is what the verb returns. */
  verbs?: { [N in VerbName]?: Verbs[N] | object };
  /** Runs the program's own verbs. */
  real?: boolean;
  env?: Record<string, string>;
  /** What is typed; makes stdin and stderr terminals. */
  typed?: string[];
  /** Standard input that is no terminal. */
  piped?: string;
  stdoutIsTerminal?: boolean;
  stop?: AbortController;
  /** Standard output is closed by its reader after so many bytes. */
  closeStdoutAfter?: number;
}

/** Runs the command line in this process, over a fake archive layer unless the real one is asked for. */
export async function run(args: string[], circumstances: Circumstances = {}): Promise<Outcome> {
  const {
    verbs = {},
    real = false,
    env = {},
    typed,
    piped,
    stdoutIsTerminal,
    stop = new AbortController(),
    closeStdoutAfter,
  } = circumstances;
  const calls: Call[] = [];
  const loadVerb: LoadVerb = async <N extends VerbName>(name: N) => {
    const given = verbs[name];
    if (given === undefined) throw new UserError(ExitCode.failed, `the test has no verb ${name}`);
    const verb = async (context: Context, options: object) => {
      calls.push({ verb: name, options: options as Record<string, unknown>, context });
      return typeof given === 'function' ? (given as (c: Context, o: object) => unknown)(context, options) : given;
    };
    return verb as unknown as Verbs[N];
  };
  const stdin = new PassThrough();
  const stdout = catcher(closeStdoutAfter);
  const stderr = catcher();
  const load = real ? loadRealVerb : loadVerb;
  if (typed) answer(stdin, stderr.stream, typed);
  else stdin.end(piped ?? '');
  const terminal = typed ? { isTTY: true } : {};
  const io: Io = {
    stdin: Object.assign(stdin, typed ? { isTTY: true, setRawMode: () => stdin } : {}) as Io['stdin'],
    stdout: Object.assign(stdout.stream, stdoutIsTerminal ? { isTTY: true } : {}),
    stderr: Object.assign(stderr.stream, terminal),
    env: { NO_COLOR: '1', TERM: 'dumb', ...env },
  };
  const code = await runCli(args, { io, loadVerb: load, stop });
  return { code, stdout: stdout.text(), stderr: stderr.text(), raw: stdout.bytes(), calls };
}

/** Types the next answer whenever a question (a text without line end) is shown. */
function answer(stdin: PassThrough, stderr: PassThrough, answers: string[]): void {
  const rest = [...answers];
  stderr.on('data', (chunk: Buffer) => {
    if (/[:\]] $/.test(chunk.toString()))
      setImmediate(() => (rest.length > 0 ? stdin.write(rest.shift()) : stdin.end()));
  });
}

function catcher(closeAfter = Number.POSITIVE_INFINITY) {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > closeAfter) stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  });
  return { stream, bytes: () => Buffer.concat(chunks), text: () => Buffer.concat(chunks).toString() };
}
