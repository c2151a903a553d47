import { ed25519 } from '@noble/curves/ed25519.js';
import { argon2idAsync } from '@noble/hashes/argon2.js';
import { hex, join, same, unhex, utf8 } from './bytes.js';
import { decodeMap, encodeCbor, Fields } from './cbor.js';
import { checkHeader, HEADER, isConfigSigned, type Keys, Kind, keysOfMaster, open, wrappingKey } from './crypto.js';
import { damaged, PortableError } from './errors.js';
import { readKeyFile, readRecoveryKey, type Secret } from './secrets.js';

/** FORMAT.md, sections Slots and config.json. */
const ROLES = ['full', 'restore', 'backup'];
const MOST_PASSPHRASE_SLOTS = 32;

interface Slot {
  header: Uint8Array;
  fields: Fields;
  role: string;
}

/**
 * The keys that a secret opens, of the slots of one store. A passphrase takes seconds: Argon2id in plain JavaScript.
 * @throws PortableError wrong-key when it opens none, or only one that may not read
 */
export async function openKeys(storeId: Uint8Array, objects: readonly Uint8Array[], secret: Secret): Promise<Keys> {
  const bytes =
    secret.kind === 'key-file'
      ? readKeyFile(secret.content)
      : secret.kind === 'recovery'
        ? readRecoveryKey(secret.text)
        : undefined;
  const slots = objects.flatMap((object) => parseSlot(object, storeId, secret.kind));
  slots.sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
  const tried = bytes === undefined ? slots.slice(0, MOST_PASSPHRASE_SLOTS) : slots;
  let mayNotRead = false;
  for (const slot of tried) {
    const payload = await openSlot(slot, secret, bytes);
    if (payload === undefined) continue;
    if (payload.text('role') !== slot.role) continue;
    if (slot.role !== 'backup') return readPayload(slot, payload, storeId);
    mayNotRead = true;
  }
  const name = { 'key-file': 'key file', recovery: 'recovery key', passphrase: 'passphrase' }[secret.kind];
  throw new PortableError(
    'wrong-key',
    mayNotRead
      ? `this ${name} may only add backups; reading needs one with the role full or restore`
      : `wrong ${name}: it opens none of the ${slots.length} slots for one in this store`,
  );
}

function parseSlot(object: Uint8Array, storeId: Uint8Array, method: string): Slot[] {
  try {
    checkHeader(object, Kind.slot);
    const fields = decodeMap(object.subarray(HEADER), 'a slot');
    const role = fields.text('role');
    const fits = same(fields.bytes('store'), storeId) && fields.text('method') === method && ROLES.includes(role);
    return fits ? [{ header: object.subarray(0, HEADER), fields, role }] : [];
  } catch (error) {
    if (error instanceof PortableError) return [];
    throw error;
  }
}

/** What a slot holds, or undefined when the secret is another's. */
async function openSlot(slot: Slot, secret: Secret, bytes: Uint8Array | undefined): Promise<Fields | undefined> {
  const { header, fields } = slot;
  const salt = header.subarray(8);
  try {
    const raw = bytes ?? (await stretch((secret as { text: string }).text, salt, fields.map('cost')));
    const { sealed: _, ...clear } = fields.values;
    const key = wrappingKey(raw, salt, fields.bytes('store', 16), secret.kind);
    return decodeMap(open(key, 0, join(header, encodeCbor(clear)), fields.bytes('sealed')), 'what a slot holds');
  } catch (error) {
    if (error instanceof PortableError) return undefined;
    throw error;
  }
}

function stretch(passphrase: string, salt: Uint8Array, cost: Fields): Promise<Uint8Array> {
  const m = cost.count('memory', 1_048_576);
  const t = cost.count('passes', 16);
  const p = cost.count('lanes', 16);
  if (t < 1 || p < 1 || m < 8 * p) throw damaged('a slot with a cost that cannot be');
  return argon2idAsync(utf8(passphrase.normalize('NFC')), salt, { m, t, p, dkLen: 32, maxmem: m * 1024 + 2 ** 20 });
}

function readPayload(slot: Slot, payload: Fields, storeId: Uint8Array): Keys {
  if (slot.role === 'full') {
    const signer = hex(ed25519.getPublicKey(payload.bytes('signingSeed', 32)));
    if (slot.fields.hex('signer', 32) !== signer) throw damaged('a slot says something else in clear than it holds');
    return keysOfMaster(payload.bytes('master', 32), storeId);
  }
  const shared = payload.map('shared');
  return {
    storeId,
    ids: {
      data: shared.bytes('dataId', 32),
      listing: shared.bytes('listingId', 32),
      'chunk-list': shared.bytes('chunkListId', 32),
    },
    index: shared.bytes('index', 32),
    pepper: shared.bytes('pepper', 32),
    sealSecret: payload.bytes('sealSecret', 32),
    sealPublic: shared.bytes('sealPublic', 32),
    rootPublic: shared.bytes('rootPublic', 32),
  };
}

/** What config.json says, unverified. */
export interface StoreInfo {
  storeId: Uint8Array;
  created: string;
  fields: Fields;
}

/** Reads config.json. @throws PortableError no-store when it is not that of a store that this reader knows */
export function parseConfig(text: string): StoreInfo {
  let fields: Fields;
  try {
    fields = new Fields(JSON.parse(text), 'config.json');
  } catch {
    throw new PortableError('no-store', 'config.json is not that of a backup-ninja store');
  }
  if (!fields.has('format') || fields.text('format') !== 'backup-ninja store')
    throw new PortableError('no-store', 'config.json is not that of a backup-ninja store');
  if (fields.count('version') !== 1)
    throw new PortableError('no-store', `the store is of version ${fields.count('version')}: a newer reader is needed`);
  const storeId = unhex(fields.text('storeId'), 16);
  if (storeId === undefined) throw damaged('config.json has no store id');
  return { storeId, created: fields.text('created'), fields };
}

/** Checks that the root key that the slot named has signed config.json. */
export function verifyConfig(keys: Keys, { fields }: StoreInfo): void {
  const { signature, ...signed } = fields.values;
  const bytes = typeof signature === 'string' ? unhex(signature, 64) : undefined;
  const isOurs =
    fields.text('rootPublic') === hex(keys.rootPublic) && fields.text('sealPublic') === hex(keys.sealPublic);
  if (!isOurs || bytes === undefined || !isConfigSigned(keys, encodeCbor(signed), bytes))
    throw damaged('config.json was changed after it was signed; restore it from a copy');
}
