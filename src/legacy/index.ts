/** Archives of the Python backup-ninja, read only. */
export { ContentError, type ContentProblem, type ContentSink } from './content.js';
export { type LegacyArchive, type LegacyPaths, openLegacy } from './open.js';
export { type LegacyRun, runsOf } from './runs.js';
export type { LegacyHistory, LegacyVersion } from './versions.js';
