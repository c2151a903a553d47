import { createHash } from 'node:crypto';
import { type Content, ID_LENGTH } from './entry.js';

/**
 * What tells contents apart for users: 48 hex digits of SHA-256 over one byte (depth << 1 | class) and the ids that the
 * entry names. Equal contents in one class have equal ids; an empty file has that of no chunks.
 */
export function contentId(content: Content): string {
  return createHash('sha256')
    .update(Uint8Array.of((content.depth << 1) | content.chunkClass))
    .update(content.ids)
    .digest('hex')
    .slice(0, 2 * ID_LENGTH);
}
