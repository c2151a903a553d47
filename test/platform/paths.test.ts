import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromDisplay, isUtf8 } from '../../src/bytes.js';
import { FormatError } from '../../src/errors.js';
import {
  baseName,
  joinPath,
  longPath,
  parentPath,
  restorePath,
  storedComponents,
  toNative,
  toStored,
  windowsSafeName,
} from '../../src/platform/index.js';

const bytes = (max: number) =>
  fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: max }).map((a) => String.fromCharCode(...a));

describe('restorePath', () => {
  it.each([
    ['/home/x', ['home', 'x']],
    ['/', []],
    ['//home//x/./y/', ['home', 'x', 'y']],
    ['/home/a\\b', ['home', 'a\\b']],
    ['/C:/x', ['C:', 'x']],
    ['/\xff/\xc3\xa9', ['\xff', '\xc3\xa9']],
    ['C:/Users/x', ['C_', 'Users', 'x']],
    ['C:\\Users\\x', ['C_', 'Users', 'x']],
    ['c:/x\\y', ['c_', 'x', 'y']],
    ['C:', ['C_']],
    ['C:/', ['C_']],
    ['\\\\server\\share\\x', ['server', 'share', 'x']],
    ['//server/share/x', ['server', 'share', 'x']],
    ['\\\\?\\C:\\Users\\x', ['C_', 'Users', 'x']],
    ['\\\\?\\UNC\\server\\share\\x', ['server', 'share', 'x']],
  ])('%j on POSIX', (stored, parts) => {
    expect(restorePath(stored, 'posix')).toEqual(parts);
  });

  it.each([
    ['/home/a\\b', ['home', 'a%5Cb']],
    ['/C:/x', ['C%3A', 'x']],
    ['/x/con/NUL.txt', ['x', '%63on', '%4EUL.txt']],
    ['C:/Users/x', ['C_', 'Users', 'x']],
    ['/etc/a:b', ['etc', 'a%3Ab']],
  ])('%j on Windows', (stored, parts) => {
    expect(restorePath(stored, 'windows')).toEqual(parts);
  });

  it.each(['/../etc', '/a/..', 'C:/../x', 'C:\\..\\x', '\\\\s\\..\\x', 'relative', '', 'C:x', 'ab:/x', './x', '/a\0b'])(
    'refuses %j',
    (stored) => {
      for (const platform of ['posix', 'windows'] as const) {
        expect(() => restorePath(stored, platform)).toThrow(FormatError);
      }
    },
  );

  it('never leads out of the target', () => {
    fc.assert(
      fc.property(bytes(30), fc.constantFrom('/', 'C:/', 'C:\\', '\\\\', '//?/', '\\\\?\\UNC\\'), (rest, head) => {
        for (const platform of ['posix', 'windows'] as const) {
          let parts: string[];
          try {
            parts = restorePath(head + rest, platform);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
            continue;
          }
          for (const part of parts) {
            expect(['', '.', '..']).not.toContain(part);
            expect(part).not.toMatch(platform === 'posix' ? /[/\0]/ : /[<>:"/\\|?*\0]/);
          }
        }
      }),
    );
  });
});

describe('windowsSafeName', () => {
  it.each([
    ['plain.txt', 'plain.txt'],
    ['100%', '100%'],
    ['100%zz', '100%zz'],
    ['%41', '%2541'],
    ['a:b?c*', 'a%3Ab%3Fc%2A'],
    ['tab\t', 'tab%09'],
    ['dot.', 'dot%2E'],
    ['dots..', 'dots.%2E'],
    ['space ', 'space%20'],
    ['.hidden', '.hidden'],
    ['CON', '%43ON'],
    ['nul.tar.gz', '%6Eul.tar.gz'],
    ['Com1 .x', '%43om1 .x'],
    ['LPT\xc2\xb3', '%4CPT\xc2\xb3'],
    ['COM10', 'COM10'],
    ['CONSOLE', 'CONSOLE'],
    ['conin$', '%63onin$'],
    ['\xc3\xa9\xff', '\xc3\xa9%FF'],
    ['\xe2\x82\xc3\xa9', '%E2%82\xc3\xa9'],
    ['%41\xff', '%2541%FF'],
  ])('%j → %j', (name, safe) => {
    expect(windowsSafeName(name)).toBe(safe);
  });

  it('is undone by decoding, so different names stay different', () => {
    const decode = (safe: string) =>
      safe.replace(/%([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    const special = fc
      .array(fc.constantFrom('%', '4', '1', ':', '.', ' ', 'CON', '\xc3', '\xa9', '\xff', 'a', '\\', '/'), {
        minLength: 1,
      })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(bytes(12), special), (name) => {
        const safe = windowsSafeName(name);
        expect(decode(safe)).toBe(name);
        expect(isUtf8(safe)).toBe(true);
        expect(safe).not.toMatch(/[. ]$|[<>:"/\\|?*]/);
        expect([...safe].every((char) => char >= ' ')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('stored and native', () => {
  it.each([
    ['C:\\Users\\x', 'C:/Users/x', 'C:\\Users\\x'],
    ['c:/Users//x/', 'C:/Users/x', 'C:\\Users\\x'],
    ['\\\\srv\\share\\x', '//srv/share/x', '\\\\srv\\share\\x'],
    ['\\\\?\\C:\\x', 'C:/x', 'C:\\x'],
    ['\\\\?\\UNC\\srv\\share', '//srv/share', '\\\\srv\\share'],
    ['D:\\', 'D:/', 'D:\\'],
    ['D:\\.\\x', 'D:/x', 'D:\\x'],
  ])('%j on Windows', (path, stored, native) => {
    expect(toStored(path, 'windows')).toBe(stored);
    expect(toNative(stored, 'windows')).toBe(native);
    expect(toStored(native, 'windows')).toBe(stored);
  });

  it.each([
    ['/home//x/', '/home/x'],
    ['/', '/'],
    ['//', '/'],
    ['/./a\\b\xff', '/a\\b\xff'],
  ])('%j on POSIX', (path, stored) => {
    expect(toStored(path, 'posix')).toBe(stored);
    expect(toNative(stored, 'posix')).toBe(stored);
  });

  it('refuses what is not absolute', () => {
    for (const path of ['x', '', '\\x', 'C:x', '/x', 'C:/a/../b']) {
      expect(() => toStored(path, 'windows')).toThrow(RangeError);
    }
    for (const path of ['x', '', 'C:/x', '/a/..', '/a\0']) expect(() => toStored(path, 'posix')).toThrow(RangeError);
  });

  it('marks long and odd Windows paths', () => {
    const long = 'n'.repeat(250);
    expect(longPath(`C:\\${long}`)).toBe(`\\\\?\\C:\\${long}`);
    expect(longPath(`\\\\srv\\share\\${long}`)).toBe(`\\\\?\\UNC\\srv\\share\\${long}`);
    expect(longPath(`C:/${long}`)).toBe(`\\\\?\\C:\\${long}`);
    expect(longPath('C:\\x\\dot.')).toBe('\\\\?\\C:\\x\\dot.');
    expect(longPath('C:\\NUL')).toBe('\\\\?\\C:\\NUL');
    expect(longPath('C:\\x')).toBe('C:\\x');
    expect(longPath(`\\\\?\\C:\\${long}`)).toBe(`\\\\?\\C:\\${long}`);
    // 240 letters, but 480 bytes
    expect(longPath(`C:\\${fromDisplay('é'.repeat(240))}`)).toMatch(/^C:/);
  });

  it('takes paths apart', () => {
    expect(storedComponents('C:/a/b')).toEqual(['C:', 'a', 'b']);
    expect([baseName('/a/b'), baseName('/'), baseName('C:/x')]).toEqual(['b', '', 'x']);
    expect([parentPath('/a/b'), parentPath('/a'), parentPath('C:/x'), parentPath('C:/x/y')]).toEqual([
      '/a',
      '/',
      'C:/',
      'C:/x',
    ]);
    expect([joinPath('/', 'a'), joinPath('/a', 'b'), joinPath('C:/', 'x')]).toEqual(['/a', '/a/b', 'C:/x']);
  });
});
