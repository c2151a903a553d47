import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../src/crypto/native.js';
import { encodeRecoveryKey } from '../../src/crypto/recovery-key.js';
import { EntryType } from '../../src/format/entry.js';
import { entryOf, Gatherer, StoreMaker } from './store-maker.js';

const script = fileURLToPath(new URL('../../scripts/build-page.mjs', import.meta.url));
const page = fileURLToPath(new URL('../../dist/restore.html', import.meta.url));
const SECRET = new Uint8Array(32).fill(9);
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];
const browser = BROWSERS.find((name) => spawnSync(name, ['--version']).status === 0);
const scratch = mkdtempSync(join(tmpdir(), 'page-'));

const build = () => {
  execFileSync(process.execPath, [script]);
  return readFileSync(page, 'utf8');
};
let html: string;
beforeAll(() => {
  html = build();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));

describe('restore.html', () => {
  it('comes out the same each time', () => {
    expect(build()).toBe(html);
  });

  it('allows its own script only, and no network', () => {
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)![1];
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((match) => match[1]);
    expect(scripts.length).toBe(1);
    const hash = createHash('sha256').update(scripts[0]).digest('base64');
    expect(policy).toBe(
      `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`,
    );
    expect(html).not.toMatch(/\{\{|\ssrc=|<link|@import|url\(/);
  });
});

/** A browser that is told what to do over a pipe (the DevTools protocol). */
class Browser {
  private readonly process;
  private readonly waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  private count = 0;
  private session: string | undefined;

  constructor(program: string, profile: string) {
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`,
    ];
    this.process = spawn(program, [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let text = '';
    (this.process.stdio[4] as Readable).on('data', (data) => {
      text += data;
      const messages = text.split('\0');
      text = messages.pop()!;
      for (const message of messages) this.receive(JSON.parse(message));
    });
  }

  send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.count;
    const { session } = this;
    (this.process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId: session })}\0`);
    return new Promise<T>((resolve, reject) => this.waiting.set(id, { resolve: resolve as never, reject }));
  }

  async open(url: string, downloads: string): Promise<void> {
    await this.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: downloads });
    const { targetId } = await this.send<{ targetId: string }>('Target.createTarget', { url });
    const attached = await this.send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    this.session = attached.sessionId;
    await this.until(`document.getElementById('folder') && document.readyState === 'complete'`);
  }

  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.send<{ result: { value: T }; exceptionDetails?: object }>('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
      userGesture: true,
    });
    if (answer.exceptionDetails) throw new Error(JSON.stringify(answer.exceptionDetails));
    return answer.result.value;
  }

  async until(expression: string): Promise<void> {
    for (let i = 0; i < 200; i++) {
      if (await this.evaluate<boolean>(`Boolean(${expression})`)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never came true: ${expression}`);
  }

  async choose(selector: string, path: string): Promise<void> {
    const { root } = await this.send<{ root: { nodeId: number } }>('DOM.getDocument');
    const { nodeId } = await this.send<{ nodeId: number }>('DOM.querySelector', { nodeId: root.nodeId, selector });
    await this.send('DOM.setFileInputFiles', { nodeId, files: [path] });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.process.once('exit', () => resolve());
      this.process.kill('SIGKILL');
    });
  }

  private receive(message: { id?: number; result?: never; error?: object }): void {
    const one = this.waiting.get(message.id ?? 0);
    if (message.error) one?.reject(new Error(JSON.stringify(message.error)));
    else one?.resolve(message.result!);
  }
}

describe.skipIf(browser === undefined)('restore.html in a browser', () => {
  it('opens a store with its recovery key, shows its files and hands them out', async () => {
    const maker = new StoreMaker();
    await maker.slot({ method: 'recovery', bytes: SECRET });
    const g = new Gatherer(maker);
    const content = Buffer.alloc(100_000, 'restored in a browser ');
    const file = { type: EntryType.file, ...g.content([content.subarray(0, 60_000), content.subarray(60_000)]) };
    const listing = g.listing([entryOf('home'), entryOf('home\0ann'), entryOf('home\0ann\0letter.txt', file)]);
    maker.index(g.packs());
    maker.snapshot({ listing, time: 1_750_000_000_000_000_000n });
    const store = join(scratch, 'store');
    for (const [path, bytes] of maker.files.map) {
      mkdirSync(dirname(join(store, path)), { recursive: true });
      writeFileSync(join(store, path), bytes);
    }
    copyFileSync(page, join(store, 'restore.html'));
    const downloads = join(scratch, 'downloads');
    mkdirSync(downloads);

    const tab = new Browser(browser!, join(scratch, 'profile'));
    try {
      await tab.open(`file://${store}/restore.html`, downloads);
      await tab.choose('#folder', store);
      await tab.until(`!document.getElementById('unlock').hidden`);
      const unlock = (text: string) =>
        tab.evaluate(
          `recovery.value = ${JSON.stringify(text)}; document.querySelector('#key-form button[type=submit]').click()`,
        );
      await unlock(
        encodeRecoveryKey(
          native,
          SECRET.map((byte) => byte + 1),
        ),
      );
      await tab.until('message.open');
      expect(await tab.evaluate(`document.getElementById('message-text').textContent`)).toMatch(/wrong recovery key/);
      await tab.evaluate('message.close()');
      await unlock(encodeRecoveryKey(native, SECRET));
      const entry = (name: string) => `[...entries.querySelectorAll('a')].find((a) => a.textContent === '${name}')`;
      for (const name of ['home/', 'ann/']) {
        await tab.until(`${entry(name)} && progress.hidden`);
        await tab.evaluate(`${entry(name)}.click()`);
      }
      await tab.until(`${entry('letter.txt')} && progress.hidden`);
      expect(await tab.evaluate(`entries.innerText`)).toContain('97.7 KiB');
      await tab.evaluate(`window.showSaveFilePicker = undefined; ${entry('letter.txt')}.click()`);
      const saved = join(downloads, 'letter.txt');
      for (let i = 0; i < 100 && !existsSync(saved); i++) await new Promise((resolve) => setTimeout(resolve, 50));
      expect(readFileSync(saved).equals(content)).toBe(true);
    } finally {
      await tab.close();
    }
  });
});
