const billion = 1_000_000_000n;

/** Nanoseconds since the epoch as RFC 3339 in UTC with nine digits: `2026-05-01T10:00:00.123456789Z`. */
export function rfc3339(ns: bigint): string {
  const { sec, nsec } = split(ns);
  return `${isoSeconds(sec)}.${String(nsec).padStart(9, '0')}Z`;
}

/** The nanoseconds that an RFC 3339 text (as `rfc3339` makes it, or with an offset) stands for; null when it is none. */
export function parseRfc3339(text: string): bigint | null {
  const match = /^([+-]\d{6}|\d{4})(-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return null;
  const [, year, date, time, fraction = '', offset] = match;
  const ms = Date.parse(`${year}${date}T${time}${offset.toUpperCase()}`);
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** A time for people: local, to the second, `2026-05-01 12:00:00`. */
export function localTime(ns: bigint): string {
  const { sec } = split(ns);
  const date = new Date(Number(sec) * 1000);
  if (Number.isNaN(date.getTime())) return isoSeconds(sec).replace('T', ' ');
  return `${localDate(date)} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function localDate(date: Date): string {
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function split(ns: bigint): { sec: bigint; nsec: bigint } {
  const nsec = ((ns % billion) + billion) % billion;
  return { sec: (ns - nsec) / billion, nsec };
}

/** Whole seconds as `YYYY-MM-DDTHH:MM:SS`; years beyond four digits get a sign and at least six digits (ISO 8601). */
function isoSeconds(sec: bigint): string {
  const date = new Date(Number(sec) * 1000);
  if (!Number.isNaN(date.getTime())) return date.toISOString().slice(0, -5);
  // Beyond what Date holds: move into its range by whole cycles of the calendar (400 years) and give the years back.
  const cycle = 12_622_780_800n;
  const cycles = sec / cycle;
  const near = new Date(Number(sec - cycles * cycle) * 1000);
  const year = BigInt(near.getUTCFullYear()) + cycles * 400n;
  const digits = String(year < 0n ? -year : year).padStart(6, '0');
  return `${year < 0n ? '-' : '+'}${digits}-${near.toISOString().slice(-19, -5)}`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}
