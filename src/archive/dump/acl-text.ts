/** Kinds of entries in the kernel's form of a POSIX ACL (linux/posix_acl_xattr.h), by their tags. */
const KINDS = new Map([
  [0x01, 'user'],
  [0x02, 'user'],
  [0x04, 'group'],
  [0x08, 'group'],
  [0x10, 'mask'],
  [0x20, 'other'],
]);

/** Tags of entries for one user or group, which they name. */
const NAMED = [0x02, 0x08];

/**
 * A POSIX ACL as text (the long form of POSIX 1003.1e draft 17, with numbers in place of names), which is how tar files
 * hold it: `user::rwx\ngroup::r-x\n…`. undefined for what is no ACL.
 * @param value of the attribute `system.posix_acl_access` or `…_default`: version 2, then tag, permissions and id of each entry
 */
export function aclText(value: Uint8Array): string | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (view.byteLength < 4 || view.getUint32(0, true) !== 2 || (view.byteLength - 4) % 8 !== 0) return undefined;
  const lines: string[] = [];
  for (let at = 4; at < view.byteLength; at += 8) {
    const tag = view.getUint16(at, true);
    const perm = view.getUint16(at + 2, true);
    const kind = KINDS.get(tag);
    if (kind === undefined) return undefined;
    const id = NAMED.includes(tag) ? String(view.getUint32(at + 4, true)) : '';
    const rights = [4, 2, 1].map((bit, i) => ((perm & bit) !== 0 ? 'rwx'[i] : '-')).join('');
    lines.push(`${kind}:${id}:${rights}\n`);
  }
  return lines.join('');
}
