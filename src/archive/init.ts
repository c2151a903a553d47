import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { openCatalog } from '../catalog/index.js';
import { decodeKeyFile, encodeKeyFile } from '../crypto/key-file.js';
import { createFullKeyring, type Keyring, keyringForRole } from '../crypto/keyring.js';
import { native } from '../crypto/native.js';
import { encodeRecoveryKey } from '../crypto/recovery-key.js';
import { ExitCode, UserError } from '../errors.js';
import { sealCert } from '../format/cert.js';
import { makeConfig } from '../format/config-json.js';
import { type SlotSecret, sealSlot } from '../format/slot.js';
import { FOLDERS, type ObjectStore, objectPath, openStore, StoreError } from '../store/index.js';
import type { Context } from './context.js';
import { hasCatalog, openOwnStore } from './open-store.js';
import { pageChecksum, readerPage, storeReadme } from './reader-page.js';
import type { InitOptions, InitResult, SecretKind } from './types.js';
import { unlockStore } from './unlock.js';

/**
 * Makes what is missing of key and store, and never overwrites either. On a store that is there, the key must open it:
 * otherwise exit 12, and nothing is made. Nor is anything where the store has lost its config.json, or is away.
 * Doing it again changes nothing.
 */
export async function init(context: Context, options: InitOptions): Promise<InitResult> {
  const { config } = context;
  const existing = await openExisting(context);
  if (existing !== undefined) {
    try {
      const { keyring } = await unlockStore(joining(context, options), existing);
      const joins = options.unlockWith === 'recovery' && keyring.isFull && !existsSync(context.config.keyPath);
      if (joins) await addKeyFile(context, existing, keyring);
      return describe(context, options, existing, keyring, { key: joins, store: false });
    } finally {
      await existing.close();
    }
  }
  if (options.unlockWith === 'recovery')
    throw new UserError(
      ExitCode.noStore,
      `no store to join at ${config.store.url}; give the place of the store that the recovery key belongs to`,
    );
  const secret = await firstSecret(context, options);
  const store = await openStore(config.store.url, { create: true, tableDir: config.tableDir, command: 'init' });
  try {
    const keyring = createFullKeyring(native);
    const recovery = options.recovery ? randomBytes(32) : undefined;
    const page = readerPage();
    await makeStore(context, store, keyring, { secret: secret.slot, recovery, page, shared: options.shared });
    const outcome = await openCatalog({
      dir: config.tableDir,
      storeId: keyring.storeIdHex,
      access: 'write',
      create: true,
      waitLock: context.waitLock,
    });
    if (outcome.kind === 'ok') outcome.catalog.close();
    const result = describe(context, options, store, keyring, { key: secret.made, store: true });
    return {
      ...result,
      ...(recovery && { recovery_key: encodeRecoveryKey(native, recovery) }),
      ...(page && { restore_html_sha256: pageChecksum(page) }),
    };
  } finally {
    await store.close();
  }
}

/** With `--recovery` no passphrase is asked for: the recovery key, or the key file that an earlier joining has made. */
function joining(context: Context, { unlockWith }: InitOptions): Context {
  if (unlockWith !== 'recovery') return context;
  const accepted: readonly SecretKind[] = ['recovery', 'key-file'];
  return {
    ...context,
    unlock: (kinds) => context.unlock(new Set(accepted.filter((kind) => kinds?.has(kind) !== false))),
  };
}

/** The store if there is one. A place that never had one is no error here; what is left of one is, and one that is away. */
async function openExisting(context: Context): Promise<ObjectStore | undefined> {
  try {
    return await openOwnStore(context, { command: 'init' });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === 'absent' || (error.code === 'no-config' && (await isHalfMade(context)))) return undefined;
    throw error;
  }
}

/** Whether there is only what an init leaves that is killed before it puts config.json. */
async function isHalfMade(context: Context): Promise<boolean> {
  if (hasCatalog(context.config.tableDir)) return false;
  const store = await openOwnStore(context, { withoutConfig: true });
  try {
    for (const folder of FOLDERS)
      if (folder !== 'keys' && folder !== 'certs' && (await store.list(folder)).length > 0) return false;
    return true;
  } finally {
    await store.close();
  }
}

