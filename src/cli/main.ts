#!/usr/bin/env node
import { startScanEarly } from '../archive/backup/early-scan.js';
import { surroundings } from '../config/paths.js';
import { isLargeBackup } from './early.js';

// A scan's thread takes as long to start as the program takes to load.
if (isLargeBackup(process.argv.slice(2), surroundings())) startScanEarly();
await import('./start.js');
