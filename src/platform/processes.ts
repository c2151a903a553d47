import type * as childProcess from 'node:child_process';
import { lazily } from '../lazily.js';

/** `node:child_process`, which takes 4 ms to load and only fallbacks need. */
export const processes = lazily<typeof childProcess>('node:child_process');
