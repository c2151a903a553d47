import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SealError } from '../../src/crypto/errors.js';
import { decodeKeyFile } from '../../src/crypto/key-file.js';
import { createFullKeyring, keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { noble } from '../../src/crypto/noble.js';
import { concat } from '../../src/crypto/octets.js';
import { ExitCode, FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';
import { openSlot, openSlots, parseSlot, type SlotSecret, sealSlot } from '../../src/format/slot.js';
import { bitsOf, fixedKeyring, fixedRandom, flipped } from '../crypto/support.js';

const full = fixedKeyring();
const restore = keyringForRole(full, 'restore');
const backup = keyringForRole(full, 'backup');
const cost = { memory: 64, passes: 1, lanes: 1 };
const keyFile: SlotSecret = { method: 'key-file', bytes: new Uint8Array(32).fill(4) };
const recovery: SlotSecret = { method: 'recovery', bytes: new Uint8Array(32).fill(4) };
const passphrase: SlotSecret = { method: 'passphrase', text: 'Größe 12' };
const created = 1_700_000_000_000_000_000n;

const seal = (keyring: typeof full, secret: SlotSecret, label?: string) =>
  sealSlot(keyring, secret, { created, cost, ...(label && { label }) });

/** The slot with its clear fields changed, the sealed part as it was. */
function edit(bytes: Uint8Array, change: Record<string, unknown>): Uint8Array {
  const map = decode(bytes.subarray(40)) as Record<string, unknown>;
  return concat(bytes.subarray(0, 40), encode({ ...map, ...change }));
}

describe('slot', () => {
  for (const [name, keyring] of Object.entries({ full, restore, backup })) {
    for (const secret of [keyFile, recovery, passphrase]) {
      it(`gives the ${name} keyring back for a ${secret.method}`, async () => {
        const { bytes } = await seal(keyring, secret, 'desk');
        const opened = await openSlot(native, bytes, secret);
        expect(opened.toData()).toEqual(keyring.toData());
        expect((await openSlot(noble, bytes, secret)).toData()).toEqual(keyring.toData());
        expect(parseSlot(bytes)).toEqual({
          storeId: full.storeId,
          role: keyring.role,
          method: secret.method,
          created,
          label: 'desk',
          ...(secret.method === 'passphrase' && { cost }),
          ...(keyring.canWrite && { signer: keyring.signer() }),
        });
      });
    }
  }

  it('opens with the key file of an archive made by the Python tool', async () => {
    const file = readFileSync(new URL('../fixtures/legacy/key', import.meta.url));
    const secret: SlotSecret = { method: 'key-file', bytes: decodeKeyFile(file) };
    const { bytes } = await seal(full, secret);
    expect((await openSlot(native, bytes, secret)).isFull).toBe(true);
  });

  it('takes a passphrase however its letters are composed', async () => {
    const { bytes } = await seal(full, { method: 'passphrase', text: 'Gr\u00f6\u00dfe' });
    expect((await openSlot(native, bytes, { method: 'passphrase', text: 'Gro\u0308\u00dfe' })).isFull).toBe(true);
    await expect(openSlot(native, bytes, { method: 'passphrase', text: 'Grosse' })).rejects.toThrow(SealError);
  });

  it('opens for its own kind of secret only, though the bytes are the same', async () => {
    const { bytes } = await seal(full, keyFile);
    await expect(openSlot(native, bytes, recovery)).rejects.toThrow(SealError);
    await expect(openSlot(native, edit(bytes, { method: 'recovery' }), recovery)).rejects.toThrow(SealError);
  });

  it('refuses every turned bit', async () => {
    const { bytes } = await seal(backup, keyFile, 'desk');
    for (const bit of bitsOf(bytes)) {
      await expect(openSlot(native, flipped(bytes, bit), keyFile), `bit ${bit}`).rejects.toThrow(FormatError);
    }
  });

  it('refuses a role, cost, label, signer, date or store that was edited', async () => {
    const slot = await seal(backup, passphrase, 'desk');
    const changes: Record<string, unknown>[] = [
      { role: 'full' },
      { role: 'restore' },
      { cost: { ...cost, passes: 2 } },
      { label: 'chair' },
      { label: undefined },
      { signer: new Uint8Array(32) },
      { signer: undefined },
      { created: 1 },
      { store: new Uint8Array(16) },
      { more: 1 },
    ];
    for (const change of changes) {
      const edited = edit(slot.bytes, change);
      expect(parseSlot(edited), JSON.stringify(Object.keys(change))).toBeDefined();
      await expect(openSlot(native, edited, passphrase), Object.keys(change)[0]).rejects.toThrow(SealError);
    }
    expect((await openSlot(native, edit(slot.bytes, {}), passphrase)).role).toBe('backup');
  });

  it('takes neither all memory nor hours for a hostile slot', async () => {
    const { bytes } = await seal(full, passphrase);
    const hostile = [
      { memory: 100_000_000, passes: 1, lanes: 1 },
      { memory: 65_536, passes: 1_000_000, lanes: 1 },
      { memory: 65_536, passes: 1, lanes: 255 },
      { memory: 4, passes: 1, lanes: 1 },
      { memory: 64, passes: 0, lanes: 1 },
      { memory: 64, passes: 1, lanes: 0 },
    ];
    for (const cost of hostile) {
      expect(() => parseSlot(edit(bytes, { cost })), JSON.stringify(cost)).toThrow(FormatError);
    }
    expect(() => parseSlot(edit(bytes, { cost: undefined }))).toThrow(FormatError);
    await expect(sealSlot(full, passphrase, { created, cost: hostile[0] })).rejects.toThrow();
  });

  it('uses 64 MiB and three passes unless told otherwise', async () => {
    const { bytes } = await sealSlot(full, passphrase, { created });
    expect(parseSlot(bytes).cost).toEqual({ memory: 65_536, passes: 3, lanes: 1 });
    expect((await openSlot(native, bytes, passphrase)).isFull).toBe(true);
  });
});

describe('slots of a store', () => {
  it('are tried until one opens; damaged ones, those of other stores and stray files are passed over', async () => {
    const other = createFullKeyring(native, { random: fixedRandom('other store') });
    const mine = await seal(backup, keyFile);
    const slots = [
      { name: '1', bytes: new Uint8Array(5) },
      { name: '2', bytes: flipped(mine.bytes, 900) },
      await seal(other, keyFile),
      await seal(full, passphrase),
      await seal(full, { method: 'key-file', bytes: new Uint8Array(32).fill(5) }),
      mine,
    ];
    const { keyring, slot } = await openSlots(native, full.storeId, slots, keyFile);
    expect(slot.name).toBe(mine.name);
    expect(keyring.role).toBe('backup');
  });

  it('of one secret give the most powerful role', async () => {
    const slots = [await seal(backup, keyFile), await seal(restore, keyFile), await seal(full, keyFile)];
    expect((await openSlots(native, full.storeId, slots, keyFile)).keyring.role).toBe('full');
  });

  it('that do not open are exit 12, with nothing of the secret in the message', async () => {
    const slots = [await seal(full, passphrase), await seal(full, keyFile)];
    const wrong: SlotSecret[] = [
      { method: 'passphrase', text: 'secret-words' },
      { method: 'key-file', bytes: new Uint8Array(32) },
      { method: 'recovery', bytes: new Uint8Array(32).fill(4) },
    ];
    for (const secret of wrong) {
      const failure = await openSlots(native, full.storeId, slots, secret).catch((error) => error);
      expect(failure.exit).toBe(ExitCode.wrongKey);
      expect(failure.message).not.toContain('secret-words');
    }
  });

  it('stay few enough to be tried: a store full of passphrase slots does not stop a machine for hours', async () => {
    const one = await seal(full, { method: 'passphrase', text: 'other' });
    let runs = 0;
    const counting = {
      ...native,
      argon2id: async () => {
        runs++;
        return new Uint8Array(32);
      },
    };
    const slots = Array.from({ length: 1000 }, () => one);
    await expect(openSlots(counting, full.storeId, slots, passphrase)).rejects.toThrow(/wrong passphrase/);
    expect(runs).toBe(32);
  });
});

describe('a changed passphrase', () => {
  it('is another slot with the same keys, which a backup key makes for itself', async () => {
    const old = await seal(backup, passphrase);
    const opened = await openSlot(native, old.bytes, passphrase);
    const fresh: SlotSecret = { method: 'passphrase', text: 'new' };
    const slot = await seal(opened, fresh);
    expect((await openSlot(native, slot.bytes, fresh)).toData()).toEqual(backup.toData());
    expect(parseSlot(slot.bytes).signer).toBe(parseSlot(old.bytes).signer);
  });
});
