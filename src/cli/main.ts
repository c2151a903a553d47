import { startScanEarly } from '../archive/backup/early-scan.js';
import { surroundings } from '../config/paths.js';
import { threadsToStart } from './early.js';

void run();

async function run(): Promise<void> {
  // Threads take as long to start as the program takes to load.
  const early = threadsToStart(process.argv.slice(2), surroundings());
  if (early?.name === 'scan') startScanEarly();
  else if (early !== undefined) {
    const { startThreadsEarly } = await import('../archive/early-pool.js');
    startThreadsEarly(early.name, early.options);
  }
  await import('./start.js');
}
