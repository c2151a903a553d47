import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchReader, BatchWriter, newRing, type ScanBatch } from '../../../src/archive/backup/scan-batches.js';
import { FACTS, ScanEntry, type ScanItem } from '../../../src/scan/index.js';

/** Writes all, and reads each batch as soon as it is there, as another thread would have it: copied. */
function through(items: readonly ScanItem[]): ScanItem[] {
  const ring = newRing();
  const reader = new BatchReader(ring);
  const read: ScanItem[] = [];
  const writer = new BatchWriter(ring, (batch: ScanBatch) => {
    const rows = reader.read(structuredClone(batch));
    while (!rows.done) read.push(rows.next());
    reader.free();
  });
  for (const item of items) expect(writer.add(item)).toBe(true);
  expect(writer.flush()).toBe(true);
  return read;
}

const number = fc.oneof(fc.nat(100), fc.maxSafeInteger());
const text = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).latin1Slice());
const entry = fc
  .tuple(
    text,
    fc.nat(6),
    fc.array(number, { minLength: FACTS - 1, maxLength: FACTS - 1 }),
    fc.constantFrom('', 'home', 'mnt\0disk'),
    fc.option(text, { nil: undefined }),
  )
  .map(([key, type, facts, mount, target]) => {
    // A link's target is never empty.
    return new ScanEntry(key, Float64Array.of(type, ...facts), 0, mount, target === '' ? undefined : target);
  });
const other = fc.record({
  kind: fc.constant('keep' as const),
  key: text,
  end: text,
  reason: fc.string(),
  error: fc.boolean(),
  root: fc.boolean(),
});

test('items come out as they went in, in their order', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: entry }, other), { maxLength: 40 }), (items) => {
      const read = through(items);
      expect(read).toEqual(items);
      expect(read.map((item) => item instanceof ScanEntry)).toEqual(items.map(({ kind }) => kind === 'entry'));
    }),
  );
});

test('many items take many batches, and those too long for one are not lost', () => {
  const facts = new Float64Array(FACTS).fill(7);
  const items: ScanItem[] = [];
  for (let i = 0; i < 20_000; i++) {
    const length = i % 5000 === 77 ? 300_000 : i % 100 === 3 ? 5000 : 20;
    items.push(new ScanEntry(`${i}`.padEnd(length, 'x'), facts, 0, `${i % 3}`, i % 7 === 0 ? `to ${i}` : undefined));
  }
  expect(through(items)).toEqual(items);
});

test('a writer whose reader has gone stops', () => {
  const ring = newRing();
  const facts = new Float64Array(FACTS);
  const writer = new BatchWriter(ring, () => undefined);
  writer.add(new ScanEntry('a', facts, 0, '', undefined));
  new BatchReader(ring).stop();
  expect(writer.flush()).toBe(false);
});
