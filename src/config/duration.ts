import { ExitCode, UserError } from '../errors.js';

/** A calendar age: taken off local time field by field (`calendar.ts`), so a day is a day also when clocks change. */
export interface Age {
  years: number;
  months: number;
  days: number;
  hours: number;
}

const milliseconds = new Map<string, number>([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 7 * 86_400_000],
  ['mo', 30 * 86_400_000],
  ['y', 365 * 86_400_000],
]);

const ageUnits = new Map<string, Partial<Age>>([
  ['h', { hours: 1 }],
  ['d', { days: 1 }],
  ['w', { days: 7 }],
  ['m', { months: 1 }],
  ['mo', { months: 1 }],
  ['y', { years: 1 }],
]);

/**
 * Parses a span of time such as `26h`, `30d`, `1h30m` into milliseconds. Units: ms, s, m or min (minutes), h, d, w,
 * mo (30 days), y (365 days). `0` needs no unit.
 * @param where names the key or option in the message.
 * @throws UserError (usage)
 */
export function parseDuration(text: string, where: string): number {
  if (text.trim() === '0') return 0;
  const parts = split(text);
  if (!parts?.every(([, unit]) => milliseconds.has(unit)))
    throw new UserError(
      ExitCode.usage,
      `${where}: cannot read the duration \`${text}\`; expected a number with a unit (s, m, h, d, w, mo, y), such as 26h or 30d`,
    );
  return parts.reduce((sum, [count, unit]) => sum + count * (milliseconds.get(unit) ?? 0), 0);
}

/**
 * Parses an age such as `7d`, `8w`, `2y` or `1y6m` (m or mo are months here, as in restic's keep rules).
 * @throws UserError (usage)
 */
export function parseAge(text: string, where: string): Age {
  const parts = split(text);
  if (!parts?.every(([count, unit]) => ageUnits.has(unit) && Number.isInteger(count)))
    throw new UserError(
      ExitCode.usage,
      `${where}: cannot read the age \`${text}\`; expected whole numbers with units (h, d, w, m for months, y), such as 7d, 8w or 1y6m`,
    );
  const age: Age = { years: 0, months: 0, days: 0, hours: 0 };
  for (const [count, unit] of parts) {
    const one = ageUnits.get(unit) ?? {};
    for (const field of Object.keys(one) as (keyof Age)[]) age[field] += count * (one[field] ?? 0);
  }
  return age;
}

/** `1h30m` as [[1,'h'],[30,'m']]; undefined when it is not of that form. */
function split(text: string): [number, string][] | undefined {
  const lower = text.trim().toLowerCase().replace(/\s+/g, '');
  if (!/^(\d+(\.\d+)?[a-z]+)+$/.test(lower)) return undefined;
  return [...lower.matchAll(/(\d+(?:\.\d+)?)([a-z]+)/g)].map((m) => [Number(m[1]), m[2]]);
}
