import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { toDisplay } from '../bytes.js';
import { decodeKeyFile } from '../crypto/key-file.js';
import { type Keyring, keyringForRole } from '../crypto/keyring.js';
import { native } from '../crypto/native.js';
import { encodeRecoveryKey } from '../crypto/recovery-key.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { type Cert, openCert, sealCert } from '../format/cert.js';
import { sealRecord } from '../format/record.js';
import { parseSlot, type SlotInfo, type SlotSecret, sealSlot } from '../format/slot.js';
import { rfc3339 } from '../report/time.js';
import { type ObjectStore, objectPath } from '../store/index.js';
import { type Context, notConfirmed } from './context.js';
import { writeKeyFile } from './init.js';
import { openOwnStore } from './open-store.js';
import type {
  KeyAddOptions,
  KeyAddResult,
  KeyChangePassphraseOptions,
  KeyChangePassphraseResult,
  KeyListOptions,
  KeyListResult,
  KeyRecoveryOptions,
  KeyRecoveryResult,
  KeyRemoveOptions,
  KeyRemoveResult,
  KeySlot,
} from './types.js';
import { unlockStore } from './unlock.js';

/** The slots that open the store: kinds, roles, and what each may write. */
export async function keyList(context: Context, _options: KeyListOptions): Promise<KeyListResult> {
  return withStore(context, async (keys) => {
    const certs = await keys.certs();
    return (await keys.slots()).map((slot) => keys.describe(slot, certs));
  });
}

/** Adds a slot. Slots are objects of their own, so two that are added at once do not lose each other. */
export async function keyAdd(context: Context, options: KeyAddOptions): Promise<KeyAddResult> {
  return withStore(context, async (keys) => {
    keys.keyring.requireFull("'key add'");
    const { secret, key } = await newSecret(context, options);
    const ring = keyringForRole(keys.keyring, options.role);
    const sources = options.sources.length > 0 ? options.sources : [context.config.source];
    // The certificate first: a key without one could write what nobody counts.
    if (ring.canWrite) await keys.certify(ring, options.role === 'backup' ? sources : '*');
    const slot = await keys.putSlot(ring, secret);
    const description = keys.describe(slot, await keys.certs());
    return key === undefined ? description : { ...description, key };
  });
}

/** Takes a slot away. Whoever copied what it held still has it: that is said, and a backup key's is revoked. */
export async function keyRemove(context: Context, options: KeyRemoveOptions): Promise<KeyRemoveResult> {
  return withStore(context, async (keys) => {
    keys.keyring.requireFull("'key remove'");
    const slots = await keys.slots();
    const slot = oneSlot(slots, options.id);
    const fullLeft = slots.filter((other) => other.name !== slot.name && other.info.role === 'full');
    if (fullLeft.length === 0)
      throw new UserError(
        ExitCode.usage,
        `slot ${slot.name.slice(0, 12)} is the last with the full role, ${context.config.store.url}; add another first`,
      );
    if (!(await context.confirm(`Remove the ${slot.info.role} key ${slot.name.slice(0, 12)} (${slot.info.method})?`)))
      throw notConfirmed();
    const { signer } = slot.info;
    const isShared = slots.some((other) => other.name !== slot.name && other.info.signer === signer);
    if (slot.info.role === 'backup' && signer !== undefined && !isShared) await keys.revoke(signer);
    await keys.store.delete(objectPath('keys', slot.name));
    rmSync(join(context.config.tableDir, 'store', `${slot.name}.key`), { force: true });
    if (slot.info.role !== 'backup')
      context.report.warn(
        'a key that was copied before still opens what was stored until now: only a new store, with new keys, shuts it out',
      );
    return { removed: slot.name };
  });
}

/** Replaces the passphrase that opened the store: a new slot with the same keys first, then the old one goes. */
export async function keyChangePassphrase(
  context: Context,
  _options: KeyChangePassphraseOptions,
): Promise<KeyChangePassphraseResult> {
  return withStore(context, async (keys) => {
    const current = (await keys.slots()).find((slot) => slot.name === keys.current);
    if (current?.info.method !== 'passphrase')
      throw new UserError(
        ExitCode.usage,
        `the store was not opened by a passphrase, ${context.config.store.url}; give the old one (BACKUP_NINJA_PASSPHRASE), or use 'key add --passphrase'`,
      );
    const text = await context.newPassphrase(true);
    const added = await keys.putSlot(keys.keyring, { method: 'passphrase', text });
    await keys.store.delete(objectPath('keys', current.name));
    rmSync(join(context.config.tableDir, 'store', `${current.name}.key`), { force: true });
    return { added: added.name, removed: current.name };
  });
}

