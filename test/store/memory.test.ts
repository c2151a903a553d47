import { randomBytes } from 'node:crypto';
import { filesOf, openMemoryStore } from '../support/memory-store.js';
import { storeConformance } from './conformance.js';

storeConformance('the store in memory that tests use', async () => {
  const url = `memory-${randomBytes(8).toString('hex')}`;
  return {
    open: (create) => openMemoryStore(url, { create }),
    writeForeign: async (path, bytes) => void filesOf(url).set(path, bytes),
  };
});
