import { display, fromChars } from '../bytes.js';
import { PortableError } from '../errors.js';
import type { PortableEntry } from '../listing.js';
import type { StoreFiles } from '../reader.js';
import type { Secret } from '../secrets.js';
import type { PortableSnapshot } from '../snapshots.js';
import { openPortableStore, type PortableStore } from '../store.js';
import { storeAmong } from './files.js';
import { canSaveFolders, folderAsTar, saveFile, saveFolder, type Watcher, watched } from './save.js';

/** The page: choose a store, open it, look around, take files out. */

/** Rows that are shown at once. */
const ROWS = 500;

const at = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

const sections = { unlock: at('unlock'), browse: at('browse') };
const snapshotList = at<HTMLSelectElement>('snapshot');
const progressBox = at('progress');

let files: StoreFiles | undefined;
let store: PortableStore | undefined;
let snapshots: PortableSnapshot[] = [];
let folder = '';
/** Counts what is shown, so that a slow listing does not overwrite a newer one. */
let showing = 0;
let stopped: AbortController | undefined;

at<HTMLInputElement>('folder').addEventListener('change', (event) => {
  const chosen = [...((event.target as HTMLInputElement).files ?? [])];
  files = storeAmong(chosen);
  sections.browse.hidden = true;
  sections.unlock.hidden = files === undefined;
  at('chosen').textContent =
    files === undefined ? 'No store in there: it must hold config.json and a folder named keys.' : 'This is a store.';
});

for (const radio of document.querySelectorAll<HTMLInputElement>('input[name=kind]')) {
  radio.addEventListener('change', () => {
    for (const part of document.querySelectorAll<HTMLElement>('[data-kind]'))
      part.hidden = part.dataset.kind !== radio.value;
  });
}

at<HTMLFormElement>('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  run('Opening the store…', async () => {
    store = await openPortableStore(files!, await secret());
    at<HTMLTextAreaElement>('recovery').value = '';
    at<HTMLInputElement>('passphrase').value = '';
    snapshots = (await store.snapshots()).reverse();
    showSnapshots();
    sections.browse.hidden = false;
    await showFolder('');
    sections.browse.scrollIntoView({ behavior: 'smooth' });
    if (store.problems.length > 0)
      tell(
        'Some objects of the store are damaged and were passed over:',
        store.problems.map(({ path, message }) => `${path}: ${message}`),
      );
  });
});

async function secret(): Promise<Secret> {
  const kind = document.querySelector<HTMLInputElement>('input[name=kind]:checked')!.value;
  if (kind === 'recovery') return { kind, text: at<HTMLTextAreaElement>('recovery').value };
  if (kind === 'passphrase') return { kind, text: at<HTMLInputElement>('passphrase').value };
  const file = at<HTMLInputElement>('key-file').files?.[0];
  if (file === undefined) throw new PortableError('wrong-key', 'Choose the key file first.');
  return { kind: 'key-file', content: new Uint8Array(await file.slice(0, 4096).arrayBuffer()) };
}

function showSnapshots(): void {
  const sorted = [...snapshots].sort((a, b) => (a.time < b.time ? 1 : -1));
  snapshotList.replaceChildren(
    ...sorted.map((snapshot) => {
      const option = document.createElement('option');
      const note = snapshot.state === 'counts' ? '' : ` — ${STATES[snapshot.state]}`;
      const kept = snapshot.kind === 'kept' ? ', old versions that were kept' : '';
      option.value = snapshot.name;
      option.textContent = `${dateOf(snapshot.time)} · ${snapshot.source}${kept}${note}`;
      return option;
    }),
  );
  const best = sorted.find(({ state, kind }) => state === 'counts' && kind === 'taken');
  if (best !== undefined) snapshotList.value = best.name;
}

const STATES = {
  foreign: 'not by a key that may write it; be careful',
  replaced: 'replaced by another',
  forgotten: 'forgotten: files may be gone',
  pending: 'not completed: files may be missing',
};

snapshotList.addEventListener('change', () => run('Reading…', () => showFolder('')));

function current(): PortableSnapshot {
  return snapshots.find(({ name }) => name === snapshotList.value)!;
}

async function showFolder(key: string): Promise<void> {
  const mine = ++showing;
  const snapshot = current();
  folder = key;
  const { files: count, bytes } = snapshot.counts;
  at('facts').textContent =
    `${snapshot.host}, ${snapshot.mode} backup ${snapshot.name.slice(0, 12)}: ${count.toLocaleString()} files, ${sizeOf(bytes)}`;
  showPath(key);
  const body = at('entries');
  body.replaceChildren();
  const rows = store!.children(snapshot, key)[Symbol.asyncIterator]();
  const more = at<HTMLButtonElement>('more');
  const fill = async () => {
    for (let i = 0; i < ROWS; i++) {
      const { value, done } = await rows.next();
      if (mine !== showing) return;
      more.hidden = done === true;
      if (done) return;
      body.append(rowOf(value));
    }
  };
  more.onclick = () => run('Reading…', fill);
  await fill();
}

