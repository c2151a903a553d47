/** Reads backup-ninja stores in plain JavaScript, in a browser as well as in Node. */
export { PortableError, type PortableErrorCode } from './errors.js';
export { displayPath, type EntryType, type PortableContent, type PortableEntry } from './listing.js';
export type { StoreFiles } from './reader.js';
export type { Secret } from './secrets.js';
export type { PortableSnapshot, SnapshotState } from './snapshots.js';
export { openPortableStore, type Piece, PortableStore, type Problem, type Range } from './store.js';
