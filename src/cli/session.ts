import type { Context } from '../archive/context.js';
import type { ForgetResult, Rows } from '../archive/types.js';
import { parseDuration } from '../config/duration.js';
import { findConfig } from '../config/find.js';
import { type Surroundings, surroundings } from '../config/paths.js';
import type { Config } from '../config/types.js';
import { ExitCode, UserError } from '../errors.js';
import { terminalBar } from '../report/bar.js';
import type { PathItem } from '../report/json-path.js';
import { paintFor } from '../report/paint.js';
import { jsonReporter, plainReporter, terminalReporter } from '../report/reporters.js';
import type { Reporter } from '../report/types.js';
import { canAsk, type Io } from './io.js';
import { escapeControls, Output } from './output.js';
import { printPreview } from './print-forget.js';
import { askLine, askSecret } from './prompt.js';
import { secretsFrom } from './secrets.js';
import type { LoadVerb } from './verbs.js';

/** The options that every command takes. */
export interface Globals {
  config?: string;
  json?: boolean;
  quiet?: boolean;
  /** How many times `-v` was given. */
  verbose?: number;
  waitLock?: string;
}

/** What a command says of itself when it asks for its context. */
export interface Consent {
  /** Takes something away: asks on a terminal, refuses where nobody can be asked unless `yes` or `dryRun`. */
  destructive?: boolean;
  yes?: boolean;
  dryRun?: boolean;
}

/** What went wrong, in lines for people. @param path how a path is shown */
export type ProblemLines<T> = (result: T, path: (item: PathItem) => string) => Iterable<string>;

/** One run of the program: what a command's action works with. */
export class Session {
  readonly io: Io;
  readonly out: Output;
  readonly globals: Globals;
  readonly report: Reporter;
  readonly signal: AbortSignal;
  readonly verb: LoadVerb;
  #exit: number = ExitCode.done;

  /** @param stop aborted by signals, and here when nobody reads the output any more */
  constructor(io: Io, globals: Globals, stop: AbortController, verb: LoadVerb) {
    this.io = io;
    this.out = new Output(io.stdout, () => stop.abort());
    this.globals = globals;
    this.signal = stop.signal;
    this.verb = verb;
    this.report = this.#reporter();
  }

  /** Exit code so far. */
  get exit(): number {
    return this.#exit;
  }

  /** What config paths are found by and expanded with. */
  get around(): Surroundings {
    return surroundings(this.io.env);
  }

  get json(): boolean {
    return this.globals.json === true;
  }

  get quiet(): boolean {
    return this.globals.quiet === true;
  }

  /** Makes the exit code `attention` (3) or `damage` (4); the worse of two stays. */
  mark(code: typeof ExitCode.attention | typeof ExitCode.damage, when: boolean): void {
    if (when) this.#exit = Math.max(this.#exit, code);
  }

  /**
   * Loads the config and makes the context of a verb.
   * @throws UserError (usage) when the command needs a yes that nobody can give
   */
  async context(consent: Consent = {}): Promise<Context> {
    this.requireConsent(consent);
    const { loadConfig } = await import('../config/load.js');
    const around = this.around;
    const { file } = findConfig(this.globals.config, around);
    return this.contextFor(await loadConfig(file, around), file, consent);
  }

  /** As `context`, for a config that is already there. */
  contextFor(config: Config, configFile: string, consent: Consent = {}): Context {
    const { waitLock } = this.globals;
    return {
      config,
      configFile,
      report: this.report,
      signal: this.signal,
      waitLock: waitLock === undefined ? 0 : parseDuration(waitLock, '--wait-lock'),
      ...secretsFrom(this.io, config.keyPath, {
        ask: (question) => {
          this.report.done();
          return askSecret(this.io, question, this.signal);
        },
        note: (message) => this.report.warn(message),
      }),
      confirm: (question, preview) => this.#confirm(question, preview, consent),
      attention: (message) => {
        this.report.warn(message);
        this.mark(ExitCode.attention, true);
      },
    };
  }

  /** Refuses a destructive command that nobody confirms, before anything is done. */
  requireConsent({ destructive, yes, dryRun }: Consent): void {
    if (destructive && !yes && !dryRun && !canAsk(this.io))
      throw new UserError(
        ExitCode.usage,
        'this command takes something away and there is no terminal to ask on; nothing was done: give --yes, or --dry-run to see what it would do',
      );
  }

  /** The result of a verb on stdout: its JSON document, or what `human` prints. */
  async print<T>(result: T, human: (result: T, out: Output) => void): Promise<void> {
    this.report.done();
    if (this.json) this.out.line(JSON.stringify(result));
    else human(result, this.out);
    await this.out.flush();
  }

  /**
   * As `print`, for what a command did (rather than was asked for): with `--quiet` people get nothing of it but its
   * problems, as warnings.
   * @param problems lines of `human` that tell why somebody should look at it
   */
  async printSummary<T>(
    result: T,
    human: (result: T, out: Output) => void,
    problems: ProblemLines<T> = () => [],
  ): Promise<void> {
    if (this.quiet && !this.json)
      for (const line of problems(result, (item) => escapeControls(typeof item === 'string' ? item : item.path)))
        this.report.warn(line);
    await this.print(result, this.quiet ? () => {} : human);
  }

  /** Rows one by one, as one JSON array or as lines; stops when nobody reads any more. */
  async printRows<T>(rows: Rows<T>, human: (row: T, out: Output) => void): Promise<void> {
    let count = 0;
    for await (const row of rows) {
      if (count === 0) this.report.done();
      if (this.json) this.out.text(`${count === 0 ? '[' : ',\n'}${JSON.stringify(row)}`);
      else human(row, this.out);
      count++;
      if (this.out.closed) break;
      if (count % 1024 === 0) {
        this.signal.throwIfAborted();
        await this.out.drain();
      }
    }
    this.report.done();
    if (this.json) this.out.line(count === 0 ? '[]' : ']');
    await this.out.flush();
  }

  async #confirm(
    question: string,
    preview: ForgetResult | (() => Promise<ForgetResult>) | undefined,
    consent: Consent,
  ): Promise<boolean> {
    if (consent.yes) return true;
    if (!canAsk(this.io)) return false;
    const shown = typeof preview === 'function' ? await preview() : preview;
    this.report.done();
    if (shown) printPreview(shown, (line) => this.io.stderr.write(`${line}\n`));
    const answer = await askLine(this.io, `${question} [y/N] `, this.signal);
    return /^\s*y(es)?\s*$/i.test(answer);
  }

  #reporter(): Reporter {
    const { stderr, env } = this.io;
    const verbosity = this.quiet ? -1 : (this.globals.verbose ?? 0);
    if (this.json) return jsonReporter(stderr, verbosity);
    const paint = paintFor(stderr, env);
    if (!stderr.isTTY || this.quiet || env.TERM === 'dumb') return plainReporter(stderr, verbosity, paint);
    return terminalReporter(stderr, verbosity, terminalBar(stderr), paint);
  }
}
