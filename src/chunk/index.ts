export { type Chunker, createChunker, cutStream, type Stretch } from './chunker.js';
export { type ChunkerParams, checkParams, DEFAULT_CHUNKERS, GEAR_BYTES } from './params.js';