function showPath(key: string): void {
  const parts = key === '' ? [] : key.split('\0');
  const links = [linkTo('all', ''), ...parts.map((part, i) => linkTo(textOf(part), parts.slice(0, i + 1).join('\0')))];
  at('path').replaceChildren(...links);
}

function linkTo(text: string, key: string): HTMLAnchorElement {
  return link(text, () => run('Reading…', () => showFolder(key)));
}

function link(text: string, act: () => void): HTMLAnchorElement {
  const anchor = document.createElement('a');
  anchor.href = '#';
  anchor.textContent = text;
  anchor.addEventListener('click', (event) => {
    event.preventDefault();
    act();
  });
  return anchor;
}

function rowOf(entry: PortableEntry): HTMLTableRowElement {
  const row = document.createElement('tr');
  const cells = [0, 1, 2].map(() => row.insertCell());
  const name = textOf(entry.key.slice(entry.key.lastIndexOf('\0') + 1));
  if (entry.type === 'dir') cells[0].append(linkTo(`${name}/`, entry.key));
  else if (entry.type === 'file') cells[0].append(link(name, () => download(entry, name)));
  else if (entry.type === 'symlink') cells[0].textContent = `${name} → ${display(entry.target ?? new Uint8Array(0))}`;
  else cells[0].textContent = `${name} (${entry.type})`;
  cells[1].className = 'number';
  cells[1].textContent = entry.type === 'file' ? sizeOf(entry.size) : '';
  cells[2].textContent = dateOf(entry.mtime);
  return row;
}

function download(entry: PortableEntry, name: string): void {
  work((watcher) => saveFile(name, watched(store!, entry, watcher), watcher.signal));
}

at('save-tar').addEventListener('click', () => {
  const name = `${textOf(folder.slice(folder.lastIndexOf('\0') + 1)) || current().source}.tar`;
  work((watcher) => saveFile(name, folderAsTar(store!, current(), folder, watcher), watcher.signal));
});

at('save-folder').hidden = !canSaveFolders;
at('save-folder').addEventListener('click', () => {
  work((watcher) => saveFolder(store!, current(), folder, watcher));
});

at('stop').addEventListener('click', () => stopped?.abort());

/** Takes files out of the store, with progress and a list of what failed. */
function work(act: (watcher: Watcher) => Promise<void>): void {
  const failures: string[] = [];
  let bytes = 0;
  run('Reading…', async (signal) => {
    await act({
      signal,
      progress(more, path) {
        bytes += more;
        at('progress-text').textContent = `${sizeOf(bytes)} · ${path}`;
      },
      failed: (path, error) => failures.push(`${path}: ${messageOf(error)}`),
    });
    if (failures.length > 0) tell('All was saved but this:', failures);
  });
}

/** Runs one thing at a time and says what went wrong. */
function run(text: string, act: (signal: AbortSignal) => Promise<void>): void {
  if (stopped !== undefined) return;
  stopped = new AbortController();
  const { signal } = stopped;
  at('progress-text').textContent = text;
  progressBox.hidden = false;
  document.body.setAttribute('aria-busy', 'true');
  // Lets the browser show that before the work begins.
  setTimeout(async () => {
    try {
      await act(signal);
    } catch (error) {
      if (!signal.aborted && (error as Error).name !== 'AbortError') tell(messageOf(error), []);
    } finally {
      stopped = undefined;
      progressBox.hidden = true;
      document.body.removeAttribute('aria-busy');
    }
  }, 30);
}

function tell(text: string, list: readonly string[]): void {
  at('message-text').textContent = text;
  at('message-list').replaceChildren(
    ...list.slice(0, 1000).map((line) => Object.assign(document.createElement('li'), { textContent: line })),
  );
  at<HTMLDialogElement>('message').showModal();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function textOf(name: string): string {
  return display(fromChars(name));
}

function dateOf(time: bigint): string {
  return new Date(Number(time / 1_000_000n)).toLocaleString();
}

function sizeOf(bytes: number): string {
  if (bytes === 1) return '1 byte';
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const step = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${(bytes / 1024 ** step).toLocaleString(undefined, { maximumFractionDigits: step === 0 ? 0 : 1 })} ${units[step]}`;
}
