import { expect, test } from 'vitest';
import { FrameSource } from '../../../src/archive/restore/frame-source.js';
import { type ExtractTask, FRAME_FIELDS, Frame } from '../../../src/archive/restore/messages.js';
import type { Keyring } from '../../../src/crypto/keyring.js';
import { PACK_HEADER_LENGTH } from '../../../src/format/pack.js';
import type { ObjectStore } from '../../../src/store/index.js';

const MIB = 1024 * 1024;

/** A task that needs one large frame of a pack. */
function taskOf(pack: string): ExtractTask {
  const frames = new Float64Array(FRAME_FIELDS);
  frames[Frame.offset] = PACK_HEADER_LENGTH;
  frames[Frame.length] = 3 * MIB;
  frames[Frame.plainLength] = 3 * MIB - 16;
  return { packs: [pack], frames } as unknown as ExtractTask;
}

test('memory is not used again while something is still read to it', async () => {
  const given: (Uint8Array | undefined)[] = [];
  const reads: (() => void)[] = [];
  const store = {
    kind: 'local',
    // Headers come at once, and are none; frames come when they are told to.
    readRange: async (_path: string, offset: number, length: number, into?: Uint8Array<ArrayBuffer>) => {
      if (offset === 0) return new Uint8Array(length);
      given.push(into);
      await new Promise<void>((resolve) => reads.push(resolve));
      return new Uint8Array(length);
    },
  } as unknown as ObjectStore;
  const source = new FrameSource(store, {} as Keyring, 0);
  const memoryOf = (i: number): unknown => given[i]?.buffer;

  const first = source.request(taskOf('aa'.repeat(32)));
  first.release();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const second = source.request(taskOf('bb'.repeat(32)));
  expect(memoryOf(0)).toBeDefined();
  expect(memoryOf(1)).not.toBe(memoryOf(0));

  const arrival = first.arrival(0);
  reads[0]();
  await arrival;
  expect(() => first.plain(0)).toThrow('cannot be read from the store');
  await new Promise((resolve) => setTimeout(resolve, 20));
  source.request(taskOf('cc'.repeat(32)));
  expect(memoryOf(2)).toBe(memoryOf(0));
  for (const read of reads) read();
  await second.arrival(0);
});
