import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { prune } from '../../../src/archive/prune.js';
import { keyringForRole } from '../../../src/crypto/keyring.js';
import { sealCert } from '../../../src/format/cert.js';
import { sealIndex } from '../../../src/format/index-object.js';
import { encodeDirectory } from '../../../src/format/pack.js';
import { zstdCodec } from '../../../src/format/zstd.js';
import { objectPath } from '../../../src/store/index.js';
import { Lab, type LabFile } from './lab.js';

const file = (text: string, mtime: number): LabFile => ({ content: new Uint8Array(Buffer.from(text)), mtime });
const STATE = new Map([['r/a', file('a', 1)]]);

/** A directory that has nothing of what is in any pack. */
function lie(writer: string): Uint8Array {
  return encodeDirectory({
    run: new Uint8Array(16),
    writer: Buffer.from(writer, 'hex'),
    frames: [{ offset: 72, length: 100, raw: true, firstBlob: 0, blobs: 1, plainLength: 84 }],
    ids: new Uint8Array(24).fill(7),
    lengths: Uint32Array.of(84),
  });
}

/**
 * A backup key puts an index that says of every data pack in the store that it is its own, and holds something else.
 * @param before what its name must come before, as indexes are read in the order of their names
 */
function putLies(lab: Lab, before = 'g'): Promise<void> {
  return lab.use(async ({ catalog, keyring, store }) => {
    const liar = keyringForRole(keyring, 'backup');
    const cert = sealCert(keyring, { signer: liar.signer(), role: 'backup', sources: ['other'], created: 0n });
    await store.put(objectPath('certs', cert.name), cert.bytes);
    const directory = lie(liar.signer());
    const packs = catalog.packs
      .all()
      .filter(({ kind }) => kind === 'data')
      .map(({ name, size, kind, run }) => ({ name, size, kind, run, writer: liar.signer(), opened: true, directory }));
    for (;;) {
      const index = sealIndex(liar, { packs, supersedes: [] }, zstdCodec);
      if (index.name >= before) continue;
      await store.put(objectPath('index', index.name), index.bytes);
      return;
    }
  });
}

describe.each([
  ['an exclusive', false],
  ['a shared', true],
])('an index that says of others’ packs what is not so, in %s store', (_, shared) => {
  let lab: Lab;
  let snapshot: string;
  let honest: string[];
  const nameOf = (path: string): string => path.replace(/.*\/|\.idx$/g, '');
  const loseCatalog = (): void => rmSync(lab.config.tableDir, { recursive: true });
  const pruneNow = () => prune(lab.context(), { dryRun: false, maxUnused: { bytes: 0 }, grace: 0 });

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    lab = await Lab.make({ shared });
    snapshot = await lab.at('2025-01-01T12:00').backup(STATE);
    honest = lab.objects('index');
    lab.at('2025-06-01T12:00');
  });
  afterEach(() => {
    vi.useRealTimers();
    lab.remove();
  });

  test('is not believed when it is read after the other, nor before', async () => {
    const packs = lab.objects('packs');
    for (const isLost of [true, false]) {
      await putLies(lab, lab.objects('index').map(nameOf).sort()[0]);
      if (isLost) loseCatalog();
      expect((await lab.restore(snapshot)).get('r/a')).toEqual(STATE.get('r/a'));
      await pruneNow();
      await pruneNow();
      expect(lab.objects('packs')).toEqual(packs);
    }
  });

  test('lets nothing be deleted where it is the only one', async () => {
    await putLies(lab);
    await lab.use(async ({ store }) => {
      for (const path of honest) await store.delete(path as `index/${string}`);
    });
    loseCatalog();
    const packs = lab.objects('packs');
    await expect(pruneNow()).rejects.toThrow(/in no pack of the store, so nothing is pruned/);
    expect(lab.objects('packs')).toEqual(packs);
  });
});
