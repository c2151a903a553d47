import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { forget } from '../../../src/archive/forget.js';
import { prune } from '../../../src/archive/prune.js';
import { Lab, type LabFile } from './lab.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const file = (text: string, mtime: number): LabFile => ({ content: Buffer.from(text), mtime });

test('a shared store: packs are doomed first, and deleted by a later run once the grace is over', async () => {
  const lab = await Lab.make({ shared: true });
  try {
    const rest = (i: number): [string, LabFile] => ['r/b', file(`b${i}`.repeat(2000), i)];
    const first = await lab.at('2026-01-01T12:00').backup(new Map([['r/a', file('a'.repeat(9000), 1)], rest(1)]));
    const second = await lab.at('2026-01-02T12:00').backup(new Map([['r/a', file('a'.repeat(9000), 1)], rest(2)]));
    const packs = lab.objects('packs').length;
    lab.at('2026-01-03T12:00');
    await forget(lab.context(), {
      groupBy: ['source'],
      snapshots: [first],
      dryRun: false,
      prune: true,
      allSources: false,
    });
    expect(lab.objects('packs')).toHaveLength(packs);
    expect(lab.objects('tombstones')).toHaveLength(1);
    const options = { maxUnused: { share: 0 }, grace: 86_400_000, dryRun: false };
    lab.at('2026-01-03T20:00');
    expect((await prune(lab.context(), options)).packs_deleted).toBe(0);
    lab.at('2026-01-05T12:00');
    const done = await prune(lab.context(), options);
    expect(done.packs_deleted + done.packs_rewritten).toBeGreaterThan(0);
    // Its own listing had the packs still: another pruner's may, too.
    expect(lab.objects('tombstones')).not.toEqual([]);
    expect((await lab.restore(second)).size).toBe(2);
    lab.at('2026-01-07T12:00');
    await prune(lab.context(), options);
    lab.at('2026-01-09T12:00');
    await prune(lab.context(), options);
    expect(lab.objects('tombstones')).toEqual([]);
    expect((await lab.restore(second)).get('r/a')?.content).toEqual(new Uint8Array(Buffer.from('a'.repeat(9000))));
  } finally {
    lab.remove();
  }
});