/** Makes a further recovery key, with the full role. */
export async function keyRecovery(context: Context, _options: KeyRecoveryOptions): Promise<KeyRecoveryResult> {
  return withStore(context, async (keys) => {
    keys.keyring.requireFull("'key recovery'");
    const bytes = randomBytes(32);
    const ring = keyringForRole(keys.keyring, 'full');
    await keys.certify(ring, '*');
    const slot = await keys.putSlot(ring, { method: 'recovery', bytes });
    return { id: slot.name, recovery_key: encodeRecoveryKey(native, bytes) };
  });
}

interface NamedSlot {
  name: string;
  info: SlotInfo;
}

/** The keys of an opened store. */
class Keys {
  readonly store: ObjectStore;
  readonly keyring: Keyring;
  /** Name of the slot that opened the store. */
  readonly current: string;
  private readonly label: string;

  constructor(store: ObjectStore, keyring: Keyring, current: string, label: string) {
    this.store = store;
    this.keyring = keyring;
    this.current = current;
    this.label = label;
  }

  /** All slots of the store, oldest first; what is no slot is passed over. */
  async slots(): Promise<NamedSlot[]> {
    const slots: NamedSlot[] = [];
    for (const { name } of await this.store.list('keys')) {
      try {
        slots.push({ name, info: parseSlot(await this.store.read(objectPath('keys', name))) });
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
    return slots.sort((a, b) => Number(a.info.created - b.info.created));
  }

  async certs(): Promise<Map<string, Cert>> {
    const certs = new Map<string, Cert>();
    for (const { name } of await this.store.list('certs')) {
      try {
        const cert = openCert(this.keyring, await this.store.read(objectPath('certs', name)));
        certs.set(cert.signer, cert);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
    return certs;
  }

  async certify(ring: Keyring, sources: string[] | '*'): Promise<void> {
    const role = ring.isFull ? 'full' : 'backup';
    const cert = sealCert(this.keyring, { signer: ring.signer(), role, sources, created: now() });
    await this.store.put(objectPath('certs', cert.name), cert.bytes);
  }

  /** Nothing that this key signs from now on counts; what it has put until now does. */
  async revoke(signer: string): Promise<void> {
    const accept: string[] = [];
    for (const folder of ['snapshots', 'index', 'records'] as const)
      for (const { name } of await this.store.list(folder)) accept.push(name);
    const record = sealRecord(this.keyring, { type: 'revoke', time: now(), signer, accept });
    await this.store.put(objectPath('records', record.name), record.bytes);
  }

  async putSlot(ring: Keyring, secret: SlotSecret): Promise<NamedSlot> {
    const slot = await sealSlot(ring, secret, { created: now(), label: this.label });
    await this.store.put(objectPath('keys', slot.name), slot.bytes);
    return { name: slot.name, info: parseSlot(slot.bytes) };
  }

  describe(slot: NamedSlot, certs: Map<string, Cert>): KeySlot {
    const { info } = slot;
    const cert = info.signer === undefined ? undefined : certs.get(info.signer);
    return {
      id: slot.name,
      kind: info.method,
      role: info.role,
      ...(cert !== undefined && cert.sources !== '*' && { sources: cert.sources }),
      created: rfc3339(info.created),
      current: slot.name === this.current,
    };
  }
}

async function withStore<T>(context: Context, work: (keys: Keys) => Promise<T>): Promise<T> {
  const { config } = context;
  const store = await openOwnStore(context, { command: 'key' });
  try {
    const { keyring, slot } = await unlockStore(context, store);
    return await work(new Keys(store, keyring, slot, config.source));
  } finally {
    await store.close();
  }
}

async function newSecret(context: Context, options: KeyAddOptions): Promise<{ secret: SlotSecret; key?: string }> {
  if (options.secret.kind === 'passphrase')
    return { secret: { method: 'passphrase', text: await context.newPassphrase(false) } };
  const path = toDisplay(options.secret.path);
  if (existsSync(path))
    return { secret: { method: 'key-file', bytes: decodeKeyFile(readFileSync(path), path) }, key: path };
  const bytes = randomBytes(32);
  writeKeyFile(path, bytes);
  return { secret: { method: 'key-file', bytes }, key: path };
}

function oneSlot(slots: NamedSlot[], id: string): NamedSlot {
  const found = slots.filter((slot) => slot.name.startsWith(id.toLowerCase()));
  if (found.length === 1) return found[0];
  const what = found.length === 0 ? 'no slot begins' : `${found.length} slots begin`;
  throw new UserError(ExitCode.usage, `${what} with ${id}; 'backup-ninja key list' shows them`);
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
