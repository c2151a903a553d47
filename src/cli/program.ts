import { Command, CommanderError } from 'commander';
import { ExitCode, UserError } from '../errors.js';
import { paintFor } from '../report/paint.js';
import { version } from '../version.js';
import { describeFailure, type Failure, stackOf } from './failure.js';
import type { Io } from './io.js';
import { translatePythonSpelling } from './python-spelling.js';
import { type Run, registry } from './registry.js';
import { type Globals, Session } from './session.js';
import type { LoadVerb } from './verbs.js';

/** What a run of the program depends on. */
export interface Surroundings {
  io: Io;
  loadVerb: LoadVerb;
  /** Aborted to stop the run; the reason says why. */
  stop: AbortController;
}

/**
 * Runs one command line to its end, everything said.
 * @param args what follows the program's name
 * @returns the exit code
 */
export async function runCli(args: readonly string[], { io, loadVerb, stop }: Surroundings): Promise<number> {
  let session: Session | undefined;
  let command = '';
  const run: Run = async (action) => {
    const globals: Globals & { action?: string } = program.opts();
    session = new Session(io, globals, stop, loadVerb);
    if (globals.action !== undefined)
      throw new UserError(ExitCode.usage, `--action ${globals.action} names a second command; give one of them`);
    await action(session);
    session.report.done();
  };
  const program = createProgram(io, run, (path) => (command = path));
  try {
    await program.parseAsync(withHelpLast(translatePythonSpelling(args)), { from: 'user' });
    return session?.exit ?? ExitCode.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.done;
    if (session?.out.closed) return ExitCode.done;
    session?.report.done();
    const failure =
      error instanceof CommanderError ? wrongUsage(error, command) : describeFailure(error, stop.signal.aborted);
    await tell(failure, { io, session, json: session?.json ?? args.includes('--json') });
    if (io.env.BACKUP_NINJA_DEBUG || (session?.globals.verbose ?? 0) >= 2) io.stderr.write(`${stackOf(error) ?? ''}\n`);
    return failure.code;
  }
}

/** The program with all commands by name, each of them filled in when it is the one that runs. */
function createProgram(io: Io, run: Run, entered: (path: string) => void): Command {
  const program = new Command('backup-ninja');
  program
    .description('Encrypted, deduplicating backup that keeps the history of every path')
    .version(version)
    .option('-c, --config <file>', "config file (else $BACKUP_NINJA_CONFIG, ./backup_config.json, the user's own)")
    .option('--json', 'one JSON document on stdout; progress as JSON lines on stderr')
    .option('-q, --quiet', 'say less')
    .option('-v, --verbose', 'say more; twice: with the details of errors', (_, times: number) => times + 1, 0)
    .option('-a, --action <name>', "the same as the command NAME (the Python tool's spelling)")
    .option('--wait-lock <duration>', 'wait so long for a busy store or catalog (default: not at all)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText('beforeAll', ({ command }) => requireKnown(command))
    .helpCommand('help [command]', 'show the help of a command')
    .hook('preSubcommand', async (_, sub) => {
      entered(sub.name());
      const entry = registry.find(({ name }) => name === sub.name());
      (await entry?.load())?.define(sub, run);
    });
  for (const { name, alias, summary } of registry) {
    const sub = program.command(name).description(summary);
    if (alias !== undefined) sub.alias(alias);
  }
  return program.addHelpText(
    'after',
    '\nExamples:\n  $ backup-ninja init --store /mnt/backup/store --root ~/Documents\n  $ backup-ninja backup\n  $ backup-ninja restore --target /tmp/t',
  );
}

/** `help key add` as `key add --help`: the latter goes through the command, which is empty until it is entered. */
function withHelpLast(args: string[]): string[] {
  return args[0] === 'help' ? [...args.slice(1), '--help'] : args;
}

/** The help of a command with subcommands is no answer to who asks for that of one which it does not have. */
function requireKnown(command: Command): string {
  const [name] = command.args;
  if (command.commands.length > 0 && name !== undefined && !name.startsWith('-'))
    throw new CommanderError(ExitCode.usage, 'commander.unknownCommand', `unknown command '${name}'`);
  return '';
}

function wrongUsage(error: CommanderError, command: string): Failure {
  const help = `see \`backup-ninja ${command === '' ? '' : `${command} `}--help\``;
  // Help was shown because no command was named.
  if (error.code === 'commander.help') return { code: ExitCode.usage, message: `no command was given; ${help}` };
  const what = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  return { code: ExitCode.usage, message: `${what}; ${help}` };
}

interface Listener {
  io: Io;
  session?: Session;
  json: boolean;
}

/** The failure as one line on stderr, and with --json as a document on stdout too (unless other output began there). */
async function tell({ code, message }: Failure, { io, session, json }: Listener): Promise<void> {
  io.stderr.write(`${paintFor(io.stderr, io.env)('red', 'error:')} ${message}\n`);
  if (!json || session?.out.discard() === false) return;
  const document = `${JSON.stringify({ error: { code, message } })}\n`;
  await new Promise<void>((resolve) => io.stdout.write(document, () => resolve()));
}
