import type { ByteString } from '../../bytes.js';
import type { Dir } from './directories.js';

/** A file with several names: what has become of the first of them. */
export interface LinkGroup {
  dir: Dir;
  name: ByteString;
  /** pending: being written; there: links can be made to it; failed: another name must take its place; damaged: none can. */
  state: 'pending' | 'there' | 'failed' | 'damaged';
  /** Why it is damaged. */
  reason: string;
}

/** The hard-link groups met so far. */
export class LinkGroups {
  private readonly groups = new Map<ByteString, LinkGroup>();

  get(id: Uint8Array): LinkGroup | undefined {
    return this.groups.get(keyOf(id));
  }

  /** Makes this name the first of its group. */
  begin(id: Uint8Array, dir: Dir, name: ByteString): LinkGroup {
    const group: LinkGroup = { dir, name, state: 'pending', reason: '' };
    this.groups.set(keyOf(id), group);
    return group;
  }
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).latin1Slice();
}
