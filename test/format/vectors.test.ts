import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blobId } from '../../src/crypto/blob-id.js';
import { encodeKeyFile } from '../../src/crypto/key-file.js';
import { createFullKeyring, importKeyring, type Keyring, keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import type { Primitives } from '../../src/crypto/primitives.js';
import { encodeRecoveryKey } from '../../src/crypto/recovery-key.js';
import { openCert, sealCert } from '../../src/format/cert.js';
import { makeConfig, verifyConfig } from '../../src/format/config-json.js';
import { openIndex, sealIndex } from '../../src/format/index-object.js';
import { createSealer, DIRECTORY_FRAME, ObjectKind, objectName, openSeal } from '../../src/format/object.js';
import { openRecord, openTombstone, sealRecord, sealTombstone } from '../../src/format/record.js';
import { openSlot, type SlotSecret, sealSlot } from '../../src/format/slot.js';
import { openSnapshot, sealSnapshot } from '../../src/format/snapshot.js';
import { ascii, fixedRandom, hex, toHex } from '../crypto/support.js';

/**
 * The bytes of the format, written down: keys, inputs and what comes of them. A change that breaks these breaks every
 * store there is. `UPDATE_VECTORS=1 npx vitest run test/format/vectors` writes the file anew.
 */
const FILE = new URL('../vectors/objects.json', import.meta.url);

interface ObjectVector {
  /** What the random source gave: the salt; for what is sealed to the store, the ephemeral secret behind it. */
  random: string;
  name: string;
  bytes: string;
}

interface Vectors {
  master: string;
  storeId: string;
  signingSeed: string;
  backupSeed: string;
  signer: string;
  backupSigner: string;
  keys: Record<string, string>;
  gearTableSha256: string;
  blobIds: Record<string, string>;
  keyFile: string;
  recoveryKey: string;
  config: string;
  pack: ObjectVector & { frame0: string; directory: string };
  objects: Record<string, ObjectVector>;
}

const time = 1_750_000_000_123_456_789n;
const A = 'a1'.repeat(32);
const B = 'b2'.repeat(32);
const secretBytes = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
const secrets: Record<string, SlotSecret> = {
  'key file slot': { method: 'key-file', bytes: secretBytes },
  'recovery slot': { method: 'recovery', bytes: secretBytes },
  'passphrase slot': { method: 'passphrase', text: 'Größe 12' },
};
const cost = { memory: 256, passes: 2, lanes: 1 };
const plainCodec = { compress: (plain: Uint8Array) => plain, decompress: () => expect.unreachable() };

const index = {
  packs: [
    {
      name: A,
      size: 25_000_000,
      kind: 'data' as const,
      run: '0c'.repeat(16),
      writer: B,
      opened: false,
      directory: ascii('opaque'),
    },
  ],
  supersedes: [B],
};
const snapshotHeader = {
  source: 'laptop',
  sequence: 2,
  parent: A,
  replaces: [],
  catalogId: '0d'.repeat(16),
  started: time - 9_000_000_000n,
  time,
  mode: 'full' as const,
  kind: 'taken' as const,
  pending: false,
  listing: { id: new Uint8Array(24).fill(0x0e), depth: 1 },
};
const snapshotBody = {
  host: 'laptop',
  user: 'ann',
  roots: [{ path: 'home\0ann', adHoc: false }],
  tags: ['pin'],
  counts: { files: 1, dirs: 2, bytes: 3 },
  program: 'backup-ninja 0.1.0',
};
const record = { time, type: 'forget' as const, snapshots: [A] };
const tombstone = { time, packs: [A, B] };

function keyrings(primitives: Primitives): { full: Keyring; backup: Keyring } {
  const full = createFullKeyring(primitives, { random: fixedRandom('vectors') });
  return { full, backup: keyringForRole(full, 'backup', fixedRandom('vectors backup')) };
}

async function make(primitives: Primitives): Promise<Vectors> {
  const { full, backup } = keyrings(primitives);
  const data = full.toData();
  const cert = { signer: backup.signer(), role: 'backup' as const, sources: ['laptop'], created: time, label: 'desk' };
  const objects: Record<string, ObjectVector> = {};
  const add = async (
    label: string,
    randomLength: number,
    seal: (
      random: (length: number) => Uint8Array,
    ) => { name: string; bytes: Uint8Array } | Promise<{ name: string; bytes: Uint8Array }>,
  ) => {
    const made = await seal(fixedRandom(label));
    objects[label] = { random: toHex(fixedRandom(label)(randomLength)), name: made.name, bytes: toHex(made.bytes) };
  };
  await add('certificate', 32, (random) => sealCert(full, cert, { random }));
  await add('index', 32, (random) => sealIndex(backup, index, plainCodec, { random }));
  await add('record', 32, (random) => sealRecord(full, record, { random }));
  await add('tombstone', 32, (random) => sealTombstone(full, tombstone, { random }));
  await add('snapshot', 64, (random) => sealSnapshot(backup, snapshotHeader, snapshotBody, { random }));
  for (const [label, secret] of Object.entries(secrets)) {
    const keyring = secret.method === 'passphrase' ? backup : secret.method === 'recovery' ? full : restoreOf(full);
    await add(label, 32, (random) => sealSlot(keyring, secret, { created: time, cost, random, label: 'desk' }));
  }

  const { header, cipher } = createSealer(full, ObjectKind.pack, undefined, fixedRandom('pack'));
  const frame0 = cipher.seal(0, ascii('frame 0'));
  const directory = cipher.seal(DIRECTORY_FRAME, ascii('directory'));
  const bytes = Uint8Array.from([...header, ...frame0, ...directory]);
  return {
    master: toHex(full.master()),
    storeId: full.storeIdHex,
    signingSeed: toHex(data.signingSeed!),
    backupSeed: toHex(backup.toData().signingSeed!),
    signer: full.signer(),
    backupSigner: backup.signer(),
    keys: {
      ...Object.fromEntries(Object.entries(full.shared).map(([key, value]) => [key, toHex(value)])),
      sealSecret: toHex(full.sealSecret()),
      rootSeed: toHex(data.rootSeed!),
    },
    gearTableSha256: toHex(primitives.sha256(full.gearBytes())),
    blobIds: Object.fromEntries(
      (['data', 'listing', 'chunk-list'] as const).map((kind) => [kind, toHex(blobId(full, kind, ascii('blob')))]),
    ),
    keyFile: encodeKeyFile(secretBytes),
    recoveryKey: encodeRecoveryKey(primitives, secretBytes),
    config: makeConfig(full, { mode: 'shared', created: '2026-01-02T03:04:05Z' }),
    pack: {
      random: toHex(fixedRandom('pack')(64)),
      name: objectName(primitives, bytes),
      bytes: toHex(bytes),
      frame0: toHex(ascii('frame 0')),
      directory: toHex(ascii('directory')),
    },
    objects,
  };
}

const restoreOf = (full: Keyring): Keyring => keyringForRole(full, 'restore');

if (process.env.UPDATE_VECTORS) writeFileSync(FILE, `${JSON.stringify(await make(native), null, 2)}\n`);
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors;

for (const [name, primitives] of [
  ['native', native],
  ['noble', noble],
] as const) {
  describe(`vectors with ${name} primitives`, () => {
    it('are written byte for byte', async () => expect(await make(primitives)).toEqual(vectors));

    it('are read', async () => {
      const { full, backup } = keyrings(primitives);
      const bytes = (label: string) => hex(vectors.objects[label].bytes);
      expect(openCert(full, bytes('certificate')).signer).toBe(vectors.backupSigner);
      expect(openIndex(full, bytes('index'), plainCodec)).toEqual({ index, signer: vectors.backupSigner });
      expect(openRecord(full, bytes('record'))).toEqual({ record, signer: vectors.signer });
      expect(openTombstone(full, bytes('tombstone'))).toEqual({ tombstone, signer: vectors.signer });
      expect(openSnapshot(full, bytes('snapshot'))).toEqual({
        header: snapshotHeader,
        body: snapshotBody,
        signer: vectors.backupSigner,
      });
      expect(verifyConfig(full, vectors.config).mode).toBe('shared');
      const roles = [];
      for (const [label, secret] of Object.entries(secrets)) {
        const keyring = await openSlot(primitives, bytes(label), secret);
        expect(importKeyring(primitives, keyring.toData()).shared).toEqual(backup.shared);
        roles.push(keyring.role);
      }
      expect(roles).toEqual(['restore', 'full', 'backup']);
      const pack = hex(vectors.pack.bytes);
      const cipher = openSeal(full, pack.subarray(0, 72), ObjectKind.pack);
      expect(toHex(cipher.open(0, pack.subarray(72, 95)))).toBe(vectors.pack.frame0);
      expect(toHex(cipher.open(DIRECTORY_FRAME, pack.subarray(95)))).toBe(vectors.pack.directory);
    });
  });
}
