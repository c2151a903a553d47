import { dismissEarlyThreads } from '../archive/early-threads.js';
import { ExitCode, UserError } from '../errors.js';
import { keepHeapsSmall } from '../platform/heaps.js';
import { version } from '../version.js';
import { processArguments } from './arguments.js';
import { describeFailure, stackOf } from './failure.js';
import type { LoadVerb } from './verbs.js';

const args = processArguments();
if (args[0] === '--version' || args[0] === '-V') {
  // Nothing else is loaded for this.
  process.stdout.write(`${version}\n`);
} else {
  void main();
}

async function main(): Promise<void> {
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(ExitCode.interrupted);
    stop.abort(new UserError(ExitCode.interrupted, `interrupted (${signal}); run it again to go on`));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  process.on('uncaughtException', fault);
  process.stderr.on('error', () => {});

  const [{ runCli }, { processIo }, { loadVerb }] = await Promise.all([
    import('./program.js'),
    import('./io.js'),
    import('./verbs.js'),
  ]);
  const loadAll: LoadVerb = async (name) => {
    const verb = await loadVerb(name);
    keepHeapsSmall();
    return verb;
  };
  const code = await runCli(args, { io: processIo, loadVerb: loadAll, stop });
  await dismissEarlyThreads();
  // Connections and workers that linger must not keep the process.
  process.exit(code);
}

/** An error that no caller could catch. */
function fault(error: unknown): void {
  const { code, message } = describeFailure(error, false);
  process.stderr.write(`error: ${message}\n`);
  if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  if (process.env.BACKUP_NINJA_DEBUG) process.stderr.write(`${stackOf(error) ?? ''}\n`);
  process.exit(code);
}