/** The secret of the first slot. A key file that is there is used, never overwritten. */
async function firstSecret(context: Context, options: InitOptions): Promise<{ slot: SlotSecret; made: boolean }> {
  if (options.unlockWith === 'passphrase')
    return { slot: { method: 'passphrase', text: await context.newPassphrase(false) }, made: false };
  const { keyPath } = context.config;
  if (existsSync(keyPath))
    return { slot: { method: 'key-file', bytes: decodeKeyFile(readFileSync(keyPath), keyPath) }, made: false };
  const bytes = randomBytes(32);
  writeKeyFile(keyPath, bytes);
  return { slot: { method: 'key-file', bytes }, made: true };
}

/** Gives a machine that joins with a recovery key a key file of its own: the recovery key goes back to where it is kept. */
async function addKeyFile(context: Context, store: ObjectStore, keyring: Keyring): Promise<void> {
  const { keyPath, source } = context.config;
  const created = BigInt(Date.now()) * 1_000_000n;
  const ring = keyringForRole(keyring, 'full');
  const secret = { method: 'key-file', bytes: randomBytes(32) } as const;
  const cert = sealCert(keyring, { signer: ring.signer(), role: 'full', sources: '*', created });
  const slot = await sealSlot(ring, secret, { created, label: source });
  await store.put(objectPath('certs', cert.name), cert.bytes);
  await store.put(objectPath('keys', slot.name), slot.bytes);
  // Last: a key file that is there is never replaced, so it must open the store.
  writeKeyFile(keyPath, secret.bytes);
  await unlockStore(contextWith(context, secret), store);
}

/** Writes a key file that only its owner can read, durably, and never over another. */
export function writeKeyFile(path: string, bytes: Uint8Array): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeSync(fd, encodeKeyFile(bytes));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new UserError(
      ExitCode.failed,
      `cannot write the key file, ${path} (${(error as NodeJS.ErrnoException).code}); choose another key_path`,
      { cause: error },
    );
  }
}

/** Puts slots, certificate and documents, and config.json last: a store without it is none, so a killed init is repeated. */
async function makeStore(
  context: Context,
  store: ObjectStore,
  keyring: Keyring,
  parts: { secret: SlotSecret; recovery?: Uint8Array; page?: Uint8Array; shared: boolean },
): Promise<void> {
  const { secret, recovery, page, shared } = parts;
  const created = BigInt(Date.now()) * 1_000_000n;
  const put = (folder: 'keys' | 'certs', object: { name: string; bytes: Uint8Array }): Promise<void> =>
    store.put(objectPath(folder, object.name), object.bytes);
  await put('keys', await sealSlot(keyring, secret, { created, label: context.config.source }));
  await put('certs', sealCert(keyring, { signer: keyring.signer(), role: 'full', sources: '*', created }));
  if (recovery !== undefined) {
    // Whoever uses the recovery key signs with a key of its own, so what it wrote can be told apart.
    const recovered = keyringForRole(keyring, 'full');
    const slot = { method: 'recovery', bytes: recovery } as const;
    await put('keys', await sealSlot(recovered, slot, { created, label: 'recovery key' }));
    await put('certs', sealCert(keyring, { signer: recovered.signer(), role: 'full', sources: '*', created }));
  }
  await store.put('README.txt', storeReadme(), { replace: true });
  if (page !== undefined) await store.put('restore.html', page, { replace: true });
  const mode = shared || store.kind !== 'local' ? 'shared' : 'exclusive';
  const text = makeConfig(keyring, { mode, created: new Date().toISOString().replace(/\.\d+Z$/, 'Z') });
  await store.put('config.json', Buffer.from(text));
  await unlockStore(contextWith(context, secret), store);
}

/** The same context, opening with the secret that was just made (for the copies beside the catalog). */
function contextWith(context: Context, secret: SlotSecret): Context {
  return {
    ...context,
    async *unlock() {
      if (secret.method === 'passphrase') yield { kind: 'passphrase' as const, text: secret.text };
      else
        yield {
          kind: 'key-file' as const,
          path: context.config.keyPath,
          content: Buffer.from(encodeKeyFile(secret.bytes)),
        };
    },
  };
}

function describe(
  context: Context,
  options: InitOptions,
  store: ObjectStore,
  keyring: Keyring,
  created: { key: boolean; store: boolean },
): InitResult {
  return {
    config: context.configFile,
    key: options.unlockWith === 'key-file' || created.key ? context.config.keyPath : null,
    store: store.url,
    store_id: keyring.storeIdHex,
    created: { config: false, ...created },
  };
}
