import { once } from 'node:events';
import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { toBytes } from '../bytes.js';
import type { PathItem } from '../report/json-path.js';
import { pathBytes } from '../report/json-path.js';
import { decodeArgument, encodeArgument } from './arguments.js';
import type { Io } from './io.js';

const bufferSize = 1 << 16;

/** Standard output, buffered. When its reader goes away (`| head`), what follows is dropped quietly. */
export class Output {
  readonly #stream: Io['stdout'];
  #pending = '';
  /** The reader has gone. */
  closed = false;
  /** Whether anything has left the buffer. */
  started = false;

  /** @param onClosed called when the reader goes away */
  constructor(stream: Io['stdout'], onClosed: () => void) {
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.closed = true;
      onClosed();
    });
  }

  /** Writes a line; bytes that are not UTF-8 are lone surrogates in it, as `path` makes them. */
  line(text = ''): void {
    this.text(`${text}\n`);
  }

  text(text: string): void {
    if (this.closed) return;
    this.#pending += text;
    if (this.#pending.length >= bufferSize) this.#push();
  }

  /** A path for people on a terminal (what could upset it is escaped), and exactly its bytes in a file or pipe. */
  path(item: PathItem): string {
    const text = decodeArgument(toBytes(pathBytes(item)));
    return this.#stream.isTTY ? escapeControls(text) : text;
  }

  /** Drops what is pending, so that something else can be said; false when a part has gone out already. */
  discard(): boolean {
    this.#pending = '';
    return !this.started;
  }

  /** Standard output for plain bytes, with back-pressure. */
  byteStream(): Writable {
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        this.started = true;
        this.#stream.write(chunk, done);
      },
    });
    // A failed write is told to whoever wrote; as an event it would end the process.
    stream.on('error', () => {});
    return stream;
  }

  /** Waits until a slow reader has taken what is there, and lets errors of writing and signals come through. */
  async drain(): Promise<void> {
    if (this.#stream.writableNeedDrain && !this.closed)
      await Promise.race([once(this.#stream, 'drain'), once(this.#stream, 'close')]).catch(() => {});
    else await setImmediate();
  }

  /** Writes out all that is pending. */
  async flush(): Promise<void> {
    this.#push();
    if (this.closed) return;
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
  }

  #push(): void {
    const text = this.#pending;
    this.#pending = '';
    if (text === '' || this.closed) return;
    this.started = true;
    this.#stream.write(encodeArgument(text));
  }
}

/** Escapes control characters and bytes that are not UTF-8: `\n`, `\x1b`, `\xff`. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu, (char) => {
    const code = char.charCodeAt(0);
    if (char === '\n') return '\\n';
    if (char === '\t') return '\\t';
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
