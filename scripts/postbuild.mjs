// What the compiler leaves to do: the entry of the command line must be executable (npm's links point at it), and begin
// with its interpreter. schema.sql is read where it lies, at the top of the package, so nothing is copied.
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const entry = at('dist/src/cli/main.js');
if (!readFileSync(entry, 'utf8').startsWith('#!/usr/bin/env node\n')) throw new Error(`${entry} lost its first line`);
chmodSync(entry, 0o755);
if (!existsSync(at('schema.sql'))) throw new Error('schema.sql is missing at the top of the package');
