import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes, fromDisplay } from '../../src/bytes.js';
import type { Bar } from '../../src/report/bar.js';
import { parseMoment } from '../../src/report/dates.js';
import { counted, humanBytes, humanDuration } from '../../src/report/human.js';
import { jsonPath, pathBytes, pathItem } from '../../src/report/json-path.js';
import { paintFor } from '../../src/report/paint.js';
import { jsonReporter, plainReporter, terminalReporter } from '../../src/report/reporters.js';
import { localTime, parseRfc3339, rfc3339 } from '../../src/report/time.js';

const nsOf = (text: string) => BigInt(new Date(text).getTime()) * 1_000_000n;

describe('times', () => {
  test.each([
    [0n, '1970-01-01T00:00:00.000000000Z'],
    [1_777_629_600_123_456_789n, '2026-05-01T10:00:00.123456789Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
    [-62_135_596_800_000_000_000n, '0001-01-01T00:00:00.000000000Z'],
    [253_402_300_800_000_000_000n, '+010000-01-01T00:00:00.000000000Z'],
    // The last second of a signed 64-bit clock lies beyond what Date holds.
    [(2n ** 63n - 1n) * 1_000_000_000n, '+292277026596-12-04T15:30:07.000000000Z'],
    [-(2n ** 63n) * 1_000_000_000n, '-292277022657-01-27T08:29:52.000000000Z'],
  ])('%s', (ns, text) => expect(rfc3339(ns)).toBe(text));

  test('there and back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 21n), max: 8n * 10n ** 21n }), (ns) => {
        expect(parseRfc3339(rfc3339(ns))).toBe(ns);
      }),
    );
    expect(parseRfc3339('2026-05-01T12:00:00+02:00')).toBe(nsOf('2026-05-01T10:00:00Z'));
    expect(parseRfc3339('2026-05-01T12:00:00.5Z')).toBe(nsOf('2026-05-01T12:00:00.5Z'));
    for (const bad of ['', '2026-05-01', '2026-05-01T12:00:00', '2026-13-01T00:00:00Z'])
      expect(parseRfc3339(bad)).toBeNull();
  });

  test('local', () => {
    expect(localTime(nsOf('2026-05-01T09:08:07'))).toBe('2026-05-01 09:08:07');
    expect(localTime((2n ** 63n - 1n) * 1_000_000_000n)).toBe('+292277026596-12-04 15:30:07');
  });
});

describe('moments', () => {
  const now = new Date('2026-05-20T15:00:00');
  const justBefore = (text: string) => nsOf(text) - 1n;
  test.each([
    ['2026-05-01', justBefore('2026-05-02T00:00:00')],
    ['2026-12-31', justBefore('2027-01-01T00:00:00')],
    ['2026-02', justBefore('2026-03-01T00:00:00')],
    ['2024-02-29', justBefore('2024-03-01T00:00:00')],
    ['2026-05-01 10:00', nsOf('2026-05-01T10:00:00')],
    ['2026-05-01T10:00:05', nsOf('2026-05-01T10:00:05') + 999_999_999n],
    ['2026-05-01 10:00:05.25', nsOf('2026-05-01T10:00:05.25')],
    ['2026-05-01T10:00:00.000000001Z', nsOf('2026-05-01T10:00:00Z') + 1n],
    ['2026-05-01T10:00+02:00', nsOf('2026-05-01T08:00:00Z')],
    ['3 days ago', nsOf('2026-05-17T15:00:00')],
    ['2 hours ago', nsOf('2026-05-20T13:00:00')],
    ['yesterday', justBefore('2026-05-20T00:00:00')],
    ['yesterday at 10:00', nsOf('2026-05-19T10:00:00')],
    ['now', nsOf('2026-05-20T15:00:00')],
    ['May 1 2026', justBefore('2026-05-02T00:00:00')],
  ])('%s', async (text, moment) => expect(await parseMoment(text, now)).toBe(moment));
  test.each([
    '',
    'latest',
    'abcdef01',
    '20260501',
    '2026-02-30',
    '2026-13',
    '2026-05-01 25:00',
    'x 3 days ago y',
    '1234',
    'from monday to friday',
  ])('%j is none', async (text) => expect(await parseMoment(text, now)).toBeNull());
});

