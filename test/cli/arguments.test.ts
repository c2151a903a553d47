import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes } from '../../src/bytes.js';
import {
  archiveGlob,
  archivePath,
  decodeArgument,
  encodeArgument,
  looksLikePath,
  type Place,
  toByteString,
} from '../../src/cli/arguments.js';
import { escapeControls } from '../../src/cli/output.js';
import { SecretLine } from '../../src/cli/prompt.js';
import { translatePythonSpelling } from '../../src/cli/python-spelling.js';

describe('arguments as bytes', () => {
  test('no byte is lost', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(encodeArgument(decodeArgument(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(decodeArgument(Buffer.from(text))).toBe(text);
      }),
    );
  });
  test('text and stray bytes side by side', () => {
    const bytes = Buffer.from([0xff, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0x61, 0xed, 0xb2, 0x80]);
    expect(decodeArgument(bytes)).toBe('\udcff\u{1f600}\udcc3a\udced\udcb2\udc80');
    expect(toByteString(decodeArgument(bytes))).toBe(fromBytes(bytes));
  });
});

describe('paths', () => {
  const linux: Place = { cwd: '/w', home: '/home/x', windows: false };
  const windows: Place = { cwd: 'D:\\w', home: 'C:\\Users\\x', windows: true };
  test.each<[string, string, Place]>([
    ['/', '/', linux],
    ['/a//b/../c/', '/a/c', linux],
    ['~', '/home/x', linux],
    ['~/a', '/home/x/a', linux],
    ['~a', '/w/~a', linux],
    ['/home/*/[ab]?', '/home/*/[ab]?', linux],
    ['a\\b', '/w/a\\b', linux],
    ['c:\\Users\\..\\x', 'C:/x', linux],
    ['C:/Users/x/', 'C:/Users/x', linux],
    ['C:', 'C:/', linux],
    ['C:x', '/w/C:x', linux],
    ['/a/\udcff', '/a/\xff', linux],
    ['x', 'D:/w/x', windows],
    ['\\x', 'D:/x', windows],
    ['~\\x', 'C:/Users/x/x', windows],
    ['c:\\a\\b', 'C:/a/b', windows],
    ['\\\\srv\\share\\a', '//srv/share/a', windows],
  ])('%j is %j', (text, path, place) => expect(archivePath(text, place)).toBe(path));

  test('an empty one is none', () => {
    expect(() => archivePath('', linux)).toThrow(/empty/);
    expect(() => archiveGlob('', linux)).toThrow(/empty/);
  });

  test.each<[string, string, Place]>([
    ['*.odt', '*.odt', linux],
    ['**/a/*', '**/a/*', linux],
    ['/a/*/b', '/a/*/b', linux],
    ['{/a,/b}/c', '{/a,/b}/c', linux],
    ['@(/a|/b)/c', '@(/a|/b)/c', linux],
    ['{a,b}/c', '/w/{a,b}/c', linux],
    ['a/*.x', '/w/a/*.x', linux],
    ['./*', '/w/*', linux],
    ['../[ab]/c', '/[ab]/c', linux],
    ['~/*.x', '/home/x/*.x', linux],
    ['a/*', '/w \\[1\\]/\\*/a/*', { ...linux, cwd: '/w [1]/*' }],
    ['a/*', 'D:/w/a/*', windows],
  ])('the glob %j is %j', (text, path, place) => expect(archiveGlob(text, place)).toBe(path));

  test.each([
    ['/x', true],
    ['~', true],
    ['./x', true],
    ['..', true],
    ['C:', true],
    ['c:\\x', true],
    ['latest', false],
    ['ab12', false],
    ['2026-05-01', false],
    ['3 days ago', false],
    ['docs/x', false],
    ['10:30', false],
  ])('%j looks like a path: %j', (text, is) => expect(looksLikePath(text)).toBe(is));
});

test("the Python tool's spelling leaves all else alone", () => {
  const same = (...args: string[]) => expect(translatePythonSpelling(args)).toEqual(args);
  same('backup', '-r', '/x');
  same('find', '-a');
  same('restore', '--', '-a', '--hard_remove');
  same('--', '-a', 'backup');
  expect(translatePythonSpelling(['-c', '-a', '-r', '-a', 'backup', '/x'])).toEqual(['backup', '-c', '-a', '-r', '/x']);
  expect(translatePythonSpelling(['--action=cleanup_soft', '--hard_remove', '-q'])).toEqual(['cleanup_soft', '-q']);
  for (const bad of [['-a'], ['--action='], ['-a', '-r']])
    expect(() => translatePythonSpelling(bad)).toThrow('names no command');
});

test('what could upset a terminal is escaped', () => {
  expect(escapeControls('a\tb\n\u001b[31m\u0085\u202e\udcffü😀')).toBe('a\\tb\\n\\x1b[31m\\x85\\u{202e}\\xffü😀');
});

test('a line typed without echo', () => {
  const type = (...chunks: string[]) => {
    const line = new SecretLine();
    const states = chunks.map((chunk) => line.take(Buffer.from(chunk)));
    return [states.at(-1), line.text()];
  };
  expect(type('ab', 'c\r')).toEqual(['done', 'abc']);
  expect(type('aü\u007f\u007fb\n')).toEqual(['done', 'b']);
  expect(type('\u007f\u007fx\u0004')).toEqual(['done', 'x']);
  expect(type('ab\u0015c')).toEqual(['more', 'c']);
  expect(type('ab\u0003')).toEqual(['interrupted', 'ab']);
});
