// `node --import ./test/support/typescript.mjs` runs the TypeScript sources as they are, in child processes and threads of tests.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