describe('for people', () => {
  test.each([
    [0, '0 B'],
    [1000, '1000 B'],
    [1024, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [10_235, '10.0 KiB'],
    [1_048_575, '1.00 MiB'],
    [123 * 1024 ** 3, '123 GiB'],
    [-2048, '-2.00 KiB'],
  ])('%d bytes', (bytes, text) => expect(humanBytes(bytes)).toBe(text));
  test.each([
    [0, '0.0 s'],
    [420, '0.4 s'],
    [9_960, '10 s'],
    [59_700, '1 min 00 s'],
    [185_000, '3 min 05 s'],
    [7_620_000, '2 h 07 min'],
    [273_600_000, '3 d 04 h'],
  ])('%d ms', (ms, text) => expect(humanDuration(ms)).toBe(text));
  test('counts', () => {
    expect(counted(1, 'file')).toBe('1 file');
    expect(counted(1_234_567, 'file')).toBe('1,234,567 files');
    expect(counted(0, 'entry', 'entries')).toBe('0 entries');
  });
});

describe('paths in JSON', () => {
  test('base64 only where the text cannot hold the bytes', () => {
    expect(jsonPath(fromDisplay('/ü'))).toEqual({ path: '/ü' });
    expect(pathItem(fromDisplay('/ü'))).toBe('/ü');
    const odd = fromBytes(Buffer.from([0x2f, 0xff]));
    expect(jsonPath(odd)).toEqual({ path: '/\ufffd', path_base64: 'L/8=' });
  });
  test('no byte is lost', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(pathBytes(pathItem(fromBytes(bytes)))).toBe(fromBytes(bytes));
      }),
    );
  });
});

describe('reporters', () => {
  const catcher = () => {
    const lines: string[] = [];
    return { lines, write: (text: string) => lines.push(text) };
  };

  test('a pipe gets no progress; quiet keeps warnings only; verbose adds details', () => {
    const said = [-1, 0, 1].map((verbosity) => {
      const sink = catcher();
      const report = plainReporter(sink, verbosity);
      report.start('saving');
      report.progress({ files: 1, bytes: 2 });
      report.note('n');
      report.detail('d');
      report.warn('w');
      report.done();
      return sink.lines.join('');
    });
    expect(said).toEqual(['warning: w\n', 'n\nwarning: w\n', 'n\nd\nwarning: w\n']);
  });

  test('JSON lines: each parses, progress is rate limited, the last figures are told', () => {
    let time = 0;
    const sink = catcher();
    const report = jsonReporter(sink, 0, () => time);
    report.start('saving', { files: 9 });
    for (let i = 1; i <= 200; i++) {
      time += 10;
      report.progress({ files: i, bytes: i * 10 });
    }
    report.warn('odd\nname');
    report.done();
    report.done();
    const lines = sink.lines.map((line) => {
      expect(line.indexOf('\n')).toBe(line.length - 1);
      return JSON.parse(line);
    });
    const progress = lines.filter((line) => line.type === 'progress');
    expect(progress).toHaveLength(6);
    expect(progress[0]).toEqual({ type: 'progress', phase: 'saving', files: 0, bytes: 0, total_files: 9, seconds: 0 });
    expect(progress.at(-1)).toMatchObject({ files: 200, bytes: 2000, total_files: 9, seconds: 2 });
    expect(lines.at(-2)).toEqual({ type: 'warning', message: 'odd\nname' });
  });

  test('a terminal: phase, files, bytes, rate and time left; messages clear the bar', () => {
    let time = 0;
    const sink = catcher();
    const drawn: [number, string][] = [];
    const bar: Bar = { draw: (share, text) => drawn.push([share, text]), clear: () => drawn.push([-1, 'clear']) };
    const report = terminalReporter(sink, 0, bar, undefined, () => time);
    report.start('saving', { files: 400, bytes: 40 * 1024 ** 2 });
    for (time = 0; time <= 5000; time += 50) report.progress({ files: time / 50, bytes: (time / 50) * 102_400 });
    expect(drawn.length).toBeLessThanOrEqual(51);
    const [share, text] = drawn.at(-1) ?? [0, ''];
    expect(share).toBeCloseTo(0.244, 2);
    expect(text).toBe('saving  100/400 files  9.77 MiB/40.0 MiB  1.95 MiB/s  15 s left');
    report.warn('careful');
    expect(drawn.at(-1)).toEqual([-1, 'clear']);
    expect(sink.lines).toEqual(['warning: careful\n']);
  });

  test('colours only for terminals that want them', () => {
    expect(paintFor({ isTTY: true }, {})('red', 'x')).toBe('\u001b[31mx\u001b[0m');
    expect(paintFor({ isTTY: true }, { NO_COLOR: '1' })('red', 'x')).toBe('x');
    expect(paintFor({ isTTY: true }, { NO_COLOR: '' })('red', 'x')).not.toBe('x');
    expect(paintFor({}, {})('red', 'x')).toBe('x');
  });
});
