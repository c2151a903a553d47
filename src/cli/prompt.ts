import { ExitCode, UserError } from '../errors.js';
import type { Io } from './io.js';

/** Asks for one line; the terminal shows what is typed. Empty at end of input. */
export async function askLine(io: Io, question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: io.stdin, output: io.stderr, terminal: false });
  try {
    io.stderr.write(question);
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const line = new Promise<string>((resolve) => lines.once('line', resolve));
    return await untilAborted(Promise.race([line, ended]), signal);
  } finally {
    lines.close();
  }
}

/** Asks for a secret; nothing of it is shown. The terminal is in raw mode meanwhile, so Ctrl-C is handled here. */
export async function askSecret(io: Io, question: string, signal: AbortSignal): Promise<string> {
  io.stderr.write(question);
  io.stdin.setRawMode?.(true);
  const typed = new SecretLine();
  let onData: ((chunk: Buffer) => void) | undefined;
  try {
    const line = new Promise<string>((resolve, reject) => {
      onData = (chunk) => {
        const state = typed.take(chunk);
        if (state === 'done') resolve(typed.text());
        if (state === 'interrupted')
          reject(new UserError(ExitCode.interrupted, 'interrupted while asking for a secret'));
      };
      io.stdin.on('data', onData);
      io.stdin.once('end', () => resolve(typed.text()));
      io.stdin.resume();
    });
    return await untilAborted(line, signal);
  } finally {
    if (onData) io.stdin.off('data', onData);
    io.stdin.pause();
    io.stdin.setRawMode?.(false);
    io.stderr.write('\n');
  }
}

/** A line being typed without echo: backspace and Ctrl-U edit, Enter and Ctrl-D end, Ctrl-C interrupts. */
export class SecretLine {
  #bytes: number[] = [];

  take(chunk: Uint8Array): 'more' | 'done' | 'interrupted' {
    for (const byte of chunk) {
      if (byte === 0x0d || byte === 0x0a || byte === 0x04) return 'done';
      if (byte === 0x03) return 'interrupted';
      if (byte === 0x15) this.#bytes = [];
      else if (byte === 0x08 || byte === 0x7f) this.#backspace();
      else this.#bytes.push(byte);
    }
    return 'more';
  }

  text(): string {
    return Buffer.from(this.#bytes).toString('utf8');
  }

  /** Takes back one character, which may be several bytes of UTF-8. */
  #backspace(): void {
    while (((this.#bytes.pop() ?? 0) & 0xc0) === 0x80);
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
