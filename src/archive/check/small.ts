import { native } from '../../crypto/native.js';
import { objectName } from '../../format/object.js';
import { type Folder, objectPath } from '../../store/index.js';
import { copiedNames, keepCopy } from '../copies.js';
import { readerPage } from '../reader-page.js';
import type { Repository } from '../repository.js';
import { isDamage } from '../small-objects.js';
import { cureFor } from '../standing.js';
import { type BadObject, type Findings, problem } from './findings.js';

type SmallFolder = BadObject['folder'];

/** What the loss of an object of each kind means. */
const MEANING: Record<SmallFolder, string> = {
  keys: 'a key slot: whoever unlocks with it no longer can',
  certs: 'a certificate: what its key signed counts for nobody who has not seen it before',
  index: 'an index: without a catalog, what lies in its packs is not found',
  snapshots: 'a snapshot: without a catalog, nobody knows of it',
  records: 'a record: what it says (something forgotten, replaced, tagged, revoked) is news to nobody any more',
  tombstones: 'a tombstone: the packs that it dooms stay',
};

const LOST_SLOT =
  "is not in the store, which has no slot of the full role left: only the copy beside this catalog opens it; other keys are to be made anew, by 'backup-ninja key add' and 'key recovery'";

/** Checks everything in the store but packs: that it is there, under its right name, and can be opened. */
export async function checkSmall(repository: Repository, findings: Findings): Promise<void> {
  await checkPlainFiles(repository, findings);
  const { reconciled, context, lostSlot } = repository;
  if (lostSlot !== undefined) {
    findings.objects.push({ folder: 'keys', name: lostSlot, what: 'missing' });
    findings.add(problem('missing', objectPath('keys', lostSlot), LOST_SLOT));
  }
  const noted = new Set<string>();
  for (const { path, message, foreign } of reconciled.unreadable) {
    noted.add(path);
    noteBad(repository, findings, path, message, foreign);
  }
  for (const { folder, name } of reconciled.missing) {
    findings.objects.push({ folder, name, what: 'missing' });
    findings.add(problem('missing', objectPath(folder, name), `is not in the store; it was ${MEANING[folder]}`));
  }
  noteUncertified(repository, findings);
  // The other folders are read whole whenever a catalog is compared with its store.
  for (const folder of ['keys', 'index', 'snapshots'] as const)
    for (const { name } of await repository.store.list(folder)) {
      context.signal.throwIfAborted();
      const path = objectPath(folder, name);
      if (!noted.has(path)) await checkBytes(repository, findings, folder, name);
    }
}

/** What keys without a certificate have signed counts for nothing, unless the certificate comes back. */
function noteUncertified({ keyring, reconciled }: Repository, findings: Findings): void {
  const own = keyring.canWrite ? keyring.signer() : undefined;
  for (const signer of reconciled.uncertified) {
    const whose = signer === own ? 'of this key' : 'of a key that has signed objects';
    const cure = cureFor(signer === own && keyring.isFull);
    findings.add(
      problem(
        'missing',
        certificateOf(signer),
        `the certificate ${whose} is not in the store: what it signed counts for nothing; ${cure}`,
      ),
    );
  }
}

/** How a check names the certificate of a key when it does not know the name of its object. */
export function certificateOf(signer: string): string {
  return `certs (of the key ${signer.slice(0, 12)})`;
}

async function checkBytes(
  repository: Repository,
  findings: Findings,
  folder: 'keys' | 'index' | 'snapshots',
  name: string,
): Promise<void> {
  const { catalog, store } = repository;
  const path = objectPath(folder, name);
  try {
    const bytes = await store.read(path);
    if (objectName(native, bytes) !== name) {
      noteBad(repository, findings, path, 'its bytes are not those it is named by', false);
      return;
    }
    const isKnown = folder === 'snapshots' && catalog.snapshots.has(name);
    if (isKnown && !copiedNames(catalog, 'snapshots').has(name)) keepCopy(catalog, 'snapshots', name, bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    noteBad(repository, findings, path, (error as Error).message, false);
  }
}

function noteBad(
  { reconciled, context }: Repository,
  findings: Findings,
  path: string,
  message: string,
  foreign: boolean,
): void {
  const folder = path.slice(0, path.indexOf('/')) as SmallFolder;
  const name = path.slice(path.lastIndexOf('/') + 1, path.lastIndexOf('.'));
  if (reconciled.marks.objects.has(path) && folder !== 'snapshots') {
    context.report.note(`set aside, as it cannot be read: ${path} (${MEANING[folder]})`);
    return;
  }
  findings.objects.push({ folder, name, what: 'damaged' });
  if (foreign) findings.add(problem('foreign', path, `counts for nothing: ${message}`));
  else findings.add(problem('damaged', path, `${message}; it is ${MEANING[folder]}`));
}

async function checkPlainFiles({ store, configDamage }: Repository, findings: Findings): Promise<void> {
  if (configDamage !== undefined) {
    findings.plain.push('config.json');
    findings.add(problem('damaged', 'config.json', `${configDamage}; without it the store cannot be opened`));
  }
  const meanings: [file: 'README.txt' | 'restore.html', meaning: string][] = [
    ['README.txt', 'what tells a finder what the folder is'],
  ];
  if (readerPage() !== undefined) meanings.push(['restore.html', 'the page that restores without the program']);
  for (const [file, meaning] of meanings) {
    if (((await store.size(file)) ?? 0) > 0) continue;
    findings.plain.push(file);
    findings.add(problem('missing', file, `is not in the store: ${meaning}`));
  }
}

/** What the loss of an object of a folder means, in words. */
export function meaningOf(folder: Folder): string {
  return folder === 'packs' ? 'a pack' : MEANING[folder];
}
