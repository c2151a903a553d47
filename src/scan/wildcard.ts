import type { ByteString } from '../bytes.js';

/**
 * Wildcards within one path component, by the rules of gitignore(5): `*` any bytes, `?` one byte, `[…]` one of a set,
 * `\` takes the next byte as it is. On bytes, as git does it, so that names need not be text.
 *
 * Not by regular expressions: a hostile `.backupninjaignore` could make those run for ages. This matcher needs at most
 * length of pattern × length of name steps.
 */

const ANY = -1;
const STAR = -2;
/** Sets are -3, -4, …: places in `sets`, counted from there. */
const FIRST_SET = -3;

/** What a component of a pattern matches. */
export class Wildcard {
  /** The one name that it matches, when there is no wildcard in it. */
  readonly literal: ByteString | undefined;
  readonly #tokens: Int32Array;
  readonly #sets: Uint8Array[];
  /** What comes after a star at the beginning, when that is the only wildcard: `*.tmp` is the commonest pattern. */
  readonly #suffix: ByteString | undefined;

  constructor(tokens: number[], sets: Uint8Array[]) {
    this.#tokens = Int32Array.from(tokens);
    this.#sets = sets;
    const isLiteral = (from: number) => tokens.every((token, i) => i < from || token >= 0);
    if (isLiteral(0)) this.literal = String.fromCharCode(...tokens);
    else if (tokens[0] === STAR && isLiteral(1)) this.#suffix = String.fromCharCode(...tokens.slice(1));
  }

  /** Whether it matches a whole name. */
  matches(name: ByteString): boolean {
    if (this.literal !== undefined) return name === this.literal;
    if (this.#suffix !== undefined) return name.endsWith(this.#suffix);
    const tokens = this.#tokens;
    let at = 0;
    let token = 0;
    // Where to go on after the last star has taken one byte more. Earlier stars never need to be tried again.
    let starToken = -1;
    let starAt = 0;
    while (at < name.length) {
      const wanted = token < tokens.length ? tokens[token] : undefined;
      if (wanted === STAR) {
        starToken = ++token;
        starAt = at;
      } else if (wanted !== undefined && this.#takes(wanted, name.charCodeAt(at))) {
        token++;
        at++;
      } else if (starToken >= 0) {
        token = starToken;
        at = ++starAt;
      } else return false;
    }
    while (token < tokens.length && tokens[token] === STAR) token++;
    return token === tokens.length;
  }

  #takes(token: number, byte: number): boolean {
    return token === byte || token === ANY || (token <= FIRST_SET && this.#sets[FIRST_SET - token][byte] === 1);
  }
}

/** Takes a pattern apart into its components; undefined for a pattern that can match nothing (an unclosed `[`, a closing `\`). */
export function parseComponents(pattern: ByteString): { text: ByteString; wildcard: Wildcard }[] | undefined {
  const components: { text: ByteString; wildcard: Wildcard }[] = [];
  let tokens: number[] = [];
  let sets: Uint8Array[] = [];
  let start = 0;
  const close = (end: number): void => {
    components.push({ text: pattern.slice(start, end), wildcard: new Wildcard(tokens, sets) });
    tokens = [];
    sets = [];
  };
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    const escaped = char === '\\';
    if (escaped && ++i === pattern.length) return undefined;
    if (pattern[i] === '/') {
      close(escaped ? i - 1 : i);
      start = i + 1;
    } else if (escaped) tokens.push(pattern.charCodeAt(i));
    else if (char === '?') tokens.push(ANY);
    else if (char === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (char === '[') {
      const set = new Uint8Array(256);
      const end = parseSet(pattern, i, set);
      if (end < 0) return undefined;
      tokens.push(FIRST_SET - sets.length);
      sets.push(set);
      i = end;
    } else tokens.push(pattern.charCodeAt(i));
  }
  close(pattern.length);
  return components;
}

/** POSIX classes as git has them: ASCII only. */
const CLASSES: Record<string, (byte: number) => boolean> = {
  alnum: (b) => CLASSES.alpha(b) || CLASSES.digit(b),
  alpha: (b) => CLASSES.lower(b) || CLASSES.upper(b),
  blank: (b) => b === 0x20 || b === 0x09,
  cntrl: (b) => b < 0x20 || b === 0x7f,
  digit: (b) => b >= 0x30 && b <= 0x39,
  graph: (b) => b > 0x20 && b < 0x7f,
  lower: (b) => b >= 0x61 && b <= 0x7a,
  print: (b) => b >= 0x20 && b < 0x7f,
  punct: (b) => CLASSES.graph(b) && !CLASSES.alnum(b),
  space: (b) => b === 0x20 || b === 0x09 || b === 0x0a || b === 0x0d,
  upper: (b) => b >= 0x41 && b <= 0x5a,
  xdigit: (b) => CLASSES.digit(b) || (b >= 0x61 && b <= 0x66) || (b >= 0x41 && b <= 0x46),
};

/**
 * Reads the set whose `[` is at `open` into a table of the bytes that it takes. Returns where its `]` is, -1 when it is
 * not closed or names an unknown class. A `]` that comes first is a member.
 */
function parseSet(pattern: ByteString, open: number, set: Uint8Array): number {
  let i = open + 1;
  const negated = pattern[i] === '!' || pattern[i] === '^';
  if (negated) i++;
  /** The member that a `-` would start a range from; -1: none. */
  let previous = -1;
  for (let first = true; ; first = false, i++) {
    if (i >= pattern.length) return -1;
    const char = pattern[i];
    if (char === ']' && !first) break;
    if (char === '[' && pattern[i + 1] === ':') {
      const end = pattern.indexOf(']', i + 2);
      if (end < 0) return -1;
      if (pattern[end - 1] === ':' && end > i + 2) {
        const name = pattern.slice(i + 2, end - 1);
        if (!Object.hasOwn(CLASSES, name)) return -1;
        for (let byte = 0; byte < 256; byte++) if (CLASSES[name](byte)) set[byte] = 1;
        previous = -1;
        i = end;
        continue;
      }
    }
    if (char === '-' && previous >= 0 && i + 1 < pattern.length && pattern[i + 1] !== ']') {
      if (pattern[++i] === '\\' && ++i >= pattern.length) return -1;
      set.fill(1, previous, Math.max(pattern.charCodeAt(i) + 1, previous));
      previous = -1;
      continue;
    }
    if (char === '\\' && ++i >= pattern.length) return -1;
    previous = pattern.charCodeAt(i);
    set[previous] = 1;
  }
  if (negated) for (let byte = 0; byte < 256; byte++) set[byte] ^= 1;
  return i;
}
