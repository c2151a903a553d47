import { localTime, parseRfc3339 } from '../report/time.js';

/** A time of a document for people: local, to the second. */
export function shownTime(time: string | null): string {
  const ns = time === null ? null : parseRfc3339(time);
  return ns === null ? (time ?? '-') : localTime(ns);
}

/** An id for people: enough of it to be unique, and to be given back to a command. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** Rows as aligned columns, two spaces apart, the last as it is. Columns named in `right` are right-aligned. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => {
        if (right.includes(i)) return cell.padStart(widths[i]);
        return i === row.length - 1 ? cell : cell.padEnd(widths[i]);
      })
      .join('  ')
      .trimEnd(),
  );
}
