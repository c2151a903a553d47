import { defineConfig } from 'vitest/config';

// Node reads all of these whenever it starts, and tests start it often; none of them needs a certificate.
delete process.env.NODE_EXTRA_CA_CERTS;

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 240_000, hookTimeout: 240_000, pool: 'forks', maxWorkers: 2 },
});
