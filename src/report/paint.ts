const codes = { red: 31, yellow: 33, bold: 1 } as const;

/** Colours a text, or leaves it. */
export type Paint = (colour: keyof typeof codes, text: string) => string;

export const plainPaint: Paint = (_, text) => text;

/** Colours for a terminal; none for anything else, with NO_COLOR set (to anything but nothing), or on a dumb terminal. */
export function paintFor(stream: { isTTY?: boolean }, env: Readonly<Record<string, string | undefined>>): Paint {
  if (!stream.isTTY || env.NO_COLOR || env.TERM === 'dumb') return plainPaint;
  return (colour, text) => `\u001b[${codes[colour]}m${text}\u001b[0m`;
}
