import type Picomatch from 'picomatch';
import { type ByteString, fromDisplay, toDisplay } from '../../bytes.js';
import { lazily } from '../../lazily.js';
import { ALL_KEYS, atOrBelow, justAbove, type KeyRange, keyText, nameOf, pathOf } from '../keys.js';

const picomatch = lazily<typeof Picomatch>('picomatch');

/** A glob, ready to be looked for. */
export interface Pattern {
  /** Keys outside of this range do not match. */
  range: KeyRange;
  /** Part of the last component of everything that matches, if the pattern has one. */
  literal: Literal | undefined;
  /** Whether a last component may match: exact for patterns without `/`. */
  matchesName(name: ByteString): boolean;
  /** Whether a path matches. */
  matches(key: ByteString): boolean;
}

/** Characters that every matching name has next to each other. */
export interface Literal {
  text: ByteString;
  /** The name begins, or ends, with them. */
  atStart: boolean;
  atEnd: boolean;
}

// A dot at the beginning is nothing special to someone who looks for files; an exclamation mark neither.
const OPTIONS = { dot: true, nonegate: true, windows: false };

/** Characters that mean something in a glob, and those that make an operator of the character before them. */
const SPECIAL = /[*?[\]{}()!+@|\\]/;

/**
 * Reads a glob: without `/` it is matched against names at any depth, with one against whole absolute paths. `*`, `?`,
 * `[…]`, `{a,b}` and `**` mean what they do in shells (picomatch).
 */
export function parsePattern(glob: string): Pattern {
  const isPath = glob.includes('/');
  const lastComponent = glob.slice(glob.lastIndexOf('/') + 1);
  const literal = isUnsure(glob, lastComponent) ? undefined : literalOf(lastComponent);
  const matcher = matcherOf(glob);
  if (!isPath) {
    const matchesName = cached(matcher);
    return { range: ALL_KEYS, literal, matchesName, matches: (key) => matchesName(nameOf(key)) };
  }
  return {
    range: rangeOf(glob),
    literal,
    matchesName: () => true,
    matches: (key) => matcher(pathOf(key)),
  };
}

/** What a literal is in SQLite's GLOB, for whole key texts. */
export function keyGlob(literal: Literal): string {
  return `*${escapeGlob(keyText(literal.text))}${literal.atEnd ? '' : '*'}`;
}

/** What a literal is in the names of a segment: with the slashes that surround each name. */
export function namesLiteral(literal: Literal): string {
  return `${literal.atStart ? '/' : ''}${literal.text}${literal.atEnd ? '/' : ''}`;
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[]/g, '[$&]');
}

function matcherOf(glob: string): (text: ByteString) => boolean {
  const exact = fromDisplay(glob);
  if (!SPECIAL.test(glob)) return (text) => text === exact;
  const expression = picomatch().makeRe(glob, OPTIONS);
  // A name may have such characters in it, and as a glob be none at all, such as `a?(1`.
  return (text) => text === exact || expression.test(toDisplay(text));
}

/** Names repeat a lot, and one regular expression costs as much as ten look-ups. */
function cached(matcher: (text: ByteString) => boolean): (text: ByteString) => boolean {
  let last: ByteString | undefined;
  let answer = false;
  return (text) => {
    if (text !== last) {
      last = text;
      answer = matcher(text);
    }
    return answer;
  };
}

/** Whether what follows the last slash is not simply the pattern of the last component. */
function isUnsure(glob: string, lastComponent: string): boolean {
  if (lastComponent.includes('**')) return true;
  const isOpen = (opening: string, closing: string): boolean =>
    lastComponent.split(opening).length !== lastComponent.split(closing).length;
  return glob !== lastComponent && (isOpen('{', '}') || isOpen('(', ')') || isOpen('[', ']'));
}

/** The longest stretch of a component that stands for itself. */
function literalOf(component: string): Literal | undefined {
  // Within braces and parentheses nothing is sure, and an operator may stand before a parenthesis.
  const plain = !/[{}()|\\]/.test(component);
  const pieces = plain ? component.split(/\*|\?|\[[^\]]*\]|[![\]+@]/) : [component.split(SPECIAL, 1)[0]];
  let best = 0;
  pieces.forEach((piece, i) => {
    if (piece.length > pieces[best].length) best = i;
  });
  const text = pieces[best];
  if (text.length === 0) return undefined;
  return {
    text: fromDisplay(text),
    atStart: best === 0,
    atEnd: plain && best === pieces.length - 1,
  };
}

/** The range below the leading components that have nothing special in them. */
function rangeOf(glob: string): KeyRange {
  const components = glob.split('/');
  const sure: string[] = [];
  for (const component of components) {
    if (SPECIAL.test(component)) break;
    sure.push(component);
  }
  const isLiteral = sure.length === components.length;
  // An absolute path begins with an empty component, which keys do not have; `C:/x` does not.
  const key = fromDisplay((sure[0] === '' ? sure.slice(1) : sure).join('\0'));
  if (isLiteral) return { from: key, to: justAbove(key) };
  return atOrBelow(key);
}
