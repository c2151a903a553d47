import { vi } from 'vitest';

/**
 * To be imported before anything else by model tests: stores are in memory and die when `faults` says so, and a store's
 * key is derived once, and its signatures are checked once, although a sequence opens it some fifty times.
 */
vi.mock('../../src/store/index.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/store/index.js')>();
  const { faulty } = await import('../archive/forgetting/faults.js');
  const { openMemoryStore } = await import('../support/memory-store.js');
  return {
    ...original,
    openStore: async (...given: Parameters<typeof original.openStore>) => faulty(await openMemoryStore(...given)),
  };
});

vi.mock('../../src/format/slot.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/format/slot.js')>();
  const opened = new Map<string, Awaited<ReturnType<typeof original.openSlots>>>();
  return {
    ...original,
    openSlots: async (...given: Parameters<typeof original.openSlots>) => {
      const names = given[2].map(({ name }) => name).join();
      const known = opened.get(names) ?? (await original.openSlots(...given));
      opened.set(names, known);
      return known;
    },
  };
});

vi.mock('../../src/crypto/native.js', async (importOriginal) => {
  const { native } = await importOriginal<typeof import('../../src/crypto/native.js')>();
  const verified = new Map<string, boolean>();
  return {
    native: {
      ...native,
      ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) {
        const given = Buffer.concat([publicKey, signature, message]).toString('latin1');
        const known = verified.get(given) ?? native.ed25519Verify(publicKey, message, signature);
        verified.set(given, known);
        return known;
      },
    },
  };
});
