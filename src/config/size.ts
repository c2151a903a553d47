import { ExitCode, UserError } from '../errors.js';

const powers = ['', 'k', 'm', 'g', 't', 'p', 'e'];

/**
 * Parses a number of bytes: `512`, `10M`, `1.5GiB`, `1GB`. K, M, G … and KiB, MiB … are powers of 1024; kB, MB … powers
 * of 1000.
 * @param where names the key or option in the message.
 * @throws UserError (usage)
 */
export function parseSize(text: string, where: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtpe]?)(i?b)?$/.exec(text.trim().toLowerCase());
  const unit = match?.[3];
  const power = match ? powers.indexOf(match[2]) : 0;
  const bytes = match ? Math.round(Number(match[1]) * (unit === 'b' ? 1000 : 1024) ** power) : Number.NaN;
  if (!Number.isSafeInteger(bytes) || (unit === 'ib' && power === 0))
    throw new UserError(
      ExitCode.usage,
      `${where}: cannot read the size \`${text}\`; expected a number of bytes with an optional unit, such as 4096, 10M or 1GiB`,
    );
  return bytes;
}

/** A limit in bytes: a size that is not 0. @throws UserError (usage) */
export function parseLimit(raw: string | number, where: string): number {
  const size = typeof raw === 'string' ? parseSize(raw, where) : raw;
  if (size === 0)
    throw new UserError(ExitCode.usage, `${where}: expected more than 0 bytes; leave it out for no limit`);
  return size;
}

/** Parses a share such as `5%` or `12.5%` into 0..1. @throws UserError (usage) */
export function parseShare(text: string, where: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  const share = match ? Number(match[1]) / 100 : Number.NaN;
  if (!(share >= 0 && share <= 1))
    throw new UserError(ExitCode.usage, `${where}: cannot read the share \`${text}\`; expected 0% to 100%`);
  return share;
}
