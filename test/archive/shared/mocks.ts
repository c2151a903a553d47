import { vi } from 'vitest';

/** To be imported before anything else: stores stop where `interruptions` says, for others to work meanwhile, or die. */
vi.mock('../../../src/store/index.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../../src/store/index.js')>();
  const { interrupted } = await import('./interruptions.js');
  return {
    ...original,
    openStore: async (...given: Parameters<typeof original.openStore>) =>
      interrupted(await original.openStore(...given)),
  };
});
